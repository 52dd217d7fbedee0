//! `lockspan run`: replaces itself by a command with the library loaded.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::{program, settings};

/// Exit status when lockspan itself refuses, as env(1) has it.
pub const REFUSED: u8 = 125;

/// Why a command was not started.
#[derive(Debug)]
pub enum Failure {
    /// It could be started, but not be served: starting it would look safe without being so.
    Refused(String),
    /// It is there but cannot be run.
    CannotRun(String),
    /// It is not there.
    NotFound(String),
}

impl Failure {
    /// The exit status, as env(1) has it.
    pub fn status(&self) -> u8 {
        match self {
            Failure::Refused(_) => REFUSED,
            Failure::CannotRun(_) => 126,
            Failure::NotFound(_) => 127,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Failure::Refused(why) | Failure::CannotRun(why) | Failure::NotFound(why)) = self;
        formatter.write_str(why)
    }
}

impl std::error::Error for Failure {}

/// Runs a command; returns only if that fails.
///
/// # Errors
/// [`Failure`], or a setting that cannot be followed.
pub fn run(command: &[OsString]) -> Result<Infallible> {
    settings::mode()?;
    let library = library()?;
    let [name, arguments @ ..] = command else { unreachable!("the command line has at least one word") };
    let program = program::find(name)?;
    program::check(&program)?;
    let mut command = Command::new(&program);
    command.arg0(name).args(arguments).env("LD_PRELOAD", preload(&library, std::env::var_os("LD_PRELOAD")));
    if std::env::var_os("UV_USE_IO_URING").is_none() {
        // File operations in an io_uring pass every hook by.
        command.env("UV_USE_IO_URING", "0");
    }
    let error = command.exec();
    Err(Failure::CannotRun(format!("{}: {error}", program.display())).into())
}

/// The library's file name.
const LIBRARY: &str = "liblockspan.so";

/// Finds the library: beside the command, where it is built, or in the `lib` beside the command's `bin`, where
/// it is installed.
fn library() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().map_err(|error| Failure::Refused(format!("own path: {error}")))?;
    let directory = own.parent().unwrap_or(Path::new("/"));
    let candidates = [directory.join(LIBRARY), directory.join("../lib").join(LIBRARY)];
    let found = candidates.iter().find_map(|candidate| candidate.canonicalize().ok());
    let Some(library) = found else {
        let tried = candidates.map(|candidate| candidate.display().to_string()).join(" and ");
        return Err(Failure::Refused(format!("{LIBRARY} not found: tried {tried}")));
    };
    if library.as_os_str().as_bytes().iter().any(|byte| matches!(byte, b' ' | b':')) {
        // The loader splits LD_PRELOAD there, and has no way to quote.
        let why = "its path has a space or a colon, which LD_PRELOAD cannot express; install it elsewhere";
        return Err(Failure::Refused(format!("{}: {why}", library.display())));
    }
    Ok(library)
}

/// The value of LD_PRELOAD with the library first, and once.
fn preload(library: &Path, present: Option<OsString>) -> OsString {
    let mut value = library.as_os_str().to_owned();
    let present = present.unwrap_or_default();
    for other in present.as_bytes().split(|byte| matches!(byte, b' ' | b':')) {
        if !other.is_empty() && other != library.as_os_str().as_bytes() {
            value.push(":");
            value.push(OsStr::from_bytes(other));
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_preloaded_first_and_once() {
        let value = |present: Option<&str>| {
            preload(Path::new("/l/liblockspan.so"), present.map(OsString::from)).into_string().unwrap()
        };
        assert_eq!(value(None), "/l/liblockspan.so");
        assert_eq!(value(Some("")), "/l/liblockspan.so");
        assert_eq!(value(Some("/a.so /b.so")), "/l/liblockspan.so:/a.so:/b.so");
        assert_eq!(value(Some("/l/liblockspan.so")), "/l/liblockspan.so");
        assert_eq!(value(Some("/a.so:/l/liblockspan.so")), "/l/liblockspan.so:/a.so");
    }
}
