//! Removes the lock directories that proven dead holders left: by rmdir alone, and only where the guard and the
//! record prove it. It must never decide by a lock's age.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lockspan_core::names::LOCKS;
use lockspan_lock::linux::Linux;
use lockspan_lock::protocol::{self, Asked};

/// Removes what is proven dead of every lock of a config directory, given by its real path; the paths removed.
///
/// # Errors
/// A directory that is proven dead cannot be removed. Those after it are not looked at.
pub fn remove(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut removed = Vec::new();
    for names in &LOCKS {
        let mut kernel = Linux::new();
        kernel
            .serve_path(directory.as_os_str().as_bytes(), names)
            .context("the config directory's path is too long")?;
        let asked: &[Asked] = if names.has_sibling { &[Asked::Sibling, Asked::Lock] } else { &[Asked::Lock] };
        for &asked in asked {
            let result = protocol::remove_dead(&mut kernel, asked);
            let path = PathBuf::from(OsStr::from_bytes(kernel.path(asked.place()).to_bytes()));
            match result {
                Ok(true) => removed.push(path),
                Ok(false) => {}
                Err(errno) => {
                    return Err(io::Error::from_raw_os_error(errno.0)).with_context(|| {
                        format!("{}: its holder is dead, but it cannot be removed", path.display())
                    });
                }
            }
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockspan_core::Cycle;
    use lockspan_lock::kernel::{Kernel, Place};
    use lockspan_lock::protocol::Patience;
    use lockspan_lock::slot::Slot;
    use std::fs;

    const AT_ONCE: Patience = Patience { total: 0, step: 1, absent: 0 };

    /// A config directory whose locks are taken here, as a client with the library takes them.
    fn taken(cycle: Cycle, index: usize) -> (tempfile::TempDir, PathBuf, Linux, Slot) {
        let home = tempfile::tempdir().expect("a temporary directory");
        let directory = home.path().join("config");
        fs::create_dir(&directory).expect("a directory");
        let (mut kernel, slot) = (Linux::new(), Slot::new());
        kernel.serve_path(directory.as_os_str().as_bytes(), &LOCKS[index]).expect("a short path");
        protocol::take(&mut kernel, &slot, cycle, 0o755, AT_ONCE).expect("a free lock");
        (home, directory, kernel, slot)
    }

    /// Ends a holder as its death would: the guard goes, nothing else does.
    fn die(kernel: &mut Linux, slot: &Slot) {
        let held = slot.held(kernel.pid()).expect("a held lock");
        kernel.guard_drop(held.guard.expect("a guard"));
    }

    #[test]
    fn a_dead_holders_directories_are_removed_and_nothing_is_made() {
        for (cycle, index) in [(Cycle::InPlace, 0), (Cycle::Redirected, 0), (Cycle::InPlace, 1)] {
            let (home, directory, mut kernel, slot) = taken(cycle, index);
            assert_eq!(remove(&directory).expect("a config directory"), [] as [PathBuf; 0], "it lives");
            die(&mut kernel, &slot);
            let lock = PathBuf::from(OsStr::from_bytes(kernel.path(Place::Lock).to_bytes()));
            let expected = match cycle {
                Cycle::InPlace => vec![lock],
                Cycle::Redirected => vec![home.path().join("config.lock"), lock],
            };
            assert_eq!(remove(&directory).expect("a config directory"), expected);
            assert!(expected.iter().all(|path| !path.exists()));
            assert!(kernel.stat(Place::Record).is_err(), "the record went with it");
            assert_eq!(remove(&directory).expect("a config directory"), [] as [PathBuf; 0]);
        }
    }

    #[test]
    fn what_is_not_proven_stays() {
        let (_home, directory, mut kernel, slot) = taken(Cycle::InPlace, 0);
        protocol::leave(&mut kernel, &slot);
        die(&mut kernel, &slot);
        let lock = PathBuf::from(OsStr::from_bytes(kernel.path(Place::Lock).to_bytes()));
        assert_eq!(remove(&directory).expect("a config directory"), [] as [PathBuf; 0], "left on purpose");
        fs::remove_dir(&lock).expect("an empty directory");
        fs::create_dir(&lock).expect("a directory");
        assert_eq!(remove(&directory).expect("a config directory"), [] as [PathBuf; 0], "somebody else's");
        assert!(lock.exists());
    }

    #[test]
    fn a_directory_that_lockspan_never_served_is_left_as_it_is() {
        let home = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(home.path().join(".oauth_refresh.lock")).expect("a directory");
        assert_eq!(remove(home.path()).expect("a config directory"), [] as [PathBuf; 0]);
        assert!(!home.path().join(".lockspan").exists());
    }
}
