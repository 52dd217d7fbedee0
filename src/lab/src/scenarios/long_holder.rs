//! A holder whose refresh takes long: do the waiters have the patience?

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::json;

use super::run::{Client, Ending, Lab, Run};
use super::{describe, takeover, variants};
use crate::args::LongHolderArgs;
use crate::clients::Task;
use crate::credentials::Found;
use crate::report::{Report, agree, join, left};
use crate::server::log::{Counters, Event, Phase};
use crate::server::tokens::Strictness;
use crate::server::{Behaviour, Rotation};

/// What every token request but the holder's takes.
const SHORT: Duration = Duration::from_millis(500);

#[derive(Debug, Serialize)]
struct Outcome {
    counters: Counters,
    answers: usize,
    /// Seconds after which the holder itself closed its token request, if it did.
    holder_gave_up: Option<f64>,
    credentials: Found,
    locks_left: Vec<String>,
    holder: Ending,
    waiters: Vec<Ending>,
    requests: Vec<Event>,
}

/// Runs all variants.
pub fn run(lab: &Lab, args: &LongHolderArgs) -> Result<Report> {
    ensure!(
        args.holder.program.talks_to_server(),
        "the holder of `long-holder` must refresh, which the C client does not"
    );
    let mut clients = args.clients.clone();
    let mut holder = args.holder;
    holder.count = Some(1);
    clients.specs.insert(0, holder);
    let mut report = Report {
        title: format!(
            "long-holder: {} holds for {} s, {} wait, layout {}",
            args.holder.program,
            args.delay,
            describe(&args.clients.specs),
            args.setting.layout_word()
        ),
        notes: vec!["waited: seconds that each waiter ran".to_owned()],
        columns: vec!["library", "answers", "waited", "holder gave up", "200", "400", "credentials", "left"],
        rows: Vec::new(),
        details: json!([]),
        failures: Vec::new(),
    };
    let mut details = Vec::new();
    for variant in variants(&clients) {
        let mut outcomes = Vec::new();
        for number in 1..=args.runs {
            let outcome = once(lab, args, &variant.clients)?;
            let waiters = outcome.waiters.len();
            eprintln!(
                "long-holder {number}/{}: library {}: {} of {waiters} waiters answered",
                args.runs, variant.label, outcome.answers
            );
            let has_library = variant.clients.iter().any(|client| client.library);
            if args.expect_answers && has_library && outcome.answers != waiters {
                report.failures.push(format!(
                    "library {}, run {number}: {} of {waiters} answers",
                    variant.label, outcome.answers
                ));
            }
            outcomes.push(outcome);
        }
        let words: Vec<String> =
            outcomes.iter().map(|outcome| outcome.credentials.word().to_owned()).collect();
        report.rows.push(vec![
            variant.label.clone(),
            join(outcomes.iter().map(|outcome| format!("{}/{}", outcome.answers, outcome.waiters.len()))),
            join(
                outcomes
                    .iter()
                    .flat_map(|outcome| &outcome.waiters)
                    .map(|waiter| format!("{:.0}", waiter.seconds)),
            ),
            join(outcomes.iter().map(|outcome| match outcome.holder_gave_up {
                Some(seconds) => format!("after {seconds:.0} s"),
                None if outcome.holder.timed_out => "ended by the lab".to_owned(),
                None => "no".to_owned(),
            })),
            join(outcomes.iter().map(|outcome| outcome.counters.token200)),
            join(outcomes.iter().map(|outcome| outcome.counters.token400)),
            agree(&words),
            left(outcomes.iter().map(|outcome| &outcome.locks_left)),
        ]);
        details.push(json!({ "library": variant.label, "runs": outcomes }));
    }
    report.details = json!(details);
    Ok(report)
}

fn once(lab: &Lab, args: &LongHolderArgs, clients: &[Client]) -> Result<Outcome> {
    let delay = Duration::from_secs_f64(args.delay);
    let behaviour = Behaviour {
        strictness: Strictness::Strict,
        rotation: Rotation::OnArrival,
        delay: SHORT,
        first_delay: Some(delay),
    };
    let owners: Vec<u32> = clients.iter().map(|client| client.uid).collect();
    let mut run = Run::prepare(lab, args.setting.setting(), behaviour, &owners)?;
    let task = Task::Refresh { hold: delay };
    let mut running = vec![run.start(0, clients[0], &task)?];
    let first = run
        .server()
        .log()
        .wait_for(0, run.timeout(), takeover::is_request)
        .context("the holder made no token request")?;
    for (index, &client) in clients.iter().enumerate().skip(1) {
        running.push(run.start(index, client, &task)?);
    }
    let mut endings = run.wait(&mut running)?;
    let holder = endings.remove(0);
    let requests = run.server().log().events();
    let dropped =
        requests.iter().find(|event| event.request == first.request && event.phase == Phase::Dropped);
    Ok(Outcome {
        counters: run.server().log().counters(),
        answers: endings.iter().filter(|ending| ending.answered).count(),
        holder_gave_up: dropped.map(|event| event.unix - first.unix),
        credentials: run.credentials(),
        locks_left: run.locks_left()?,
        holder,
        waiters: endings,
        requests,
    })
}
