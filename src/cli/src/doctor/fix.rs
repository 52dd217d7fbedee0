//! `doctor --fix`: removes lock directories by rmdir alone: those whose owner is proven dead, and, with `--yes`, old
//! ones that do not change while they are watched. It must never remove the lock of a process that is seen to live.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use lockspan_lock::kernel::{Kernel, Signals};
use lockspan_lock::linux::Linux;

use super::Problem;
use super::locks::{self, Lock, State};
use crate::dead;

/// How long a lock is watched. Clients touch theirs every 5 s.
const WATCHED: Duration = Duration::from_secs(12);

/// Removes what may be removed, and says so on standard error.
///
/// # Errors
/// A lock cannot be looked at or removed.
pub fn fix(directory: &Path, yes: bool) -> Result<()> {
    for path in dead::remove(directory)? {
        eprintln!("lockspan: removed {}: its owner is dead", path.display());
    }
    let found = look(directory)?;
    for lock in found.iter().filter(|lock| matches!(lock.state, State::Orphaned(_))) {
        // Where flock does not work, the record alone proves it.
        if remove_unchanged(directory, lock).with_context(|| lock.path.display().to_string())? {
            eprintln!("lockspan: removed {}: its owner is dead", lock.path.display());
        }
    }
    let old: Vec<_> = found.into_iter().filter(Lock::is_old).collect();
    if !yes {
        for lock in &old {
            let path = lock.path.display();
            eprintln!(
                "lockspan: kept {path}: nothing proves its owner dead; --fix --yes watches it for 12 s"
            );
        }
        return Ok(());
    }
    if old.is_empty() {
        return Ok(());
    }
    for lock in &old {
        eprintln!("lockspan: watching {} for {} s", lock.path.display(), WATCHED.as_secs());
    }
    thread::sleep(WATCHED);
    for lock in &old {
        let path = lock.path.display();
        if remove_unchanged(directory, lock).with_context(|| path.to_string())? {
            eprintln!("lockspan: removed {path}: nobody has touched it");
        } else {
            eprintln!("lockspan: kept {path}: it has changed");
        }
    }
    Ok(())
}

fn look(directory: &Path) -> Result<Vec<Lock>> {
    locks::look(directory).map_err(|problem| match problem {
        Problem::Skipped(why) | Problem::Fault { evidence: why, .. } => anyhow!(why),
    })
}

/// How often, a millisecond each, another process's removal is waited for.
const REMOVAL_TRIES: usize = 100;

/// Removes a lock that is still what it was, while no process with the library removes or touches one.
fn remove_unchanged(directory: &Path, lock: &Lock) -> Result<bool> {
    let mut kernel = Linux::new();
    kernel.serve_path(directory.as_os_str().as_bytes(), lock.names).context("its path is too long")?;
    let mut removal = None;
    for _ in 0..REMOVAL_TRIES {
        match kernel.removal_lock() {
            Ok(Some(taken)) => {
                removal = Some(taken);
                break;
            }
            Ok(None) => kernel.sleep(1, Signals::Delivered),
            // Where flock does not work, this is as safe as a client's own staleness rule.
            Err(_) => break,
        }
    }
    let unchanged = kernel.stat(lock.asked.place()) == Ok(lock.stat);
    let removed = if unchanged { kernel.rmdir(lock.asked.place()) } else { Ok(()) };
    if let Some(removal) = removal {
        kernel.removal_unlock(removal);
    }
    removed.map_err(|errno| std::io::Error::from_raw_os_error(errno.0))?;
    Ok(unchanged)
}
