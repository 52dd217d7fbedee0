//! Files and directories of a probe, in a directory that other containers, with other users, use at the same time.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process;
use std::time::{Duration, SystemTime};

/// What a killed probe left is removed after this time.
const LEFT_BEHIND: Duration = Duration::from_secs(600);

/// A name that no other process has, in this container or another.
pub fn unique() -> String {
    format!("{:016x}", RandomState::new().hash_one(process::id()))
}

/// How often a directory is made again that another probe, leaving, has removed.
const TRIES: usize = 100;

/// Makes a file in a place, which is made first. While the file is there, so is the place.
pub fn create(place: &Path, name: &str) -> io::Result<File> {
    let path = place.join(name);
    for _ in 0..TRIES {
        make_directory(place)?;
        match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(file) => {
                give(&path, place)?;
                return Ok(file);
            }
        }
    }
    Err(io::Error::other(format!("{}: others keep removing it", place.display())))
}

/// rmdir; that somebody else is there, or has removed it, is all right.
pub fn remove_if_empty(place: &Path) -> io::Result<()> {
    match fs::remove_dir(place) {
        Err(error) if !matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::NotFound) => {
            Err(error)
        }
        _ => Ok(()),
    }
}

/// Removes a directory with all that is in it; that somebody else does so is all right.
pub fn remove_all(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// mkdir; that it is there is all right. Whether it was made here.
pub fn make_directory(path: &Path) -> io::Result<bool> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
        Ok(()) => {
            give(path, path.parent().unwrap_or(path))?;
            Ok(true)
        }
    }
}

/// Gives what was made to the owner of a directory, with that one's rights: a probe as root must not lock out one as
/// uid 1000.
fn give(path: &Path, like: &Path) -> io::Result<()> {
    let found = fs::metadata(like)?;
    let execute = if path.is_dir() { 0o777 } else { 0o666 };
    fs::set_permissions(path, fs::Permissions::from_mode(found.mode() & execute))?;
    // Without the right to do so it stays the caller's; the other one's probe then says what it misses.
    let _ = std::os::unix::fs::chown(path, Some(found.uid()), Some(found.gid()));
    Ok(())
}

/// Removes what killed probes have left.
pub fn tidy(place: &Path) -> io::Result<()> {
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        // What goes away meanwhile is of no interest.
        let Ok(found) = entry.metadata() else { continue };
        let age = found.modified().ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
        if age.is_some_and(|age| age > LEFT_BEHIND) {
            let removed =
                if found.is_dir() { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
            match removed {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}
