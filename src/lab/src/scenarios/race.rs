//! Clients that find the same expired token at the same time.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;
use serde_json::{Value, json};

use super::run::{Ending, Lab, Run};
use super::series::{self, Cell, End, Series};
use super::{Variant, describe, variants};
use crate::args::{Expectation, RaceArgs};
use crate::clients::Task;
use crate::credentials::Found;
use crate::report::{Report, join};
use crate::server::tokens::Strictness;
use crate::server::{Behaviour, Rotation};

/// With one kind of server.
struct Race<'a> {
    args: &'a RaceArgs,
    strictness: Strictness,
}

/// What one run came to.
#[derive(Debug, Serialize)]
struct Outcome {
    answers: usize,
    seconds: f64,
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
pub fn run(lab: &Lab, args: &RaceArgs) -> Result<Report> {
    let title = format!(
        "race: {}, {}, delay {} s, {} run(s) each",
        describe(&args.clients.specs),
        args.setting.place.words(),
        args.delay,
        args.runs
    );
    let mut report = Report::new(title, &[]);
    for strictness in args.server.modes() {
        series::run(&mut report, lab, &Race { args, strictness }, &variants(&args.clients), args.runs)?;
    }
    Ok(report)
}

impl Series for Race<'_> {
    type Outcome = Outcome;
    const NAME: &'static str = "race";

    fn once(&self, lab: &Lab, variant: &Variant) -> Result<Outcome> {
        let delay = Duration::from_secs_f64(self.args.delay);
        let behaviour = Behaviour {
            strictness: self.strictness,
            rotation: Rotation::OnArrival,
            delay,
            first_delay: None,
        };
        let setting = self.args.setting.setting().for_clients(&variant.clients);
        let mut run = Run::prepare(lab, setting, behaviour, &variant.owners())?;
        if self.args.serial {
            run.one_at_a_time();
        }
        let began = Instant::now();
        let mut running = Vec::new();
        for (index, &client) in variant.clients.iter().enumerate() {
            running.push(run.start(index, client, &Task::Refresh { hold: delay })?);
        }
        let clients = run.wait(&mut running)?;
        Ok(Outcome {
            answers: clients.iter().filter(|ending| ending.answered).count(),
            seconds: began.elapsed().as_secs_f64(),
            clients,
            end: End::of(&run, run.containers())?,
        })
    }

    fn summary(&self, outcome: &Outcome) -> String {
        format!(
            "{:?}: 200 = {}, 400 = {}, {} of {} answers, {:.1} s",
            self.strictness,
            outcome.end.counters.token200,
            outcome.end.counters.token400,
            outcome.answers,
            outcome.clients.len(),
            outcome.seconds
        )
    }

    /// What is wrong, if one refresh and an answer for everybody is what should have come out.
    fn complaints(&self, variant: &Variant, outcome: &Outcome) -> Vec<String> {
        let must_be_clean = match self.args.expect {
            None => false,
            Some(Expectation::Clean) => variant.has_library(),
            Some(Expectation::CleanAll) => true,
        };
        if !must_be_clean {
            return Vec::new();
        }
        let End { counters, credentials, locks_left, .. } = &outcome.end;
        let refreshes = usize::from(variant.clients.iter().any(|client| client.program.talks_to_server()));
        let complaint = if counters.token400 > 0 {
            format!("token400 = {}", counters.token400)
        } else if outcome.answers != outcome.clients.len() {
            format!("{} of {} answers", outcome.answers, outcome.clients.len())
        } else if counters.token200 != refreshes {
            format!("token200 = {}", counters.token200)
        } else if refreshes > 0 && *credentials != Found::Good {
            format!("credentials {}", credentials.word())
        } else if !locks_left.is_empty() {
            format!("left behind: {}", locks_left.join(" "))
        } else {
            return Vec::new();
        };
        vec![format!("{:?}: {complaint}", self.strictness)]
    }

    fn cells(&self, variant: &Variant, outcomes: &[Outcome]) -> Vec<Cell> {
        let mut cells = vec![
            ("clients", variant.clients.len().to_string()),
            ("library", variant.label.clone()),
            ("server", format!("{:?}", self.strictness).to_lowercase()),
        ];
        cells.extend(series::tokens(outcomes));
        cells.push(("answers", join(outcomes.iter().map(|outcome| outcome.answers))));
        cells.push(("seconds", join(outcomes.iter().map(|outcome| format!("{:.1}", outcome.seconds)))));
        cells.extend(series::ends(outcomes));
        cells
    }

    fn setting(&self) -> Value {
        let place = &self.args.setting.place;
        json!({
            "server": self.strictness,
            "layout": place.layout,
            "engine": place.engine,
            "delay_s": self.args.delay,
            "serial": self.args.serial,
        })
    }
}
