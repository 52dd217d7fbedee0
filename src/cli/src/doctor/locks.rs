//! The locks of a login: who holds them, and which of them nobody will ever give back.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lockspan_core::names::{LOCK_SUFFIX, LOCKS, LockNames};
use lockspan_core::record::Record;
use lockspan_core::stale::DESCRIBED_THRESHOLD;
use lockspan_lock::kernel::{Kernel, Stat};
use lockspan_lock::linux::Linux;
use lockspan_lock::protocol::Asked;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::{Outcome, Problem, Subject, fault};
use crate::status;

/// A lock that is there.
pub struct Lock {
    pub path: PathBuf,
    pub names: &'static LockNames,
    pub asked: Asked,
    pub stat: Stat,
    pub state: State,
}

/// What a lock's directory, record and guard say together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    /// It is no directory.
    File,
    /// It is dated in the future, by so many milliseconds.
    Future(i64),
    /// A live process with the library holds it.
    Held(String),
    /// Its owner is proven dead, by its guard or because its pid is gone from this pid namespace.
    Orphaned(String),
    /// Nothing is proven of its owner; nobody has touched it for so many milliseconds.
    Foreign(i64),
}

impl Lock {
    /// Whether every client calls it stale, though nothing is proven of its owner.
    pub fn is_old(&self) -> bool {
        matches!(self.state, State::Foreign(age) if age > DESCRIBED_THRESHOLD)
    }
}

/// Looks at every lock of a config directory that is there.
pub fn look(directory: &Path) -> Result<Vec<Lock>, Problem> {
    let mut found = Vec::new();
    for names in &LOCKS {
        let every: &[Asked] = if names.has_sibling { &[Asked::Lock, Asked::Sibling] } else { &[Asked::Lock] };
        for &asked in every {
            let mut kernel = Linux::new();
            let bytes = directory.as_os_str().as_bytes();
            kernel.serve_path(bytes, names).ok_or_else(|| Problem::Skipped("its path is too long".into()))?;
            let path = PathBuf::from(OsStr::from_bytes(kernel.path(asked.place()).to_bytes()));
            let kind = match fs::symlink_metadata(&path) {
                Ok(metadata) => metadata.file_type(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error.into()),
            };
            // Given back between two looks.
            let Ok(stat) = kernel.stat(asked.place()) else { continue };
            let state = if kind.is_dir() { state(&mut kernel, asked, &stat) } else { State::File };
            found.push(Lock { path, names, asked, stat, state });
        }
    }
    Ok(found)
}

fn state(kernel: &mut Linux, asked: Asked, stat: &Stat) -> State {
    let now = kernel.wall();
    let age = now.millis_since(stat.mtime);
    let (state, record) = status::judge(kernel, asked, stat, now);
    match (state, record) {
        (status::State::Held, Some(record)) => State::Held(holder(&record)),
        (status::State::Orphan, Some(record)) => State::Orphaned(holder(&record)),
        (_, Some(record)) if is_gone(kernel, &record) => State::Orphaned(holder(&record)),
        (status::State::FutureDated, _) => State::Future(-age),
        _ => State::Foreign(age),
    }
}

/// Whether the owner's process was one of this pid namespace, and there is none with that number now. Asked of the
/// kernel and not of /proc, which may be another namespace's, or hide processes.
fn is_gone(kernel: &mut Linux, record: &Record) -> bool {
    let asker = kernel.owner();
    let pid = i32::try_from(record.pid).ok().and_then(Pid::from_raw);
    !record.left
        && asker.boot == Some(record.boot)
        && asker.pid_namespace != 0
        && asker.pid_namespace == record.pid_namespace
        && pid.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH))
}

fn holder(record: &Record) -> String {
    format!("pid {} on {}", record.pid, String::from_utf8_lossy(record.host()))
}

/// The locks of which `describe` says something.
fn all(
    subject: &Subject<'_>,
    describe: impl Fn(&Lock) -> Option<String>,
) -> Result<Vec<(PathBuf, String)>, Problem> {
    let found = look(subject.directory()?)?;
    Ok(found.into_iter().filter_map(|lock| describe(&lock).map(|what| (lock.path, what))).collect())
}

/// A fault if there are such locks, with one advice for all of them.
fn none(found: Vec<(PathBuf, String)>, advice: impl Fn(&str) -> String) -> Outcome {
    if found.is_empty() {
        return Ok(String::new());
    }
    let evidence: Vec<_> = found.iter().map(|(path, what)| format!("{} {what}", path.display())).collect();
    let paths: Vec<_> = found.iter().map(|(path, _)| path.display().to_string()).collect();
    fault(evidence.join("; "), advice(&paths.join(" ")))
}

pub fn files(subject: &Subject<'_>) -> Outcome {
    let found = all(subject, |lock| {
        (lock.state == State::File).then(|| "is no directory; clients wait for ever".into())
    });
    none(found?, |paths| format!("rm {paths}"))
}

pub fn future(subject: &Subject<'_>) -> Outcome {
    let found = all(subject, |lock| match lock.state {
        State::Future(ahead) => {
            Some(format!("is {} s ahead of this clock; nobody will call it stale", ahead / 1000))
        }
        _ => None,
    });
    none(found?, |paths| format!("check the clocks (date); with no client running: rmdir {paths}"))
}

pub fn orphaned(subject: &Subject<'_>) -> Outcome {
    let found = all(subject, |lock| match &lock.state {
        State::Orphaned(holder) => Some(format!("was left by {holder}, which is dead")),
        _ => None,
    });
    none(found?, |_| "lockspan doctor --fix    # the next client with the library removes it as well".into())
}

pub fn foreign(subject: &Subject<'_>) -> Outcome {
    let old = all(subject, |lock| match lock.state {
        State::Foreign(age) if lock.is_old() => Some(format!("was not touched for {} s", age / 1000)),
        _ => None,
    })?;
    if !old.is_empty() {
        return none(old, |_| "lockspan doctor --fix --yes    # watches it for 12 s before".into());
    }
    let held = all(subject, |lock| match &lock.state {
        State::Held(holder) => Some(format!("{} lock held by {holder}", lock.names.title)),
        State::Foreign(_) => Some(format!("{} lock held by a client without the library", lock.names.title)),
        _ => None,
    })?;
    let mut held: Vec<_> = held.into_iter().map(|(_, what)| what).collect();
    held.dedup();
    Ok(if held.is_empty() { "all free".into() } else { held.join("; ") })
}

/// Names of locks that clients are known to make in the config directory.
fn is_known(name: &[u8]) -> bool {
    LOCKS.iter().any(|lock| name.strip_suffix(LOCK_SUFFIX) == Some(lock.stem))
        || name == b".claude.json.lock"
        || name.starts_with(b"mcp-refresh-")
}

pub fn unknown(subject: &Subject<'_>) -> Outcome {
    let mut names = Vec::new();
    for entry in fs::read_dir(subject.directory()?)? {
        let name = entry?.file_name();
        if name.as_bytes().ends_with(LOCK_SUFFIX) && !is_known(name.as_bytes()) {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    if names.is_empty() {
        return Ok(String::new());
    }
    fault(
        format!("unknown lock {}", names.join(", ")),
        "nothing to do if a client of yours makes it; the library leaves it alone",
    )
}
