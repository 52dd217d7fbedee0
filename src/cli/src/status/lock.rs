//! One lock directory: what it, its record and its guard say together. It must not change any of them.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lockspan_core::Time;
use lockspan_core::lease::Lease;
use lockspan_core::names::{LockNames, sibling_key};
use lockspan_core::record::Record;
use lockspan_lock::kernel::{Errno, Kernel, Place, Stat};
use lockspan_lock::linux::Linux;
use lockspan_lock::protocol::Asked;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{F_RDLCK, F_UNLCK, F_WRLCK, SEEK_SET, flock};
use serde::Serialize;

use super::events::Waiting;

/// One lock, as it is shown.
#[derive(Serialize, Debug)]
pub struct Lock {
    /// `refresh`, `sibling`, `write` or `session`.
    pub name: &'static str,
    /// As far as it is UTF-8.
    pub path: String,
    pub state: State,
    /// How long ago the lock was touched last; negative if its time lies in the future.
    pub heartbeat_age_ms: Option<i64>,
    /// Who holds or held it, as far as that is known.
    pub holder: Option<Holder>,
    /// The processes that are known to wait; null where that cannot be known.
    pub waiting: Option<Vec<Waiting>>,
    /// By which name the library's events call it: a sibling is the refresh lock by another path.
    #[serde(skip)]
    pub title: &'static str,
}

#[derive(Serialize, Debug)]
pub struct Holder {
    pub pid: u32,
    /// The pid namespace in which it has this number.
    pub pid_namespace: Option<u64>,
    pub host: Option<String>,
    /// How long ago the lock was taken.
    pub since_ms: Option<i64>,
}

/// What a lock's directory, record and guard say together.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// There is no lock directory.
    Free,
    /// A live process holds it.
    Held,
    /// Its owner is gone; the next client with the library replaces it at once.
    Orphan,
    /// Its owner exited and left it; clients wait until they call it stale.
    Left,
    /// A client without the library holds it or left it, or flock does not work here; clients wait until they
    /// call it stale.
    Foreign,
    /// As left or foreign, but its time lies in the future: nobody calls it stale before that time has come.
    FutureDated,
}

impl State {
    /// The state in one word, as JSON has it.
    pub fn word(self) -> &'static str {
        match self {
            State::Free => "free",
            State::Held => "held",
            State::Orphan => "orphan",
            State::Left => "left",
            State::Foreign => "foreign",
            State::FutureDated => "future-dated",
        }
    }
}

/// How far in the future a client may date its own lock: its first touch sets the next whole second and 5 ms.
const DATED_AHEAD_MS: i64 = 2_000;

/// Looks at the lock `names` of a config directory, or at its sibling.
///
/// # Errors
/// It cannot be looked at.
pub fn look(directory: &Path, names: &'static LockNames, asked: Asked) -> Result<Lock> {
    let mut kernel = Linux::new();
    kernel
        .serve_path(directory.as_os_str().as_bytes(), names)
        .context("the config directory's path is too long")?;
    let path = PathBuf::from(OsStr::from_bytes(kernel.path(asked.place()).to_bytes()));
    let now = kernel.wall();
    let found = match kernel.stat(asked.place()) {
        Ok(found) => Some(found),
        Err(Errno::NOENT) => None,
        Err(Errno(errno)) => {
            return Err(io::Error::from_raw_os_error(errno)).with_context(|| path.display().to_string());
        }
    };
    let (state, record) = match &found {
        None if asked == Asked::Lock && is_held_elsewhere(&mut kernel, names) => (State::Held, None),
        None => (State::Free, None),
        Some(found) => judge(&mut kernel, asked, found, now),
    };
    Ok(Lock {
        name: if asked == Asked::Sibling { "sibling" } else { names.title },
        path: path.display().to_string(),
        state,
        heartbeat_age_ms: found.map(|found| now.millis_since(found.mtime)),
        holder: record.map(|record| Holder {
            pid: record.pid,
            pid_namespace: (record.pid_namespace != 0).then_some(record.pid_namespace),
            host: Some(String::from_utf8_lossy(record.host()).into_owned()),
            since_ms: Some(now.millis_since(record.since)),
        }),
        waiting: None,
        title: names.title,
    })
}

/// What a lock directory that is there, its record and its guard say together, and the record, if it is this one's.
pub fn judge(kernel: &mut Linux, asked: Asked, found: &Stat, now: Time) -> (State, Option<Record>) {
    let record = match asked {
        Asked::Lock => kernel.read_record(Place::Record).filter(|record| record.names(found.identity)),
        Asked::Sibling => {
            let place = Place::SiblingRecord(sibling_key(found.identity));
            let unique = found.identity.is_unique();
            kernel.read_record(place).filter(|record| unique && record.sibling == Some(found.identity))
        }
    };
    let state = match &record {
        Some(record) if record.left => State::Left,
        Some(record) if has_guard(kernel, record) => State::Held,
        Some(record) if is_dead(kernel, asked, record, found) => State::Orphan,
        _ => State::Foreign,
    };
    let ahead = found.mtime.millis_since(now) > DATED_AHEAD_MS;
    match state {
        State::Left | State::Foreign if ahead => (State::FutureDated, record),
        state => (state, record),
    }
}

/// Whether the guard is locked, and that by this owner: the lock's own record is always the present holder's.
fn has_guard(kernel: &mut Linux, record: &Record) -> bool {
    kernel.guard_refused()
        && kernel.read_record(Place::Record).is_some_and(|present| present.lock == record.lock)
}

fn is_dead(kernel: &mut Linux, asked: Asked, record: &Record, found: &Stat) -> bool {
    let owner = kernel.owner();
    let Ok(guard) = kernel.stat(Place::Guard) else { return false };
    let proven = match asked {
        Asked::Lock => record.proves_dead(owner.boot.as_ref(), guard.identity, found.identity),
        Asked::Sibling => record.proves_sibling_dead(owner.boot.as_ref(), guard.identity, found.identity),
    };
    // A process that is there to be seen gave up its guard by exec.
    let seen = owner.pid_namespace != 0
        && owner.pid_namespace == record.pid_namespace
        && kernel.is_alive(record.pid, record.started);
    proven && !seen
}

/// Whether a process that shares nothing but the credentials file with this one holds the lock.
fn is_held_elsewhere(kernel: &mut Linux, names: &LockNames) -> bool {
    if !kernel.credentials_are_mounted() {
        return false;
    }
    let owner = kernel.owner();
    let lease = Lease::new(owner.boot.as_ref(), owner.time_namespace, kernel.monotonic());
    let path = OsStr::from_bytes(kernel.path(Place::Credentials).to_bytes());
    let Ok(file) = File::open(path) else { return false };
    // As one who takes the lock asks, but that the kernel only answers with the lock in the way.
    [(F_WRLCK, lease), (F_RDLCK, lease.others())].into_iter().filter(|(_, part)| part.start < part.end).any(
        |(kind, part)| {
            let mut asked = flock {
                l_type: kind as i16,
                l_whence: SEEK_SET as i16,
                l_start: (names.leases + part.start).cast_signed(),
                l_len: (part.end - part.start).cast_signed(),
                l_pid: 0,
            };
            fcntl(&file, FcntlArg::F_OFD_GETLK(&mut asked)).is_ok() && asked.l_type != F_UNLCK as i16
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockspan_core::Cycle;
    use lockspan_core::names::LOCKS;
    use lockspan_lock::protocol::{self, Patience};
    use lockspan_lock::slot::Slot;
    use std::fs;
    use std::time::{Duration, SystemTime};

    const AT_ONCE: Patience = Patience { total: 0, step: 1, absent: 0 };

    struct Home {
        _home: tempfile::TempDir,
        directory: PathBuf,
        kernel: Linux,
        slot: Slot,
    }

    impl Home {
        fn new() -> Home {
            let home = tempfile::tempdir().expect("a temporary directory");
            let directory = home.path().join("config");
            fs::create_dir(&directory).expect("a directory");
            let mut kernel = Linux::new();
            kernel.serve_path(directory.as_os_str().as_bytes(), &LOCKS[0]).expect("a short path");
            Home { _home: home, directory, kernel, slot: Slot::new() }
        }

        fn take(&mut self, cycle: Cycle) {
            let taken = protocol::take(&mut self.kernel, &self.slot, cycle, 0o755, AT_ONCE);
            assert_eq!(taken, Ok(protocol::Taken::Free));
        }

        /// Ends the holder as its death would: the guard goes, nothing else does.
        fn die(&mut self) {
            let held = self.slot.held(self.kernel.pid()).expect("a held lock");
            self.kernel.guard_drop(held.guard.expect("a guard"));
        }

        fn look(&self, asked: Asked) -> Lock {
            look(&self.directory, &LOCKS[0], asked).expect("a config directory")
        }

        /// The states of the lock and of its sibling.
        fn states(&self) -> [State; 2] {
            [Asked::Lock, Asked::Sibling].map(|asked| self.look(asked).state)
        }

        fn lock(&self) -> PathBuf {
            self.directory.join(".oauth_refresh.lock")
        }
    }

    #[test]
    fn the_states_of_a_lock_and_its_sibling() {
        let mut home = Home::new();
        assert_eq!(home.states(), [State::Free, State::Free]);
        home.take(Cycle::Redirected);
        assert_eq!(home.states(), [State::Held, State::Held]);
        for asked in [Asked::Lock, Asked::Sibling] {
            assert_eq!(home.look(asked).holder.expect("a record").pid, std::process::id());
        }
        protocol::leave(&mut home.kernel, &home.slot);
        assert_eq!(home.states(), [State::Left, State::Left]);
        let removed = protocol::remove(&mut home.kernel, &home.slot, Asked::Sibling);
        assert_eq!(removed, Some((protocol::Removed::Released, Ok(()))));
        assert_eq!(home.states(), [State::Free, State::Free]);
    }

    #[test]
    fn a_directory_that_somebody_without_the_library_made_is_foreign() {
        let home = Home::new();
        fs::create_dir(home.lock()).expect("a directory");
        assert_eq!(home.states(), [State::Foreign, State::Free]);
        let ahead = SystemTime::now() + Duration::from_secs(3600);
        File::open(home.lock()).and_then(|lock| lock.set_modified(ahead)).expect("an own directory");
        assert_eq!(home.states(), [State::FutureDated, State::Free]);
        let probe = SystemTime::now() + Duration::from_millis(1005);
        File::open(home.lock()).and_then(|lock| lock.set_modified(probe)).expect("an own directory");
        assert_eq!(home.states(), [State::Foreign, State::Free], "a client's first touch");
    }

    #[test]
    fn a_holder_that_gave_up_its_guard_is_no_orphan_while_it_can_be_seen() {
        let mut home = Home::new();
        home.take(Cycle::InPlace);
        home.die();
        assert_eq!(home.states(), [State::Foreign, State::Free], "this process lives");
        // The same holder, as it would have written the record before a reboot of its pid namespace.
        let record = home.kernel.read_record(Place::Record).expect("a record");
        let gone = Record { started: record.started + 1, ..record };
        home.kernel.write_record(Place::Record, &gone).expect("room for a record");
        assert_eq!(home.states(), [State::Orphan, State::Free]);
    }

    #[test]
    fn a_guard_that_another_program_locks_counts_as_held() {
        // fs2 is an implementation of flock that this project did not write.
        let mut home = Home::new();
        home.take(Cycle::InPlace);
        let guard = File::open(home.directory.join(".lockspan/oauth_refresh.guard")).expect("the guard");
        let refused = fs2::FileExt::try_lock_exclusive(&guard).expect_err("the guard is locked");
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        let released = protocol::remove(&mut home.kernel, &home.slot, Asked::Lock).expect("the holder");
        assert_eq!(released.1, Ok(()));
        fs2::FileExt::try_lock_exclusive(&guard).expect("the guard was given back");
        let busy = protocol::take(&mut home.kernel, &home.slot, Cycle::InPlace, 0o755, AT_ONCE);
        assert_eq!(busy, Err(protocol::Blocked::Held));
    }
}
