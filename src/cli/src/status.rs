//! `lockspan status`: who holds the locks of a login. It changes nothing.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use comfy_table::Table;
use lockspan_core::names::LOCKS;
use lockspan_lock::kernel::{Errno, Kernel, Place};
use lockspan_lock::linux::Linux;
use serde::Serialize;

use crate::settings;

#[derive(Serialize)]
struct Status {
    schema_version: u32,
    /// As far as it is UTF-8.
    config_directory: String,
    locks: Vec<Lock>,
}

#[derive(Serialize)]
struct Lock {
    name: &'static str,
    /// As far as it is UTF-8.
    path: String,
    state: State,
    /// How long ago the lock was touched last; negative if its time lies in the future.
    heartbeat_age_ms: Option<i64>,
    /// Who holds or held it, where the library wrote that down.
    holder: Option<Holder>,
}

#[derive(Serialize)]
struct Holder {
    pid: u32,
    pid_namespace: u64,
    host: String,
    /// How long ago the lock was taken.
    since_ms: i64,
}

/// What a lock's directory, record and guard say together.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// There is no lock directory.
    Free,
    /// A live process with the library holds it.
    Held,
    /// Its owner is gone; the next client with the library replaces it at once.
    Orphan,
    /// Its owner exited and left it; clients wait until they call it stale.
    Left,
    /// A client without the library holds it or left it, or flock does not work here; clients wait until they
    /// call it stale.
    Foreign,
}

/// Prints the state of every lock.
///
/// # Errors
/// No config directory, or one that cannot be looked at.
pub fn status(json: bool) -> Result<()> {
    let directory = settings::config_directory_path()?;
    let locks = (0..LOCKS.len()).map(|index| look(&directory, index)).collect::<Result<_>>()?;
    let status = Status { schema_version: 1, config_directory: directory.display().to_string(), locks };
    let text = if json { serde_json::to_string_pretty(&status)? + "\n" } else { table(&status)? };
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("standard output"),
    }
}

fn look(directory: &Path, index: usize) -> Result<Lock> {
    let names = &LOCKS[index];
    let bytes = directory.as_os_str().as_bytes();
    let mut kernel = Linux::new();
    kernel.serve_path(bytes, names).context("the config directory's path is too long")?;
    let path = PathBuf::from(OsStr::from_bytes(kernel.path(Place::Lock).to_bytes()));
    let now = kernel.wall();
    let found = match kernel.stat(Place::Lock) {
        Ok(found) => Some(found),
        Err(Errno::NOENT) => None,
        Err(Errno(errno)) => {
            return Err(io::Error::from_raw_os_error(errno)).with_context(|| path.display().to_string());
        }
    };
    let record = kernel.read_record(Place::Record);
    let record = record.filter(|record| found.is_some_and(|found| record.names(found.identity)));
    let state = match (&found, &record) {
        (None, _) => State::Free,
        (Some(_), None) => State::Foreign,
        (Some(_), Some(record)) if record.left => State::Left,
        (Some(_), Some(_)) if kernel.guard_refused() => State::Held,
        (Some(found), Some(record)) => {
            let boot = kernel.owner().boot;
            let guard = kernel.stat(Place::Guard).map(|guard| guard.identity);
            match guard {
                Ok(guard) if record.proves_dead(boot.as_ref(), guard, found.identity) => State::Orphan,
                _ => State::Foreign,
            }
        }
    };
    let holder = record.map(|record| Holder {
        pid: record.pid,
        pid_namespace: record.pid_namespace,
        host: String::from_utf8_lossy(record.host()).into_owned(),
        since_ms: now.millis_since(record.since),
    });
    let heartbeat_age_ms = found.map(|found| now.millis_since(found.mtime));
    Ok(Lock { name: names.title, path: path.display().to_string(), state, heartbeat_age_ms, holder })
}

fn table(status: &Status) -> Result<String> {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header(["LOCK", "STATE", "PID", "CONTAINER", "SINCE", "HEARTBEAT"]);
    let ago = |age: i64| match age {
        ..0 => "in the future".to_owned(),
        age => format!("{}.{} s ago", age / 1000, age % 1000 / 100),
    };
    for lock in &status.locks {
        let holder = |field: fn(&Holder) -> String| lock.holder.as_ref().map_or("-".into(), field);
        let heartbeat = lock.heartbeat_age_ms.map_or("-".into(), ago);
        table.add_row([
            lock.name.into(),
            format!("{:?}", lock.state).to_lowercase(),
            holder(|holder| holder.pid.to_string()),
            holder(|holder| holder.host.escape_debug().to_string()),
            lock.holder.as_ref().map_or("-".into(), |holder| ago(holder.since_ms)),
            heartbeat,
        ]);
    }
    let mut text = String::new();
    writeln!(text, "{}", status.config_directory.escape_debug())?;
    for line in table.lines() {
        writeln!(text, "{}", line.trim_end())?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockspan_core::Cycle;
    use lockspan_lock::protocol::{self, Asked, Patience};
    use lockspan_lock::slot::Slot;
    use std::fs;

    const AT_ONCE: Patience = Patience { total: 0, step: 1, absent: 0 };

    fn state(directory: &Path) -> State {
        look(directory, 0).expect("a config directory").state
    }

    #[test]
    fn the_states_of_a_lock() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let directory = home.path().join("config");
        fs::create_dir(&directory).expect("a directory");
        let lock = directory.join(".oauth_refresh.lock");
        assert_eq!(state(&directory), State::Free);

        fs::create_dir(&lock).expect("a directory");
        assert_eq!(state(&directory), State::Foreign, "made by somebody without the library");
        fs::remove_dir(&lock).expect("an empty directory");

        let slot = Slot::new();
        let mut kernel = Linux::new();
        kernel.serve_path(directory.as_os_str().as_bytes(), &LOCKS[0]).expect("a short path");
        let taken = protocol::take(&mut kernel, &slot, Cycle::InPlace, 0o755, AT_ONCE);
        assert_eq!(taken, Ok(protocol::Taken::Free));
        assert_eq!(state(&directory), State::Held);
        let holder = look(&directory, 0).expect("a config directory").holder.expect("a record");
        assert_eq!(holder.pid, std::process::id());

        protocol::leave(&mut kernel, &slot);
        assert_eq!(state(&directory), State::Left);

        let removed = protocol::remove(&mut kernel, &slot, Asked::Lock);
        assert_eq!(removed, Some((protocol::Removed::Released, Ok(()))));
        assert_eq!(state(&directory), State::Free);
    }

    #[test]
    fn a_guard_that_another_program_locks_counts_as_held() {
        // fs2 is an implementation of flock that this project did not write.
        let home = tempfile::tempdir().expect("a temporary directory");
        let directory = home.path().join("config");
        fs::create_dir(&directory).expect("a directory");
        let mut kernel = Linux::new();
        kernel.serve_path(directory.as_os_str().as_bytes(), &LOCKS[0]).expect("a short path");
        let slot = Slot::new();
        protocol::take(&mut kernel, &slot, Cycle::InPlace, 0o755, AT_ONCE).expect("a free lock");
        let guard = fs::File::open(directory.join(".lockspan/oauth_refresh.guard")).expect("the guard");
        let refused = fs2::FileExt::try_lock_exclusive(&guard).expect_err("the guard is locked");
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(protocol::remove(&mut kernel, &slot, Asked::Lock).expect("the holder").1, Ok(()));
        fs2::FileExt::try_lock_exclusive(&guard).expect("the guard was given back");
        let busy = protocol::take(&mut kernel, &slot, Cycle::InPlace, 0o755, AT_ONCE);
        assert_eq!(busy, Err(protocol::Blocked::Held));
    }
}
