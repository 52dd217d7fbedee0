//! Moves what is in `~/.claude` into the shared directory, so that a kill at any moment leaves one usable login.
//!
//! The steps, and what a kill after each leaves:
//!
//! 1. The locks of `~/.claude` are taken. A kill leaves them as a dead holder's.
//! 2. `DIR/claude.partial-KEY` is filled. `~/.claude` is in use as before; the next run starts over.
//! 3. It is renamed to `DIR/claude.ready-KEY`. As above: `~/.claude` may have changed since.
//! 4. `~/.claude` and a link under the backup's name are exchanged, at once. The link leads nowhere yet; the next run
//!    finishes.
//! 5. `DIR/claude.ready-KEY` is renamed to `DIR/claude`. Done; an empty `~/.claude.lock` may be left, which nobody
//!    asks for any more.
//!
//! KEY names the directory that was `~/.claude`, so that no home touches what another one's run left.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use lockspan_core::Cycle;
use lockspan_core::names::{CREDENTIALS, LOCKS, SIBLING_SUFFIX};
use lockspan_lock::kernel::{Place, Times};
use lockspan_lock::linux::Linux;
use lockspan_lock::protocol::{self, Asked, Patience};
use lockspan_lock::slot::Slot;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::state::{self, Home};
use super::{NAME, Paths, copy};

const PARTIAL: &str = ".partial-";
const READY: &str = ".ready-";

/// How often the locks are touched: the smallest threshold of any client is 2 s.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// The directory that `kind` names, for a home whose `~/.claude` is, or was, this directory.
fn staging(paths: &Paths, kind: &str, old: &Path) -> Result<PathBuf> {
    let found = fs::symlink_metadata(old).with_context(|| old.display().to_string())?;
    let born = found.created().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let born = born.map_or(0, |born| born.as_nanos());
    Ok(paths.shared.join(format!("{NAME}{kind}{:x}-{:x}-{born:x}", found.dev(), found.ino())))
}

/// Refuses to begin beside what another home's interrupted run left: it may be all that is left of its login.
///
/// # Errors
/// There is such a directory.
pub fn refuse_unfinished_of_others(paths: &Paths, home: &Home) -> Result<()> {
    let old = if *home == Home::Linked { &paths.backup } else { &paths.link };
    let own = staging(paths, READY, old).ok();
    let start = format!("{NAME}{READY}");
    for entry in fs::read_dir(&paths.shared).with_context(|| paths.shared.display().to_string())? {
        let path = entry.with_context(|| paths.shared.display().to_string())?.path();
        let is_ready = path.file_name().is_some_and(|name| name.as_bytes().starts_with(start.as_bytes()));
        ensure!(
            !is_ready || Some(&path) == own.as_ref(),
            "{} was left by an init that was interrupted in another home: run it again there, or, if that home is \
             gone, mv {0} {}",
            path.display(),
            paths.target.display()
        );
    }
    Ok(())
}

/// Step 5 of a run that was interrupted before it. Answers whether there was one.
///
/// # Errors
/// The kernel's.
pub fn finish(paths: &Paths) -> Result<bool> {
    let Ok(ready) = staging(paths, READY, &paths.backup) else { return Ok(false) };
    if !ready.exists() {
        return Ok(false);
    }
    publish(paths, &ready)?;
    Ok(true)
}

/// All five steps. `~/.claude` is a directory that is no mount, and the target is missing or empty.
///
/// # Errors
/// Nothing is changed, but for a failure of the last step, which the next run makes up for.
pub fn migrate(paths: &Paths) -> Result<()> {
    let (mut kernel, slot) = (Linux::new(), Slot::new());
    kernel.serve_path(paths.link.as_os_str().as_bytes(), &LOCKS[0]).context("the path is too long")?;
    // As an old client does: the lock inside and the one beside, so that every client is kept out.
    let at_once = Patience { total: 0, step: 1, absent: 0 };
    if let Err(blocked) = protocol::take(&mut kernel, &slot, Cycle::Redirected, 0o700, at_once) {
        bail!("the refresh lock of {} cannot be taken ({blocked:?}); run this again", paths.link.display());
    }
    let partial = staging(paths, PARTIAL, &paths.link)?;
    let before = credentials(paths);
    let moved = fill(paths, &partial, &mut kernel, &slot).and_then(|ready| {
        ensure!(credentials(paths) == before, "somebody logged in or out meanwhile; run this again");
        exchange(paths)?;
        Ok(ready)
    });
    let ready = match moved {
        Ok(ready) => ready,
        Err(error) => {
            // The first failure is the one to tell; what stays is in nobody's way.
            for left in [&partial, &staging(paths, READY, &paths.link)?] {
                let _ = fs::remove_dir_all(left);
            }
            let _ = protocol::remove(&mut kernel, &slot, Asked::Sibling);
            return Err(error);
        }
    };
    let published = publish(paths, &ready);
    // One lock is the backup's now, and the other one beside what is a link: no path that the protocol still knows.
    let mut sibling = paths.link.clone().into_os_string();
    sibling.push(OsStr::from_bytes(SIBLING_SUFFIX));
    kernel.serve_path(paths.backup.as_os_str().as_bytes(), &LOCKS[0]).context("the path is too long")?;
    let lock = OsStr::from_bytes(kernel.path(Place::Lock).to_bytes());
    for lock in [lock, &sibling] {
        fs::remove_dir(lock).with_context(|| lock.display().to_string())?;
    }
    published
}

/// Which credentials file there is, and when it was written: a login takes no refresh lock.
fn credentials(paths: &Paths) -> Option<(u64, i64, i64)> {
    let path = paths.link.join(OsStr::from_bytes(CREDENTIALS));
    fs::metadata(path).ok().map(|found| (found.ino(), found.mtime(), found.mtime_nsec()))
}

/// Steps 2 and 3.
fn fill(paths: &Paths, partial: &Path, kernel: &mut Linux, slot: &Slot) -> Result<PathBuf> {
    let ready = staging(paths, READY, &paths.link)?;
    for left in [partial, &ready] {
        match fs::remove_dir_all(left) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => other.with_context(|| left.display().to_string())?,
        }
    }
    DirBuilder::new().mode(0o700).create(partial).with_context(|| partial.display().to_string())?;
    let mut touched = Instant::now();
    let mut beat = || {
        if touched.elapsed() >= HEARTBEAT {
            touched = Instant::now();
            let kept = protocol::heartbeat(kernel, slot, Asked::Sibling, Times::NOW);
            ensure!(kept == Some(Ok(())), "the refresh lock was lost; run this again");
        }
        Ok(())
    };
    copy::contents(&paths.link, partial, &mut beat)?;
    let directory = File::open(partial).with_context(|| partial.display().to_string())?;
    rustix::fs::syncfs(&directory).context("sync")?;
    fs::rename(partial, &ready).with_context(|| ready.display().to_string())?;
    Ok(ready)
}

/// Sees to it that the backup's name can be used.
///
/// # Errors
/// Something else has it.
pub fn free_backup(paths: &Paths) -> Result<()> {
    let backup = paths.backup.display();
    match fs::read_link(&paths.backup) {
        // Left by a run that was interrupted before the exchange.
        Ok(leads) if leads == paths.target => {
            fs::remove_file(&paths.backup).with_context(|| backup.to_string())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        _ => bail!("{backup}, the backup of a former init, is in the way; move it away"),
    }
}

/// Step 4: `~/.claude` becomes the link, and what it was the backup, which is its owner's alone from the first moment.
///
/// # Errors
/// It cannot be renamed, with what to do. Nothing is changed then.
pub fn exchange(paths: &Paths) -> Result<()> {
    let failed = || paths.link.display().to_string();
    let permissions = fs::metadata(&paths.link).with_context(failed)?.permissions();
    symlink(&paths.target, &paths.backup).with_context(|| paths.backup.display().to_string())?;
    let closed = fs::set_permissions(&paths.link, Permissions::from_mode(0o700));
    let exchanged =
        closed.map_err(|error| anyhow::Error::from(error).context(failed())).and_then(|()| swap(paths));
    if exchanged.is_err() {
        // The first failure is the one to tell.
        let _ = fs::set_permissions(&paths.link, permissions);
        let _ = fs::remove_file(&paths.backup);
    }
    exchanged
}

fn swap(paths: &Paths) -> Result<()> {
    let Err(errno) = renameat_with(CWD, &paths.backup, CWD, &paths.link, RenameFlags::EXCHANGE) else {
        return Ok(());
    };
    Err(match errno {
        Errno::BUSY => state::busy(&paths.link),
        Errno::XDEV | Errno::INVAL | Errno::NOSYS => anyhow::anyhow!(
            "{} cannot be renamed on this filesystem; use CLAUDE_CONFIG_DIR: run this again with --export",
            paths.link.display()
        ),
        errno => anyhow::Error::from(errno).context(paths.link.display().to_string()),
    })
}

/// Step 5.
fn publish(paths: &Paths, ready: &Path) -> Result<()> {
    // An empty directory gives way, one with something in it does not.
    fs::rename(ready, &paths.target).with_context(|| {
        format!("{} cannot become {}; run this again", ready.display(), paths.target.display())
    })
}
