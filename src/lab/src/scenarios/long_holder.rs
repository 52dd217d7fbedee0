//! A holder whose refresh takes long: do the waiters have the patience?

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::run::{Ending, Lab, Run};
use super::series::{self, Cell, End, Series};
use super::{Variant, describe, takeover, variants};
use crate::args::LongHolderArgs;
use crate::clients::Task;
use crate::report::{Report, join};
use crate::server::log::Phase;
use crate::server::tokens::Strictness;
use crate::server::{Behaviour, Rotation};

/// What every token request but the holder's takes.
const SHORT: Duration = Duration::from_millis(500);

/// What one run came to.
#[derive(Debug, Serialize)]
pub struct Outcome {
    answers: usize,
    /// Seconds after which the holder itself closed its token request, if it did.
    holder_gave_up: Option<f64>,
    holder: Ending,
    waiters: Vec<Ending>,
    #[serde(flatten)]
    end: End,
}

impl AsRef<End> for Outcome {
    fn as_ref(&self) -> &End {
        &self.end
    }
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
    let title = format!(
        "long-holder: {} holds for {} s, {} wait, {}",
        args.holder.program,
        args.delay,
        describe(&args.clients.specs),
        args.setting.place.words()
    );
    let mut report = Report::new(title, &["waited: seconds that each waiter ran"]);
    series::run(&mut report, lab, args, &variants(&clients), args.runs)?;
    Ok(report)
}

impl Series for LongHolderArgs {
    type Outcome = Outcome;
    const NAME: &'static str = "long-holder";

    fn once(&self, lab: &Lab, variant: &Variant) -> Result<Outcome> {
        let delay = Duration::from_secs_f64(self.delay);
        let behaviour = Behaviour {
            strictness: Strictness::Strict,
            rotation: Rotation::OnArrival,
            delay: SHORT,
            first_delay: Some(delay),
        };
        let mut run = Run::prepare(lab, self.setting.setting(), behaviour, &variant.owners())?;
        let task = Task::Refresh { hold: delay };
        let mut running = vec![run.start(0, variant.clients[0], &task)?];
        let first = run
            .server()
            .log()
            .wait_for(0, run.timeout(), takeover::is_request)
            .context("the holder made no token request")?;
        for (index, &client) in variant.clients.iter().enumerate().skip(1) {
            running.push(run.start(index, client, &task)?);
        }
        let mut waiters = run.wait(&mut running)?;
        let holder = waiters.remove(0);
        let end = End::of(&run, run.containers())?;
        let dropped = |event: &&crate::server::log::Event| {
            event.request == first.request && event.phase == Phase::Dropped
        };
        Ok(Outcome {
            answers: waiters.iter().filter(|ending| ending.answered).count(),
            holder_gave_up: end.requests.iter().find(dropped).map(|event| event.unix - first.unix),
            holder,
            waiters,
            end,
        })
    }

    fn summary(&self, outcome: &Outcome) -> String {
        format!("{} of {} waiters answered", outcome.answers, outcome.waiters.len())
    }

    fn complaints(&self, variant: &Variant, outcome: &Outcome) -> Vec<String> {
        let waiters = outcome.waiters.len();
        if self.expect_answers && variant.has_library() && outcome.answers != waiters {
            vec![format!("{} of {waiters} answers", outcome.answers)]
        } else {
            Vec::new()
        }
    }

    fn cells(&self, variant: &Variant, outcomes: &[Outcome]) -> Vec<Cell> {
        let answers = |outcome: &Outcome| format!("{}/{}", outcome.answers, outcome.waiters.len());
        let waiters = outcomes.iter().flat_map(|outcome| &outcome.waiters);
        let gave_up = |outcome: &Outcome| match outcome.holder_gave_up {
            Some(seconds) => format!("after {seconds:.0} s"),
            None if outcome.holder.timed_out => "ended by the lab".to_owned(),
            None => "no".to_owned(),
        };
        let mut cells = vec![
            ("library", variant.label.clone()),
            ("answers", join(outcomes.iter().map(answers))),
            ("waited", join(waiters.map(|waiter| format!("{:.0}", waiter.seconds)))),
            ("holder gave up", join(outcomes.iter().map(gave_up))),
        ];
        cells.extend(series::tokens(outcomes));
        cells.extend(series::ends(outcomes));
        cells
    }
}
