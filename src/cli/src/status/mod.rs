//! `lockspan status`: who holds the locks of a login, who waits, and who held them last.
//!
//! It changes nothing, and says `unknown` of what it cannot know.

mod events;
mod lock;
mod session;
mod table;
mod watch;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Result;
use lockspan_core::names::{CREDENTIALS, LOCKS};
use lockspan_lock::protocol::Asked;
use serde::Serialize;

pub use lock::{Lock, State, judge};

use crate::{output, settings};

/// Everything that is shown. docs/schema/status.schema.json describes it.
#[derive(Serialize)]
pub struct Status {
    schema_version: u32,
    /// Wall clock, in milliseconds since 1970.
    time_ms: i64,
    /// As far as it is UTF-8.
    config_directory: String,
    locks: Vec<Lock>,
    /// How long ago the credentials file was written last; null if there is none.
    credentials_age_ms: Option<i64>,
    /// Who held the refresh lock last, oldest first; null without an event log.
    last_holders: Option<Vec<events::PastHolder>>,
}

/// How often the locks are looked at where a change is a line.
const LOOK_EVERY_MS: u32 = 100;

/// Prints the state of every lock; with `follow` again and again, until the reader goes away.
///
/// # Errors
/// No config directory, or one that cannot be looked at.
pub fn status(json: bool, follow: bool) -> Result<()> {
    let directory = settings::config_directory_path()?;
    if let Err(inert) = settings::mode() {
        eprintln!("lockspan: {inert}");
    }
    let log = settings::events_path();
    let look = || look(&directory, log.as_deref());
    match follow {
        true => watch::watch(json, look),
        false => {
            let status = look()?;
            output::print(&if json {
                serde_json::to_string_pretty(&status)? + "\n"
            } else {
                table::text(&status)
            })
        }
    }
}

fn look(directory: &Path, log: Option<&Path>) -> Result<Status> {
    let now = milliseconds_since_1970(SystemTime::now());
    let log = log.and_then(|log| events::Log::read_end(log, now));
    let mut locks = every_lock(directory)?;
    for lock in &mut locks {
        // Who asks for a sibling that is free waits for the lock itself.
        let is_waited_for = lock.name == lock.title || lock.state != State::Free;
        if let Some(log) = log.as_ref().filter(|_| is_waited_for) {
            lock.waiting = Some(log.waiting(lock.title));
        }
    }
    locks.extend(session::look(directory)?);
    let written = fs::metadata(credentials(directory)).and_then(|found| found.modified()).ok();
    let written = written.map(milliseconds_since_1970);
    Ok(Status {
        schema_version: 1,
        time_ms: now,
        config_directory: directory.display().to_string(),
        locks,
        credentials_age_ms: written.map(|written| now - written),
        last_holders: log.map(|log| log.last_holders(LOCKS[0].title, written)),
    })
}

/// Looks at every lock directory that clients of this config directory take.
///
/// # Errors
/// A directory that cannot be looked at.
pub fn every_lock(directory: &Path) -> Result<Vec<Lock>> {
    let mut locks = Vec::new();
    for names in &LOCKS {
        locks.push(lock::look(directory, names, Asked::Lock)?);
        if names.has_sibling {
            locks.push(lock::look(directory, names, Asked::Sibling)?);
        }
    }
    Ok(locks)
}

fn credentials(directory: &Path) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    directory.join(std::ffi::OsStr::from_bytes(CREDENTIALS))
}

fn milliseconds_since_1970(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
