//! A copy of a directory that nobody but its owner can read at any moment, whatever the original allowed.
//!
//! Locks are not copied: they are their holder's, who does not move.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;

use anyhow::{Context, Result};
use lockspan_core::names::{SIBLING_SUFFIX, STATE_DIR, UPSTREAM_OWNER};

/// How much is copied between two calls of `beat`.
const PIECE: u64 = 8 << 20;

/// Copies everything in `from` into the directory `to`, with its times. `beat` is called again and again.
///
/// # Errors
/// The first thing that cannot be copied, or `beat`'s.
pub fn contents(from: &Path, to: &Path, beat: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry.with_context(|| from.display().to_string())?;
        let (source, copy) = (entry.path(), to.join(entry.file_name()));
        let failed = || source.display().to_string();
        let kind = entry.file_type().with_context(failed)?;
        beat()?;
        if is_lock(&source, kind.is_dir()).with_context(failed)? {
            continue;
        }
        if kind.is_dir() {
            DirBuilder::new().mode(0o700).create(&copy).with_context(|| copy.display().to_string())?;
            contents(&source, &copy, beat)?;
        } else if kind.is_symlink() {
            fs::read_link(&source).and_then(|leads| symlink(leads, &copy)).with_context(failed)?;
            continue;
        } else if kind.is_file() {
            file(&source, &copy, beat).with_context(failed)?;
        } else {
            // A socket or a pipe is of use to the process that made it.
            super::say(format_args!("{}: not copied, no file", source.display()));
            continue;
        }
        let modified = entry.metadata().and_then(|found| found.modified());
        modified.and_then(|time| File::open(&copy)?.set_modified(time)).with_context(failed)?;
    }
    Ok(())
}

/// Whether something is a lock, or tells of one.
fn is_lock(path: &Path, is_directory: bool) -> io::Result<bool> {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    if name == STATE_DIR || name == UPSTREAM_OWNER {
        return Ok(true);
    }
    Ok(is_directory && name.ends_with(SIBLING_SUFFIX) && fs::read_dir(path)?.next().is_none())
}

fn file(from: &Path, to: &Path, beat: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    let mut source = File::open(from)?;
    let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    while io::copy(&mut Read::by_ref(&mut source).take(PIECE), &mut copy)? != 0 {
        beat()?;
    }
    copy.flush()?;
    if source.metadata()?.permissions().mode() & 0o100 != 0 {
        copy.set_permissions(Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_copy_is_whole_and_its_owners_alone() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let (from, to) = (home.path().join("from"), home.path().join("to"));
        for directory in ["from", "to", "from/projects", "from/empty", "from/x.lock", "from/.lockspan"] {
            fs::create_dir(home.path().join(directory)).expect("a directory");
        }
        fs::write(from.join("projects/a"), "text").expect("a file");
        fs::write(from.join("hook"), "#!/bin/sh").expect("a file");
        fs::set_permissions(from.join("hook"), Permissions::from_mode(0o755)).expect("an own file");
        fs::set_permissions(from.join("projects/a"), Permissions::from_mode(0o644)).expect("an own file");
        symlink("projects/a", from.join("link")).expect("a link");
        let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
        File::open(from.join("projects/a")).and_then(|file| file.set_modified(old)).expect("an own file");

        let mut beats = 0;
        let mut beat = || {
            beats += 1;
            Ok(())
        };
        contents(&from, &to, &mut beat).expect("a copy");
        assert!(beats >= 6);
        assert_eq!(fs::read_to_string(to.join("link")).expect("a link into the copy"), "text");
        let found = |name: &str| fs::symlink_metadata(to.join(name)).expect(name);
        assert_eq!(found("projects/a").modified().expect("a time"), old);
        let modes = ["projects/a", "hook", "projects", "empty"].map(|name| found(name).mode() & 0o777);
        assert_eq!(modes, [0o600, 0o700, 0o700, 0o700]);
        assert!(!to.join("x.lock").exists() && !to.join(".lockspan").exists());
    }

    #[test]
    fn a_lost_lock_ends_the_copy() {
        let home = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(home.path().join("to")).expect("a directory");
        fs::create_dir(home.path().join("from")).expect("a directory");
        fs::write(home.path().join("from/a"), "text").expect("a file");
        let lost =
            contents(&home.path().join("from"), &home.path().join("to"), &mut || anyhow::bail!("lost"));
        assert_eq!(lost.expect_err("no copy").to_string(), "lost");
        assert!(!home.path().join("to/a").exists());
    }
}
