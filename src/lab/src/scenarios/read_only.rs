//! What is shared is mounted read-only: a refreshed pair could not be stored, so a refresh would only burn the login.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;

use super::run::{Ending, Lab, Run, Setting};
use super::series::{self, Cell, End, Series};
use super::takeover::is_request;
use super::{Variant, variants};
use crate::args::ReadOnlyArgs;
use crate::clients::Task;
use crate::report::{Report, join};
use crate::server::tokens::Strictness;
use crate::server::{Behaviour, Rotation};

/// What one run came to.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Token requests that arrived.
    posts: usize,
    client: Ending,
    #[serde(flatten)]
    end: End,
}

impl AsRef<End> for Outcome {
    fn as_ref(&self) -> &End {
        &self.end
    }
}

/// Runs all variants.
pub fn run(lab: &Lab, args: &ReadOnlyArgs) -> Result<Report> {
    let program = args.single.client.program;
    ensure!(program.talks_to_server(), "the client of `read-only` must refresh, which the C client does not");
    let title = format!("read-only: {program}, {}", args.single.setting.place.words());
    let posts =
        "posts: token requests; credentials: stale = the login on disk was used up, good = it still works";
    let mut report = Report::new(title, &[posts]);
    series::run(&mut report, lab, args, &variants(&args.single.clients()), args.single.runs)?;
    Ok(report)
}

impl Series for ReadOnlyArgs {
    type Outcome = Outcome;
    const NAME: &'static str = "read-only";

    fn once(&self, lab: &Lab, variant: &Variant) -> Result<Outcome> {
        let behaviour = Behaviour {
            strictness: Strictness::Lenient,
            rotation: Rotation::OnArrival,
            delay: Duration::ZERO,
            first_delay: None,
        };
        let setting = Setting { read_only: true, ..self.single.setting.setting() };
        let mut run = Run::prepare(lab, setting, behaviour, &variant.owners())?;
        let mut running = [run.start(0, variant.clients[0], &Task::Refresh { hold: Duration::ZERO })?];
        let client = running[0].wait(crate::seconds(self.patience, "--patience")?)?;
        let end = End::of(&run, run.containers())?;
        Ok(Outcome { posts: end.requests.iter().filter(|event| is_request(event)).count(), client, end })
    }

    fn summary(&self, outcome: &Outcome) -> String {
        format!("{} posts, exit {}", outcome.posts, series::exit(&outcome.client))
    }

    fn complaints(&self, variant: &Variant, outcome: &Outcome) -> Vec<String> {
        if self.expect_no_request && variant.has_library() && outcome.posts > 0 {
            vec![format!("{} token requests", outcome.posts)]
        } else {
            Vec::new()
        }
    }

    fn cells(&self, variant: &Variant, outcomes: &[Outcome]) -> Vec<Cell> {
        let clients = || outcomes.iter().map(|outcome| &outcome.client);
        let mut cells = vec![
            ("library", variant.label.clone()),
            ("posts", join(outcomes.iter().map(|outcome| outcome.posts))),
            ("exit", join(clients().map(series::exit))),
            ("seconds", join(clients().map(|client| format!("{:.1}", client.seconds)))),
            ("answered", join(clients().map(|client| if client.answered { "yes" } else { "no" }))),
        ];
        cells.extend(series::tokens(outcomes));
        cells.extend(series::ends(outcomes));
        cells
    }
}
