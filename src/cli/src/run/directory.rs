//! Whether the config directory is fit for a client: there, and able to take a refreshed login. It changes nothing.

use std::ffi::OsStr;
use std::fs;
use std::io::{Error, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lockspan_core::names::CREDENTIALS;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;

use super::Failure;
use crate::settings;

/// The config directory, links followed.
///
/// # Errors
/// [`Failure::Refused`], with what to type: it is missing, where a client would hang, or neither it nor the
/// credentials file can be written, where a client would refresh a login that it cannot store.
pub fn check() -> Result<PathBuf, Failure> {
    let given = settings::config_directory_given().map_err(|error| Failure::Refused(format!("{error:#}")))?;
    let refuse = |why: String| Err(Failure::Refused(format!("config directory {}: {why}", given.display())));
    let directory = match fs::canonicalize(&given) {
        Ok(directory) if directory.is_dir() => directory,
        Ok(_) => return refuse("is no directory; move it away or set CLAUDE_CONFIG_DIR".into()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let missing = missing(&given);
            return refuse(format!(
                "is not there, and a client would hang; type: mkdir -p -m 700 {}",
                quoted(&missing)
            ));
        }
        Err(error) => return refuse(format!("{error}; set CLAUDE_CONFIG_DIR to one that can be used")),
    };
    // What a client does there is made of write and search.
    let writable = access(&directory, Access::WRITE_OK | Access::EXEC_OK);
    let Err(errno) = writable else { return Ok(directory) };
    let credentials = directory.join(OsStr::from_bytes(CREDENTIALS));
    if access(&credentials, Access::WRITE_OK).is_ok() {
        return Ok(directory);
    }
    let why = Error::from(errno);
    if errno == Errno::ROFS {
        return refuse(format!("{why}: a refreshed login could not be stored; mount it without `ro`"));
    }
    refuse(format!(
        "{why}: a refreshed login could not be stored; as its owner or root type: chown -R \"$(id -u)\" {} (with \
         the id of the user who runs the command)",
        quoted(&directory)
    ))
}

/// Whether this process may do that, by its effective ids, as the kernel will ask.
fn access(path: &Path, access: Access) -> rustix::io::Result<()> {
    match accessat(CWD, path, access, AtFlags::EACCESS) {
        // A kernel or a seccomp profile without faccessat2: by the real ids, which are the same here.
        Err(Errno::NOSYS | Errno::PERM) => accessat(CWD, path, access, AtFlags::empty()),
        other => other,
    }
}

/// What has to be made for a path to lead to a directory: where a symbolic link leads, if it is one.
fn missing(given: &Path) -> PathBuf {
    match fs::read_link(given) {
        Ok(target) => given.parent().unwrap_or(Path::new("/")).join(target),
        Err(_) => given.to_owned(),
    }
}

/// A path as a shell takes it.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "/._-+,=@%".contains(character);
    if !text.is_empty() && text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_a_shell() {
        assert_eq!(quoted(Path::new("/home/me/.claude")), "/home/me/.claude");
        assert_eq!(quoted(Path::new("/my home/it's")), r"'/my home/it'\''s'");
    }
}
