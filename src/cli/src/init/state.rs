//! What `~/.claude` and the shared directory are before anything is changed. It must change nothing.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use lockspan_core::names::LOCKS;
use lockspan_lock::linux::Linux;
use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};

use super::Paths;

/// What `~/.claude` is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Home {
    Absent,
    /// A link to the config directory in the shared one.
    Linked,
    /// An empty directory.
    Empty,
    /// A directory with something in it.
    Full,
}

/// What the config directory in the shared one is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    Missing,
    Empty,
    Full,
}

/// Looks at `~/.claude`.
///
/// # Errors
/// It is something that cannot become a link, with what to do.
pub fn home(paths: &Paths) -> Result<Home> {
    let link = &paths.link;
    let found = match fs::symlink_metadata(link) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Home::Absent),
        other => other.with_context(|| link.display().to_string())?,
    };
    if found.is_symlink() {
        let leads = fs::read_link(link).with_context(|| link.display().to_string())?;
        // A link whose end is missing yet cannot be followed.
        ensure!(
            leads == paths.target || fs::canonicalize(link).is_ok_and(|end| end == paths.target),
            "{} is a link to {} already; remove it to use {}",
            link.display(),
            leads.display(),
            paths.target.display()
        );
        return Ok(Home::Linked);
    }
    ensure!(found.is_dir(), "{} is no directory; move it away", link.display());
    refuse_mount(link)?;
    ensure!(
        !paths.shared.starts_with(link),
        "{} lies in {}, which would become a link into it; mount it elsewhere, or use --export",
        paths.shared.display(),
        link.display()
    );
    is_own(link, found.uid())?;
    Ok(if is_empty(link)? { Home::Empty } else { Home::Full })
}

/// A mount point can be no link, and what is mounted there others use too.
fn refuse_mount(link: &Path) -> Result<()> {
    let found = statx(CWD, link, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS)
        .with_context(|| link.display().to_string())?;
    if found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
        return Err(busy(link));
    }
    let mut kernel = Linux::new();
    kernel.serve_path(link.as_os_str().as_bytes(), &LOCKS[0]).context("the path is too long")?;
    ensure!(
        !kernel.credentials_are_mounted(),
        "{}/.credentials.json is a mount, shared with others already; start the container without it, or use --export",
        link.display()
    );
    Ok(())
}

/// What to do where `~/.claude` is a mount point.
pub fn busy(link: &Path) -> anyhow::Error {
    anyhow::anyhow!(
        "{} is a mount point, which cannot become a link; use CLAUDE_CONFIG_DIR: run this again with --export",
        link.display()
    )
}

/// Looks at the config directory in the shared one.
///
/// # Errors
/// It is something else, or somebody else's.
pub fn target(paths: &Paths) -> Result<Target> {
    let target = &paths.target;
    let found = match fs::symlink_metadata(target) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Target::Missing),
        other => other.with_context(|| target.display().to_string())?,
    };
    ensure!(found.is_dir(), "{} is no directory; move it away", target.display());
    is_own(target, found.uid())?;
    Ok(if is_empty(target)? { Target::Empty } else { Target::Full })
}

fn is_own(path: &Path, owner: u32) -> Result<()> {
    let own = rustix::process::geteuid().as_raw();
    if owner != own {
        bail!("{} belongs to uid {owner}, you are {own}; all containers need one uid", path.display());
    }
    Ok(())
}

fn is_empty(directory: &Path) -> Result<bool> {
    let mut entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    Ok(entries.next().is_none())
}
