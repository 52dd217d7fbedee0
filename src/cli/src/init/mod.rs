//! `lockspan init --shared DIR`: the layout that needs no library.
//!
//! The config directory becomes `DIR/claude`, below the mount, so that the lock beside it lies in the mount too.
//! It must never leave two usable copies of one login: the first refresh of one would end the other.

mod copy;
mod migrate;
mod state;

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use lockspan_core::names::{CONFIG_BELOW_HOME, CREDENTIALS};
use rustix::fs::{FlockOperation, flock};

use crate::{dead, output, status};
use state::{Home, Target};

/// The name of the config directory below the shared one.
const NAME: &str = "claude";
/// Where what was in `~/.claude` is kept.
const BACKUP: &str = ".claude.before-lockspan";

/// The paths that it is all about.
struct Paths {
    /// `~/.claude`.
    link: PathBuf,
    /// Where `~/.claude` is kept when it becomes a link.
    backup: PathBuf,
    /// The shared directory, links followed.
    shared: PathBuf,
    /// The config directory below it.
    target: PathBuf,
}

/// Makes the layout, or finds that it is made. With `export` `~/.claude` is left alone, and the line printed that
/// makes clients use the directory.
///
/// # Errors
/// Why nothing was changed, or what is left to do.
pub fn init(shared: &Path, export: bool) -> Result<()> {
    let shared = fs::canonicalize(shared).with_context(|| format!("{}: mount it first", shared.display()))?;
    ensure!(shared.is_dir(), "{}: no directory", shared.display());
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).context("HOME is not set")?;
    let home = fs::canonicalize(&home).with_context(|| format!("HOME: {}", Path::new(&home).display()))?;
    let paths = Paths {
        link: home.join(OsStr::from_bytes(CONFIG_BELOW_HOME)),
        backup: home.join(BACKUP),
        target: shared.join(NAME),
        shared,
    };
    // Two homes must not move in at the same time.
    let mutex = File::open(&paths.shared).with_context(|| paths.shared.display().to_string())?;
    flock(&mutex, FlockOperation::NonBlockingLockExclusive)
        .with_context(|| format!("another init is at work in {}", paths.shared.display()))?;
    if export { print_variable(&paths) } else { make_link(&paths) }
}

fn print_variable(paths: &Paths) -> Result<()> {
    prepare(paths, state::target(paths)?)?;
    if paths.link.join(OsStr::from_bytes(CREDENTIALS)).exists() && state::home(paths)? != Home::Linked {
        say(format!(
            "the login in {} is not copied, since one copy's refresh would end the other: log in once more with \
             the variable set",
            paths.link.display()
        ));
    }
    // A quote ends the quoted text; one between two such texts stands for itself.
    let quoted = paths.target.display().to_string().replace('\'', r"'\''");
    output::print(&format!("export CLAUDE_CONFIG_DIR='{quoted}'\n"))
}

fn make_link(paths: &Paths) -> Result<()> {
    refuse_other_variable(paths)?;
    let (home, target) = (state::home(paths)?, state::target(paths)?);
    if target != Target::Full {
        migrate::refuse_unfinished_of_others(paths, &home)?;
    }
    if home == Home::Linked {
        // A run that was interrupted at its very end leaves its lock in the backup.
        dead::remove(&paths.backup)?;
    }
    match (home, target) {
        (Home::Linked, Target::Missing | Target::Empty) if migrate::finish(paths)? => say(format!(
            "finished what was interrupted: {} is in use, the backup is {}",
            paths.target.display(),
            paths.backup.display()
        )),
        (Home::Linked, target) => {
            prepare(paths, target)?;
            say(format!("already so: {} leads to {}", paths.link.display(), paths.target.display()));
        }
        (Home::Absent, target) => {
            prepare(paths, target)?;
            symlink(&paths.target, &paths.link).with_context(|| paths.link.display().to_string())?;
            say_linked(paths);
        }
        (Home::Empty, target) => {
            migrate::free_backup(paths)?;
            refuse_held(paths)?;
            prepare(paths, target)?;
            migrate::exchange(paths)?;
            fs::remove_dir(&paths.backup).with_context(|| paths.backup.display().to_string())?;
            say_linked(paths);
        }
        (Home::Full, Target::Full) => bail!(
            "both {} and {} have something in them; move the one away whose login is not to be used, and run this \
             again",
            paths.link.display(),
            paths.target.display()
        ),
        (Home::Full, _) => {
            migrate::free_backup(paths)?;
            refuse_held(paths)?;
            migrate::migrate(paths)?;
            say_linked(paths);
            say(format!("what was there is copied; the backup is {}", paths.backup.display()));
        }
    }
    Ok(())
}

/// Where a variable names another config directory, clients would not look at `~/.claude`.
fn refuse_other_variable(paths: &Paths) -> Result<()> {
    for name in ["CLAUDE_SECURESTORAGE_CONFIG_DIR", "CLAUDE_CONFIG_DIR"] {
        let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) else { continue };
        let leads = |path: &Path| fs::canonicalize(&value).is_ok_and(|value| value == path);
        ensure!(
            leads(&paths.target) || leads(&paths.link),
            "{name} is set to {}, so that clients do not use {}: unset it, or run `lockspan init --export`",
            Path::new(&value).display(),
            paths.link.display()
        );
    }
    Ok(())
}

/// Refuses while anybody has a lock of `~/.claude`; those of the proven dead are removed.
fn refuse_held(paths: &Paths) -> Result<()> {
    dead::remove(&paths.link)?;
    for lock in status::every_lock(&paths.link)? {
        ensure!(
            lock.state == status::State::Free,
            "{} is {}: a client is at work; run this again when it is done (`lockspan status`, `lockspan clean`)",
            lock.path,
            lock.state.word()
        );
    }
    Ok(())
}

/// Makes the config directory for nobody but its owner, or sees to it that it is.
fn prepare(paths: &Paths, target: Target) -> Result<()> {
    let target_path = || paths.target.display().to_string();
    if target == Target::Missing {
        return DirBuilder::new().mode(0o700).create(&paths.target).with_context(target_path);
    }
    if fs::metadata(&paths.target).with_context(target_path)?.mode() & 0o077 != 0 {
        fs::set_permissions(&paths.target, Permissions::from_mode(0o700)).with_context(target_path)?;
        say(format!("{}: closed to others (mode 0700)", target_path()));
    }
    Ok(())
}

fn say_linked(paths: &Paths) {
    say(format!("{} leads to {} now", paths.link.display(), paths.target.display()));
}

/// Talk, for people.
fn say(text: impl std::fmt::Display) {
    eprintln!("lockspan: {text}");
}
