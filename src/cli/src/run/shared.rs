//! Files of ours in the config directory, which containers with different users share.
//!
//! Everything is opened relative to a descriptor and without following a symbolic link, and what is made is given to
//! the config directory's owner: whoever owns the directory must not lead a root process elsewhere, and a root
//! container must not lock out one with uid 1000.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lockspan_core::names::STATE_DIR;
use rustix::fs::{self, CWD, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;

use super::Failure;

/// A directory to keep such files in.
pub struct Shared {
    descriptor: OwnedFd,
    path: PathBuf,
    /// The config directory's, for what is made.
    owner: Stat,
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Shared {
    /// The config directory itself, by its real path.
    ///
    /// # Errors
    /// [`Failure::Refused`], as for all here.
    pub fn config(path: &Path) -> Result<Shared, Failure> {
        let open = || {
            let descriptor = fs::openat(CWD, path, DIRECTORY, Mode::empty())?;
            let owner = fs::fstat(&descriptor)?;
            Ok((descriptor, owner))
        };
        let (descriptor, owner) = open().map_err(|errno| refused(path, errno))?;
        Ok(Shared { descriptor, path: path.to_owned(), owner })
    }

    /// The directory for slots and tokens, made if it is missing.
    pub fn slots(config: &Path) -> Result<Shared, Failure> {
        Shared::config(config)?.enter(OsStr::from_bytes(STATE_DIR))?.enter(OsStr::new("slots"))
    }

    fn enter(self, name: &OsStr) -> Result<Shared, Failure> {
        let path = self.path.join(name);
        let open = || {
            let flags = DIRECTORY | OFlags::NOFOLLOW;
            let made = fs::mkdirat(&self.descriptor, name, self.mode(0o777));
            let descriptor = fs::openat(&self.descriptor, name, flags, Mode::empty())?;
            if made.is_ok() {
                self.give(&descriptor, 0o777);
            }
            Ok(descriptor)
        };
        let descriptor = open().map_err(|errno| refused(&path, errno))?;
        Ok(Shared { descriptor, path, owner: self.owner })
    }

    /// The path of a file there, to be talked of.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Opens a file, made if it is missing. It may not be writable if another user made it: flock needs no more.
    pub fn open(&self, name: &str) -> Result<File, Failure> {
        let flags = OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let open = || {
            let create = flags | OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
            match fs::openat(&self.descriptor, name, create, self.mode(0o666)) {
                Ok(file) => {
                    self.give(&file, 0o666);
                    return Ok(file);
                }
                Err(Errno::EXIST) => {}
                // A read-only directory may have the file all the same.
                Err(Errno::ROFS | Errno::ACCESS) if self.has(name) => {}
                Err(errno) => return Err(errno),
            }
            match fs::openat(&self.descriptor, name, flags | OFlags::RDWR, Mode::empty()) {
                Err(Errno::ROFS | Errno::ACCESS) => {
                    fs::openat(&self.descriptor, name, flags | OFlags::RDONLY, Mode::empty())
                }
                other => other,
            }
        };
        open().map(File::from).map_err(|errno| refused(&self.path(name), errno))
    }

    /// Whether there is such a file.
    pub fn has(&self, name: &str) -> bool {
        fs::statat(&self.descriptor, name, fs::AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Who may use the config directory may use what is in it.
    fn mode(&self, mask: u32) -> Mode {
        Mode::from_raw_mode(self.owner.st_mode & mask)
    }

    fn give(&self, made: impl AsFd, mask: u32) {
        let (user, group) = (Uid::from_raw(self.owner.st_uid), Gid::from_raw(self.owner.st_gid));
        if fs::fchown(&made, Some(user), Some(group)).is_err() {
            // Without the right to give it away the group at least, if the caller is in it.
            let _ = fs::fchown(&made, None, Some(group));
        }
        // umask has cut the mode. Failing leaves a file that others are told they cannot open.
        let _ = fs::fchmod(&made, self.mode(mask));
    }
}

fn refused(path: &Path, errno: Errno) -> Failure {
    let error = io::Error::from(errno);
    let advice = match errno {
        Errno::LOOP => "a symbolic link is not followed there; remove it",
        Errno::ROFS => "this option needs a config directory that can be written",
        Errno::ACCESS | Errno::PERM => "as its owner, give this user the right to it",
        _ => "this option needs that file",
    };
    Failure::Refused(format!("{}: {error}; {advice}", path.display()))
}
