//! The holder is SIGSTOPped in mid-refresh past the staleness age, another one takes the lock, the holder is woken.
//!
//! Whether the refresh succeeds is reported only: a token that was used up at the server before the stop is beyond any
//! lock. What is judged is whose lock is removed by whom.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;
use serde::Serialize;

use super::run::{Ending, Lab, Run};
use super::series::{self, Cell, End, Series};
use super::{Variant, takeover, variants};
use crate::args::StoppedArgs;
use crate::container::{self, Identity};
use crate::report::{Report, join};
use crate::server::log::{Event, Phase};
use crate::server::{Behaviour, Rotation};

/// From the next client's request to the wake-up; its answer must take longer than this.
const MID_REQUEST: Duration = Duration::from_millis(300);

/// What one run came to.
#[derive(Debug, Serialize)]
pub struct Outcome {
    seconds: f64,
    gave_up: usize,
    /// Locks of the next client that vanished while it waited for its answer.
    removed: Vec<String>,
    /// Locks that the next client had made when the holder woke.
    watched: usize,
    clients: Vec<Ending>,
    #[serde(flatten)]
    end: End,
}

impl AsRef<End> for Outcome {
    fn as_ref(&self) -> &End {
        &self.end
    }
}

/// Runs all variants.
pub fn run(lab: &Lab, args: &StoppedArgs) -> Result<Report> {
    let clients = args.takeover.clients();
    anyhow::ensure!(
        clients.specs.iter().all(|spec| spec.program.talks_to_server()),
        "`stopped` waits for token requests, which the C client does not make"
    );
    let title = format!(
        "stopped: {} holds, {} takes over by staleness, the holder wakes, {}",
        clients.specs[0].program,
        clients.specs[1].program,
        args.takeover.place.words()
    );
    let removed =
        "removed: locks of the next client, of those watched, that went away while it waited for its answer";
    let mut report = Report::new(title, &[takeover::SECONDS, removed]);
    series::run(&mut report, lab, args, &variants(&clients), args.takeover.runs)?;
    Ok(report)
}

impl Series for StoppedArgs {
    type Outcome = Outcome;
    const NAME: &'static str = "stopped";

    fn once(&self, lab: &Lab, variant: &Variant) -> Result<Outcome> {
        once(lab, self, variant)
    }

    fn summary(&self, outcome: &Outcome) -> String {
        format!("{:.1} s, {} of {} removed", outcome.seconds, outcome.removed.len(), outcome.watched)
    }

    fn complaints(&self, variant: &Variant, outcome: &Outcome) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.expect_safe && variant.has_library() {
            for (what, names) in [("removed", &outcome.removed), ("left", &outcome.end.locks_left)] {
                if !names.is_empty() {
                    complaints.push(format!("{what}: {}", names.join(" ")));
                }
            }
            if outcome.watched == 0 {
                complaints.push("the next client had made no lock to be watched".to_owned());
            }
        }
        complaints
    }

    fn cells(&self, variant: &Variant, outcomes: &[Outcome]) -> Vec<Cell> {
        let removed = |outcome: &Outcome| format!("{}/{}", outcome.removed.len(), outcome.watched);
        let answers = |outcome: &Outcome| outcome.clients.iter().filter(|one| one.answered).count();
        let mut cells = vec![
            ("library", variant.label.clone()),
            ("seconds", join(outcomes.iter().map(|outcome| format!("{:.1}", outcome.seconds)))),
            ("gave up before", join(outcomes.iter().map(|outcome| outcome.gave_up))),
            ("removed", join(outcomes.iter().map(removed))),
        ];
        cells.extend(series::tokens(outcomes));
        cells.push(("answers", join(outcomes.iter().map(answers))));
        cells.extend(series::ends(outcomes));
        cells
    }
}

fn once(lab: &Lab, args: &StoppedArgs, variant: &Variant) -> Result<Outcome> {
    let delay = Duration::from_secs_f64(args.takeover.delay);
    let behaviour =
        Behaviour { strictness: args.server, rotation: Rotation::OnArrival, delay, first_delay: None };
    let mut run = Run::prepare(lab, args.takeover.setting(), behaviour, &variant.owners())?;
    let mut holder = takeover::bring_to(&mut run, variant.clients[0], args.takeover.at, delay)?;
    holder.signal(Signal::STOP)?;
    let paths: Vec<PathBuf> = [takeover::HOLDER, takeover::NEXT]
        .into_iter()
        .flat_map(|container| run.lock_paths(container))
        .collect();
    let of_holder = identities(&paths);

    let next = takeover::next_request(&mut run, variant.clients[1], delay)?;
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
        end: End::of(&run, run.containers())?,
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
