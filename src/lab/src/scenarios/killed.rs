//! The holder is SIGKILLed in mid-refresh: how long is the lock lost?
//!
//! The server uses up a refresh token only when its answer goes out, so the killed holder's request has used up
//! nothing: what is measured is the lock, not the lost token, which no lock can bring back.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::run::{Ending, Lab, Run};
use super::series::{self, Cell, End, Series};
use super::{Variant, takeover, variants};
use crate::args::KilledArgs;
use crate::report::{Report, join};
use crate::server::tokens::Strictness;
use crate::server::{Behaviour, Rotation};

/// What one run came to.
#[derive(Debug, Serialize)]
pub struct Outcome {
    seconds: f64,
    gave_up: usize,
    next: Ending,
    #[serde(flatten)]
    end: End,
}

impl AsRef<End> for Outcome {
    fn as_ref(&self) -> &End {
        &self.end
    }
}

/// Runs all variants.
pub fn run(lab: &Lab, args: &KilledArgs) -> Result<Report> {
    let clients = args.takeover.clients();
    ensure!(
        clients.specs.iter().all(|spec| spec.program.talks_to_server()),
        "`killed` measures up to a token request, which the C client does not make"
    );
    let title = format!(
        "killed: {} holds, {} comes next, {}",
        clients.specs[0].program,
        clients.specs[1].program,
        args.takeover.place.words()
    );
    let mut report = Report::new(title, &[takeover::SECONDS]);
    series::run(&mut report, lab, args, &variants(&clients), args.takeover.runs)?;
    Ok(report)
}

impl Series for KilledArgs {
    type Outcome = Outcome;
    const NAME: &'static str = "killed";

    fn once(&self, lab: &Lab, variant: &Variant) -> Result<Outcome> {
        let delay = Duration::from_secs_f64(self.takeover.delay);
        let behaviour = Behaviour {
            strictness: Strictness::Strict,
            rotation: Rotation::OnAnswer,
            delay,
            first_delay: None,
        };
        let setting = self.takeover.setting().for_clients(&variant.clients);
        let mut run = Run::prepare(lab, setting, behaviour, &variant.owners())?;
        let mut holder = takeover::bring_to(&mut run, variant.clients[0], self.takeover.at, delay)?;
        holder.kill()?;
        let next = takeover::next_request(&mut run, variant.clients[1], delay)?;
        let ending = run.wait(&mut [next.running])?.pop().context("the next client's end was lost")?;
        Ok(Outcome {
            seconds: next.seconds,
            gave_up: next.gave_up,
            next: ending,
            end: End::of(&run, takeover::NEXT..takeover::NEXT + 1)?,
        })
    }

    fn summary(&self, outcome: &Outcome) -> String {
        format!("{:.2} s, {} gave up before", outcome.seconds, outcome.gave_up)
    }

    fn complaints(&self, variant: &Variant, outcome: &Outcome) -> Vec<String> {
        self.within
            .filter(|&within| variant.has_library() && outcome.seconds > within)
            .map(|within| format!("{:.2} s, expected at most {within} s", outcome.seconds))
            .into_iter()
            .collect()
    }

    fn cells(&self, variant: &Variant, outcomes: &[Outcome]) -> Vec<Cell> {
        let mut cells = vec![
            ("library", variant.label.clone()),
            ("seconds", join(outcomes.iter().map(|outcome| format!("{:.2}", outcome.seconds)))),
            ("gave up before", join(outcomes.iter().map(|outcome| outcome.gave_up))),
        ];
        cells.extend(series::tokens(outcomes));
        let answered = |outcome: &Outcome| if outcome.next.answered { "yes" } else { "no" };
        cells.push(("answered", join(outcomes.iter().map(answered))));
        cells.extend(series::ends(outcomes));
        cells
    }
}
