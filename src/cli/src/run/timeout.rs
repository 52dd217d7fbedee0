//! `--timeout`: SIGTERM, time to finish, SIGKILL; and no lock of a killed holder is left behind.
//!
//! It signals the command and those of its descendants that have not left its process group, as timeout(1) does, and
//! is done when all of them are gone.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::family::Family;
use crate::dead;

/// How long after SIGTERM a command has to end, and one that still held a lock of the login then, since.
const GRACE: Duration = Duration::from_secs(10);

/// The same for one that holds a lock of the login: it may have sent a refresh token that is void from then on, and
/// have the next one nowhere but in its memory. Looked at after each [`GRACE`].
const HOLDER_GRACE: Duration = Duration::from_secs(60);

/// How long after SIGKILL a process may take to go, in a system call that does not end.
const LAST: Duration = Duration::from_secs(5);

/// How often is looked, from SIGTERM on.
const LOOK: Duration = Duration::from_millis(50);

/// The time limit of a running command.
pub struct Timeout {
    child: Pid,
    directory: PathBuf,
    phase: Phase,
}

enum Phase {
    /// Until then.
    Runs(Instant),
    /// It was told to end, then; and was last found with a lock, then.
    Ends { since: Instant, held: Option<Instant> },
    /// It was killed, then.
    Killed(Instant),
}

impl Timeout {
    /// Of a command that was started just now.
    pub fn new(limit: Duration, child: Pid, directory: &Path) -> Timeout {
        Timeout { child, directory: directory.to_owned(), phase: Phase::Runs(Instant::now() + limit) }
    }

    /// Whether the limit is over.
    pub fn is_over(&self) -> bool {
        !matches!(self.phase, Phase::Runs(_))
    }

    /// Does what is due. Answers how long it takes until this is to be asked again; `None` when the limit is over
    /// and everybody gone.
    pub fn step(&mut self) -> Option<Duration> {
        let now = Instant::now();
        match self.phase {
            Phase::Runs(until) if now < until => return Some(until - now),
            Phase::Runs(_) => {
                eprintln!("lockspan: time is over; the command is told to end");
                for pid in Family::of(self.child).in_group(self.child) {
                    tell(pid, Signal::SIGTERM);
                    // One that is stopped has to go on to get it.
                    tell(pid, Signal::SIGCONT);
                }
                self.phase = Phase::Ends { since: now, held: None };
            }
            Phase::Ends { since, held } => {
                let family = Family::of(self.child);
                family.in_group(self.child).next()?;
                if now - held.unwrap_or(since) < GRACE {
                    return Some(LOOK);
                }
                if now - since < HOLDER_GRACE && family.holds_lock(&self.directory) {
                    if held.is_none() {
                        eprintln!("lockspan: it holds a lock of the login, and is given time to finish");
                    }
                    self.phase = Phase::Ends { since, held: Some(now) };
                    return Some(LOOK);
                }
                eprintln!("lockspan: it has not ended, and is killed");
                kill_all(&family, self.child);
                self.phase = Phase::Killed(now);
            }
            Phase::Killed(since) => {
                let family = Family::of(self.child);
                family.in_group(self.child).next()?;
                if now - since > LAST {
                    eprintln!("lockspan: killed, but not gone yet");
                    return None;
                }
                // Also those that were forked a moment ago.
                kill_all(&family, self.child);
            }
        }
        Some(LOOK)
    }

    /// Removes what was left behind by a holder that is proven dead.
    pub fn tidy(&self) {
        match dead::remove(&self.directory) {
            Ok(removed) => {
                for path in removed {
                    eprintln!("lockspan: removed {}, whose holder is dead", path.display());
                }
            }
            Err(error) => eprintln!("lockspan: {error:#}"),
        }
    }
}

fn kill_all(family: &Family, child: Pid) {
    family.in_group(child).for_each(|pid| tell(pid, Signal::SIGKILL));
}

/// Sends a signal to a process that may be gone by now, which is as good.
fn tell(pid: Pid, signal: Signal) {
    let _ = kill(pid, signal);
}
