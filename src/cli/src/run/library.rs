//! Which library is loaded, and how. It must not decide whether a program can be served (`program.rs`).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Failure;

/// The library's file name.
const LIBRARY: &str = "liblockspan.so";

/// Finds the library: beside the command, where it is built, or in the `lib` beside the command's `bin`, where
/// it is installed.
///
/// # Errors
/// [`Failure::Refused`]: there is none, or LD_PRELOAD cannot name it.
pub fn find() -> Result<PathBuf, Failure> {
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

/// Makes a command start with the library.
pub fn load(command: &mut Command, library: &Path) {
    command.env("LD_PRELOAD", preload(library, std::env::var_os("LD_PRELOAD")));
    if std::env::var_os("UV_USE_IO_URING").is_none() {
        // File operations in an io_uring pass every hook by.
        command.env("UV_USE_IO_URING", "0");
    }
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
