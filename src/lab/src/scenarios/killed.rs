//! The holder is SIGKILLed in mid-refresh: how long is the lock lost?
//!
//! The server uses up a refresh token only when its answer goes out, so the killed holder's request has used up
//! nothing: what is measured is the lock, not the lost token, which no lock can bring back.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;
use serde_json::json;

use super::run::{Client, Ending, Lab, Run};
use super::{takeover, variants};
use crate::args::KilledArgs;
use crate::credentials::Found;
use crate::report::{Report, agree, join, left};
use crate::server::log::{Counters, Event};
use crate::server::tokens::Strictness;
use crate::server::{Behaviour, Rotation};

#[derive(Debug, Serialize)]
struct Outcome {
    seconds: f64,
    gave_up: usize,
    next: Ending,
    counters: Counters,
    credentials: Found,
    locks_left: Vec<String>,
    requests: Vec<Event>,
}

/// Runs all variants.
pub fn run(lab: &Lab, args: &KilledArgs) -> Result<Report> {
    let clients = args.takeover.clients();
    ensure!(
        clients.specs.iter().all(|spec| spec.program.talks_to_server()),
        "`killed` measures up to a token request, which the C client does not make"
    );
    let mut report = Report {
        title: format!("killed: {} holds, {} comes next", clients.specs[0].program, clients.specs[1].program),
        notes: vec![
            "seconds: from the next client's first lock attempt (strace) to its token request (server)"
                .to_owned(),
        ],
        columns: vec![
            "library",
            "seconds",
            "gave up before",
            "200",
            "400",
            "answered",
            "credentials",
            "left",
        ],
        rows: Vec::new(),
        details: json!([]),
        failures: Vec::new(),
    };
    let mut details = Vec::new();
    for variant in variants(&clients) {
        let mut outcomes = Vec::new();
        for number in 1..=args.takeover.runs {
            let outcome = once(lab, args, &variant.clients)?;
            eprintln!(
                "killed {number}/{}: library {}: {:.2} s, {} gave up before",
                args.takeover.runs, variant.label, outcome.seconds, outcome.gave_up
            );
            let has_library = variant.clients.iter().any(|client| client.library);
            if let (Some(within), true) = (args.within, has_library)
                && outcome.seconds > within
            {
                report.failures.push(format!(
                    "library {}, run {number}: {:.2} s, expected at most {within} s",
                    variant.label, outcome.seconds
                ));
            }
            outcomes.push(outcome);
        }
        let words: Vec<String> =
            outcomes.iter().map(|outcome| outcome.credentials.word().to_owned()).collect();
        report.rows.push(vec![
            variant.label.clone(),
            join(outcomes.iter().map(|outcome| format!("{:.2}", outcome.seconds))),
            join(outcomes.iter().map(|outcome| outcome.gave_up)),
            join(outcomes.iter().map(|outcome| outcome.counters.token200)),
            join(outcomes.iter().map(|outcome| outcome.counters.token400)),
            join(outcomes.iter().map(|outcome| if outcome.next.answered { "yes" } else { "no" })),
            agree(&words),
            left(outcomes.iter().map(|outcome| &outcome.locks_left)),
        ]);
        details.push(json!({ "library": variant.label, "runs": outcomes }));
    }
    report.details = json!(details);
    Ok(report)
}

fn once(lab: &Lab, args: &KilledArgs, clients: &[Client]) -> Result<Outcome> {
    let delay = Duration::from_secs_f64(args.takeover.delay);
    let behaviour =
        Behaviour { strictness: Strictness::Strict, rotation: Rotation::OnAnswer, delay, first_delay: None };
    let owners: Vec<u32> = clients.iter().map(|client| client.uid).collect();
    let mut run = Run::prepare(lab, args.takeover.setting(), behaviour, &owners)?;
    let mut holder = takeover::bring_to(&mut run, clients[0], args.takeover.at, delay)?;
    holder.kill()?;
    let next = takeover::next_request(&mut run, clients[1], delay)?;
    let endings = run.wait(&mut [next.running])?;
    let Some(ending) = endings.into_iter().next() else {
        anyhow::bail!("the next client's end was lost");
    };
    Ok(Outcome {
        seconds: next.seconds,
        gave_up: next.gave_up,
        next: ending,
        counters: run.server().log().counters(),
        credentials: run.credentials(),
        locks_left: run.locks_left_in(takeover::NEXT..takeover::NEXT + 1)?,
        requests: run.server().log().events(),
    })
}
