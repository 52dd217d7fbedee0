//! The holder is SIGSTOPped in mid-refresh past the staleness age, another one takes the lock, the holder is woken.
//!
//! Whether the refresh succeeds is reported only: a token that was used up at the server before the stop is beyond any
//! lock. What is judged is whose lock is removed by whom.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;
use serde::Serialize;
use serde_json::json;

use super::run::{Client, Ending, Lab, Run};
use super::{takeover, variants};
use crate::args::StoppedArgs;
use crate::container::{self, Identity};
use crate::credentials::Found;
use crate::report::{Report, agree, join, left};
use crate::server::log::{Counters, Event, Phase};
use crate::server::{Behaviour, Rotation};

/// From the next client's request to the wake-up; its answer must take longer than this.
const MID_REQUEST: Duration = Duration::from_millis(300);

#[derive(Debug, Serialize)]
struct Outcome {
    seconds: f64,
    gave_up: usize,
    /// Locks of the next client that vanished while it waited for its answer.
    removed: Vec<String>,
    /// Locks that the next client had made when the holder woke.
    watched: usize,
    clients: Vec<Ending>,
    counters: Counters,
    credentials: Found,
    locks_left: Vec<String>,
    requests: Vec<Event>,
}

/// Runs all variants.
pub fn run(lab: &Lab, args: &StoppedArgs) -> Result<Report> {
    let clients = args.takeover.clients();
    anyhow::ensure!(
        clients.specs.iter().all(|spec| spec.program.talks_to_server()),
        "`stopped` waits for token requests, which the C client does not make"
    );
    let mut report = Report {
        title: format!(
            "stopped: {} holds, {} takes over by staleness, the holder wakes",
            clients.specs[0].program, clients.specs[1].program
        ),
        notes: vec![
            "seconds: from the next client's first lock attempt (strace) to its token request (server)".to_owned(),
            "removed: locks of the next client, of those watched, that went away while it waited for its answer".to_owned(),
        ],
        columns: vec![
            "library", "seconds", "gave up before", "removed", "200", "400", "answers", "credentials", "left",
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
                "stopped {number}/{}: library {}: {:.1} s, {} of {} removed",
                args.takeover.runs,
                variant.label,
                outcome.seconds,
                outcome.removed.len(),
                outcome.watched
            );
            if args.expect_safe && variant.clients.iter().any(|client| client.library) {
                for (what, names) in [("removed", &outcome.removed), ("left", &outcome.locks_left)] {
                    if !names.is_empty() {
                        report.failures.push(format!(
                            "library {}, run {number}: {what}: {}",
                            variant.label,
                            names.join(" ")
                        ));
                    }
                }
                if outcome.watched == 0 {
                    report.failures.push(format!(
                        "library {}, run {number}: the next client had made no lock to be watched",
                        variant.label
                    ));
                }
            }
            outcomes.push(outcome);
        }
        let words: Vec<String> =
            outcomes.iter().map(|outcome| outcome.credentials.word().to_owned()).collect();
        let answers = |outcome: &Outcome| outcome.clients.iter().filter(|one| one.answered).count();
        report.rows.push(vec![
            variant.label.clone(),
            join(outcomes.iter().map(|outcome| format!("{:.1}", outcome.seconds))),
            join(outcomes.iter().map(|outcome| outcome.gave_up)),
            join(outcomes.iter().map(|outcome| format!("{}/{}", outcome.removed.len(), outcome.watched))),
            join(outcomes.iter().map(|outcome| outcome.counters.token200)),
            join(outcomes.iter().map(|outcome| outcome.counters.token400)),
            join(outcomes.iter().map(answers)),
            agree(&words),
            left(outcomes.iter().map(|outcome| &outcome.locks_left)),
        ]);
        details.push(json!({ "library": variant.label, "runs": outcomes }));
    }
    report.details = json!(details);
    Ok(report)
}

fn once(lab: &Lab, args: &StoppedArgs, clients: &[Client]) -> Result<Outcome> {
    let delay = Duration::from_secs_f64(args.takeover.delay);
    let behaviour =
        Behaviour { strictness: args.server, rotation: Rotation::OnArrival, delay, first_delay: None };
    let owners: Vec<u32> = clients.iter().map(|client| client.uid).collect();
    let mut run = Run::prepare(lab, args.takeover.setting(), behaviour, &owners)?;
    let mut holder = takeover::bring_to(&mut run, clients[0], args.takeover.at, delay)?;
    holder.signal(Signal::STOP)?;
    let paths: Vec<PathBuf> = [takeover::HOLDER, takeover::NEXT]
        .into_iter()
        .flat_map(|container| run.lock_paths(container))
        .collect();
    let of_holder = identities(&paths);

    let next = takeover::next_request(&mut run, clients[1], delay)?;
    std::thread::sleep(MID_REQUEST);
    // What is there now and was not when the holder was stopped is the next client's.
    let watched: Vec<(PathBuf, Identity)> = paths
        .iter()
        .filter_map(|path| Some((path.clone(), container::identity(path)?)))
        .filter(|(_, identity)| !of_holder.contains(identity))
        .collect();
    holder.signal(Signal::CONT)?;
    let mut removed: Vec<String> = Vec::new();
    let answered = |event: &Event| event.request == next.request.request && event.phase != Phase::Arrived;
    // One look per millisecond, until the next client has its answer and may remove its locks itself.
    while run.server().log().wait_for(0, Duration::from_millis(1), answered).is_none() {
        for (path, identity) in &watched {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let gone = container::identity(path) != Some(*identity);
            // The answer may have come between the two looks.
            let early = run.server().log().wait_for(0, Duration::ZERO, answered).is_none();
            if gone && early && !removed.contains(&name) {
                removed.push(name);
            }
        }
    }
    let endings = run.wait(&mut [holder, next.running])?;
    Ok(Outcome {
        seconds: next.seconds,
        gave_up: next.gave_up,
        removed,
        watched: distinct(&watched),
        clients: endings,
        counters: run.server().log().counters(),
        credentials: run.credentials(),
        locks_left: run.locks_left()?,
        requests: run.server().log().events(),
    })
}

fn identities(paths: &[PathBuf]) -> Vec<Identity> {
    paths.iter().filter_map(|path| container::identity(path)).collect()
}

/// A shared lock is seen through both containers but is one.
fn distinct(watched: &[(PathBuf, Identity)]) -> usize {
    let identities: std::collections::BTreeSet<_> = watched.iter().map(|(_, identity)| identity).collect();
    identities.len()
}
