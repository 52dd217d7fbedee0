//! A client is in mid-refresh when somebody who knows of no lock refreshes the same pair and stores the new one. The
//! client is then refused; does it blank the pair that it never saw?
//!
//! Clients read the file again after a refusal, so the new pair is stored when that is over: a client is stopped when it
//! has written a temporary file and not yet published it. The somebody is the lab itself: it holds no lock, loads no library, and writes by a rename, or in place where the
//! file is a mount.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use rustix::process::Signal;
use serde::Serialize;

use super::run::{Ending, Lab, Run, Running};
use super::series::{self, Cell, End, Series};
use super::takeover::is_request;
use super::{Variant, variants};
use crate::args::{StaleArgs, Storing};
use crate::clients::Task;
use crate::credentials::{FILE_NAME, Found};
use crate::report::{Report, join};
use crate::server::tokens::Strictness;
use crate::server::{Behaviour, Rotation};

/// From the client's request to its refusal; the other's refresh falls into it.
const DELAY: Duration = Duration::from_secs(2);
/// What a signal takes to stop every thread of a client.
const STOP: Duration = Duration::from_millis(20);
/// How often a client's write is tried to be caught before it is over.
const TRIES: usize = 10;

/// Whether the new pair was stored in the middle of the client's write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Write {
    /// It was.
    Caught,
    /// The client was quicker, every time.
    Missed,
    /// The client wrote nothing.
    None,
}

/// What one run came to.
#[derive(Debug, Serialize)]
pub struct Outcome {
    #[serde(skip_serializing_if = "Option::is_none")]
    write: Option<Write>,
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

/// Runs all variants.
pub fn run(lab: &Lab, args: &StaleArgs) -> Result<Report> {
    let program = args.single.client.program;
    ensure!(program.talks_to_server(), "the client of `stale` must refresh, which the C client does not");
    let title = format!(
        "stale: {program} is refused after another one's refresh, {}",
        args.single.setting.place.words()
    );
    let credentials = "credentials: good = the other one's pair is still there";
    let write = "write: whether the new pair was stored just before the client published a file of its own";
    let refused = "refused: writes that the library did not let through, by its own event log";
    let mut report = Report::new(title, &[credentials, write, refused]);
    series::run(&mut report, lab, args, &variants(&args.single.clients()), args.single.runs)?;
    Ok(report)
}

impl StaleArgs {
    fn attempt(&self, lab: &Lab, variant: &Variant) -> Result<Outcome> {
        let behaviour = Behaviour {
            // A strict one revokes the login at the reuse, and there would be no good pair to lose.
            strictness: Strictness::Lenient,
            rotation: Rotation::OnAnswer,
            delay: DELAY,
            first_delay: None,
        };
        let client = variant.clients[0];
        let mut run = Run::prepare(lab, self.single.setting.setting(), behaviour, &variant.owners())?;
        run.keep_events();
        let patience = crate::seconds(self.patience, "--patience")?;
        let mut running = run.start(0, client, &Task::Refresh { hold: Duration::ZERO })?;
        run.server()
            .log()
            .wait_for(0, run.timeout(), is_request)
            .context("the client made no token request")?;
        let pair = run.refresh_elsewhere()?;
        let write = match self.at {
            Storing::Request => {
                run.store(&pair)?;
                None
            }
            Storing::Write => {
                let write = stop_at_write(&run, &mut running, patience)?;
                // Also where nothing was caught, so that what is on disk at the end can be judged.
                run.store(&pair)?;
                running.signal(Signal::CONT)?;
                Some(write)
            }
        };
        let ending = running.wait(patience)?;
        let refused = running.events()?.map(|events| events.matches("\"publish-refused\"").count());
        Ok(Outcome { write, client: ending, refused, end: End::of(&run, run.containers())? })
    }
}

/// Stops the client when it has made a temporary file for new credentials, and sees that it has published nothing yet.
fn stop_at_write(run: &Run<'_>, client: &mut Running, patience: Duration) -> Result<Write> {
    let path = run.credentials_path();
    let directory = path.parent().context("the credentials file lies in a directory")?;
    let before = fs::read(&path)?;
    let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    inotify::add_watch(&watch, directory, WatchFlags::CREATE)?;
    let temporary = loop {
        // No sleep: the client takes less than a millisecond from its temporary file to the rename.
        if let Some(name) = created(&watch)? {
            break name;
        }
        if client.poll(patience)? {
            return Ok(Write::None);
        }
    };
    client.signal(Signal::STOP)?;
    std::thread::sleep(STOP);
    // Between the library's comparison and its write it is too late for another one's pair, and nothing can be shown.
    let publishing = run.library().map_or(Ok(false), |library| client.is_inside(library))?;
    let caught = directory.join(temporary).exists() && fs::read(&path)? == before && !publishing;
    Ok(if caught { Write::Caught } else { Write::Missed })
}

/// The name of a temporary file for credentials that was made since the last call.
fn created(watch: &OwnedFd) -> Result<Option<OsString>> {
    let mut room = [std::mem::MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(watch, &mut room);
    loop {
        let event = match reader.next() {
            Ok(event) => event,
            Err(Errno::AGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let Some(name) = event.file_name() else { continue };
        if name.to_bytes().starts_with(FILE_NAME.as_bytes()) && name.to_bytes() != FILE_NAME.as_bytes() {
            return Ok(Some(OsStr::from_bytes(name.to_bytes()).to_owned()));
        }
    }
}

impl Series for StaleArgs {
    type Outcome = Outcome;
    const NAME: &'static str = "stale";

    fn once(&self, lab: &Lab, variant: &Variant) -> Result<Outcome> {
        for _ in 1..TRIES {
            let outcome = self.attempt(lab, variant)?;
            if outcome.write != Some(Write::Missed) {
                return Ok(outcome);
            }
        }
        self.attempt(lab, variant)
    }

    fn summary(&self, outcome: &Outcome) -> String {
        format!("credentials {}, exit {}", outcome.end.credentials.word(), series::exit(&outcome.client))
    }

    fn complaints(&self, variant: &Variant, outcome: &Outcome) -> Vec<String> {
        if self.expect_good && variant.has_library() && outcome.end.credentials != Found::Good {
            vec![format!("credentials {}", outcome.end.credentials.word())]
        } else {
            Vec::new()
        }
    }

    fn cells(&self, variant: &Variant, outcomes: &[Outcome]) -> Vec<Cell> {
        let clients = || outcomes.iter().map(|outcome| &outcome.client);
        let refused = |outcome: &Outcome| outcome.refused.map_or("-".to_owned(), |count| count.to_string());
        let write = |outcome: &Outcome| match outcome.write {
            Some(Write::Caught) => "caught",
            Some(Write::Missed) => "missed",
            Some(Write::None) => "none",
            None => "-",
        };
        let mut cells = vec![
            ("library", variant.label.clone()),
            ("write", join(outcomes.iter().map(write))),
            ("exit", join(clients().map(series::exit))),
            ("answered", join(clients().map(|client| if client.answered { "yes" } else { "no" }))),
            ("refused", join(outcomes.iter().map(refused))),
        ];
        cells.extend(series::tokens(outcomes));
        cells.extend(series::ends(outcomes));
        cells
    }
}
