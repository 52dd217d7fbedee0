//! A log-out: the pair is taken out of the credentials file, in each of the ways in which clients do that, with the
//! refresh lock and without. Somebody else has refreshed since the client first read the file; one that has read it
//! again may log out, one that has not would log everybody out by mistake.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde::Serialize;
use serde_json::{Value, json};

use super::run::{Ending, Lab, Run};
use super::series::{self, Cell, End, Series};
use super::{Variant, variants};
use crate::args::LogoutArgs;
use crate::clients::{LogOut, Removal, TURN_OF_CLIENT, TURN_OF_LAB, Task};
use crate::credentials::Found;
use crate::report::{Report, join};
use crate::server::tokens::Strictness;
use crate::server::{Behaviour, Rotation};
use crate::spec::Program;

/// How often the lab looks whether it is its turn.
const LOOK: Duration = Duration::from_millis(5);

/// One way to log out.
struct Way<'a> {
    args: &'a LogoutArgs,
    log_out: LogOut,
}

/// What one run came to.
#[derive(Debug, Serialize)]
struct Outcome {
    client: Ending,
    /// Writes that the library says it refused, if there is one.
    refused: Option<usize>,
    #[serde(flatten)]
    end: End,
}

impl AsRef<End> for Outcome {
    fn as_ref(&self) -> &End {
        &self.end
    }
}

/// Runs all variants of all ways.
pub fn run(lab: &Lab, args: &LogoutArgs) -> Result<Report> {
    let program = args.single.client.program;
    ensure!(
        matches!(program, Program::ProperLockfile(_)),
        "the client of `logout` is a model: proper-lockfile[-new]"
    );
    let title = format!("logout: {program}, {}", args.single.setting.place.words());
    let read = "has read: the newest pair, or an older one; somebody else has refreshed since";
    let credentials = "credentials: blank or missing = logged out, good = the newest pair is still there";
    let mut report = Report::new(title, &[read, credentials]);
    for reads_again in [true, false] {
        for removal in [Removal::Rename, Removal::Truncate, Removal::Unlink] {
            for locked in [true, false] {
                let way = Way { args, log_out: LogOut { removal, locked, reads_again } };
                series::run(&mut report, lab, &way, &variants(&args.single.clients()), args.single.runs)?;
            }
        }
    }
    Ok(report)
}

impl Way<'_> {
    fn read(&self) -> &'static str {
        if self.log_out.reads_again { "newest" } else { "older" }
    }
}

impl Series for Way<'_> {
    type Outcome = Outcome;
    const NAME: &'static str = "logout";

    fn once(&self, lab: &Lab, variant: &Variant) -> Result<Outcome> {
        let behaviour = Behaviour {
            strictness: Strictness::Strict,
            rotation: Rotation::OnArrival,
            delay: Duration::ZERO,
            first_delay: None,
        };
        let client = variant.clients[0];
        let mut run = Run::prepare(lab, self.args.single.setting.setting(), behaviour, &variant.owners())?;
        run.keep_events();
        let turn = run.scratch("turn", client.uid)?;
        let task = Task::LogOut { how: self.log_out, turn: turn.clone() };
        let mut running = run.start(0, client, &task)?;
        let deadline = Instant::now() + run.timeout();
        while fs::read_to_string(&turn)? != TURN_OF_LAB {
            ensure!(
                !running.poll(run.timeout())? && Instant::now() < deadline,
                "the client ended before it had read the file: {}",
                running.ending().said.unwrap_or_default()
            );
            std::thread::sleep(LOOK);
        }
        run.store(&run.refresh_elsewhere()?)?;
        fs::write(&turn, TURN_OF_CLIENT)?;
        let ending = running.wait(run.timeout())?;
        let refused = running.events()?.map(|events| events.matches("\"publish-refused\"").count());
        Ok(Outcome { client: ending, refused, end: End::of(&run, run.containers())? })
    }

    fn summary(&self, outcome: &Outcome) -> String {
        format!(
            "{:?}, has read the {} pair: {}",
            self.log_out.removal,
            self.read(),
            outcome.end.credentials.word()
        )
    }

    fn complaints(&self, variant: &Variant, outcome: &Outcome) -> Vec<String> {
        let LogOut { removal, locked, reads_again } = self.log_out;
        let found = outcome.end.credentials;
        let is_right = if reads_again {
            matches!(found, Found::Blank | Found::Missing)
        } else {
            // Nothing is promised of a file that is removed as a whole, or truncated by who has no lock.
            let promised = match removal {
                Removal::Rename => true,
                Removal::Truncate => locked,
                Removal::Unlink => false,
            };
            found == Found::Good || !variant.has_library() || !promised
        };
        let is_clean = outcome.client.exit_code == Some(0) && outcome.end.locks_left.is_empty();
        if self.args.expect && !(is_right && is_clean) {
            vec![format!(
                "{removal:?} by one that has read the {} pair: credentials {}, exit {}, left {:?}",
                self.read(),
                found.word(),
                series::exit(&outcome.client),
                outcome.end.locks_left
            )]
        } else {
            Vec::new()
        }
    }

    fn cells(&self, variant: &Variant, outcomes: &[Outcome]) -> Vec<Cell> {
        let refused = |outcome: &Outcome| outcome.refused.map_or("-".to_owned(), |count| count.to_string());
        let mut cells = vec![
            ("has read", self.read().to_owned()),
            ("removal", format!("{:?}", self.log_out.removal).to_lowercase()),
            ("lock", if self.log_out.locked { "yes" } else { "no" }.to_owned()),
            ("library", variant.label.clone()),
            ("exit", join(outcomes.iter().map(|outcome| series::exit(&outcome.client)))),
            ("refused", join(outcomes.iter().map(refused))),
        ];
        cells.extend(series::ends(outcomes));
        cells
    }

    fn setting(&self) -> Value {
        json!({ "layout": self.args.single.setting.place.layout, "way": self.log_out })
    }
}
