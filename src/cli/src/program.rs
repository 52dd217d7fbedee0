//! Whether a program can be served at all: what the dynamic loader will do with it, and whether its calls can be
//! seen (`reach.rs`).

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use object::elf::{EM_AARCH64, EM_X86_64, FileHeader64, PT_INTERP};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, ReadCache};

use crate::reach::{self, Here, Reach};
use crate::run::Failure;
use crate::scan::table;

/// Finds a command as a shell does: a name with a slash is a path, another is looked up in PATH.
///
/// # Errors
/// [`Failure::NotFound`], or [`Failure::CannotRun`] for a file that is not executable.
pub fn find(name: &OsStr) -> Result<PathBuf, Failure> {
    let candidates: Vec<PathBuf> = if name.as_bytes().contains(&b'/') {
        vec![PathBuf::from(name)]
    } else {
        let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/local/bin:/usr/bin:/bin"));
        std::env::split_paths(&path).map(|directory| directory.join(name)).collect()
    };
    let mut refused = None;
    for candidate in candidates {
        match fs::metadata(&candidate) {
            Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => return Ok(candidate),
            Ok(_) => refused = Some(format!("{}: not an executable file", candidate.display())),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => refused = Some(format!("{}: {error}", candidate.display())),
        }
    }
    match refused {
        Some(why) => Err(Failure::CannotRun(why)),
        None => Err(Failure::NotFound(format!("{}: command not found", name.display()))),
    }
}

/// How deep scripts may name other scripts as their interpreter, as the kernel counts.
const DEEPEST_SCRIPT: usize = 4;

/// Refuses a program that the loader would start without the library.
///
/// # Errors
/// [`Failure::Refused`] with the reason and what to do, or [`Failure::CannotRun`] where the file cannot be
/// read.
pub fn check(program: &Path) -> Result<(), Failure> {
    check_executable(&executable(program)?)
}

/// The program that runs when this one is started: of a script its interpreter.
///
/// # Errors
/// [`Failure::CannotRun`] or [`Failure::NotFound`] where a file cannot be read or an interpreter is missing.
pub fn executable(program: &Path) -> Result<PathBuf, Failure> {
    let mut program = program.to_owned();
    for _ in 0..DEEPEST_SCRIPT {
        match interpreter(&program)? {
            Some(next) => program = next,
            None => break,
        }
    }
    Ok(program)
}

/// The program that a script's first line names; `None` if it is no script.
fn interpreter(program: &Path) -> Result<Option<PathBuf>, Failure> {
    let mut start = Vec::new();
    let read = File::open(program).and_then(|file| file.take(256).read_to_end(&mut start));
    if let Err(error) = read {
        // A program may be executable without being readable. The loader can start it all the same.
        return match error.kind() {
            ErrorKind::PermissionDenied => Ok(None),
            _ => Err(Failure::CannotRun(format!("{}: {error}", program.display()))),
        };
    }
    let Some(line) = start.strip_prefix(b"#!").and_then(|rest| rest.split(|&byte| byte == b'\n').next())
    else {
        return Ok(None);
    };
    let mut words = line
        .split(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
        .filter(|word| !word.is_empty())
        .map(OsStr::from_bytes);
    let Some(first) = words.next() else { return Ok(None) };
    if Path::new(first).file_name() == Some(OsStr::new("env")) {
        // `env -S` and its options are left to env.
        return match words.next() {
            Some(name) if !name.as_bytes().starts_with(b"-") && !name.as_bytes().contains(&b'=') => {
                find(name).map(Some)
            }
            _ => Ok(None),
        };
    }
    Ok(Some(PathBuf::from(first)))
}

fn check_executable(program: &Path) -> Result<(), Failure> {
    let refuse = |why: String| Err(Failure::Refused(format!("{}: {why}", program.display())));
    let metadata = match fs::metadata(program) {
        Ok(metadata) => metadata,
        Err(error) => return Err(Failure::CannotRun(format!("{}: {error}", program.display()))),
    };
    if metadata.mode() & 0o6000 != 0 {
        return refuse(
            "is setuid or setgid, so the loader ignores LD_PRELOAD; run the program that it would start"
                .into(),
        );
    }
    if rustix::fs::getxattr(program, "security.capability", &mut [0u8; 64]).is_ok() {
        return refuse(
            "has file capabilities, so the loader ignores LD_PRELOAD; use a copy without them".into(),
        );
    }
    let Ok(file) = File::open(program) else { return Ok(()) };
    let cache = ReadCache::new(file);
    let Ok(header) = FileHeader64::<Endianness>::parse(&cache) else {
        return refuse("is no 64-bit ELF program; the library cannot be loaded into it".into());
    };
    let Ok(endian) = header.endian() else { return refuse("is a damaged ELF program".into()) };
    let own = if cfg!(target_arch = "x86_64") { EM_X86_64 } else { EM_AARCH64 };
    if header.e_machine(endian) != own {
        return refuse("is for another kind of processor than the library".into());
    }
    match header.program_headers(endian, &cache) {
        Ok(headers) if headers.iter().any(|segment| segment.p_type(endian) == PT_INTERP) => {}
        Ok(_) => {
            return refuse(
                "is statically linked, so no library can be loaded into it; use a dynamically linked build"
                    .into(),
            );
        }
        Err(_) => return refuse("is a damaged ELF program".into()),
    }
    let tables = table::directory().map_err(|error| Failure::Refused(error.to_string()))?;
    let here = Here { tables: &tables, saves_vectors: reach::saves_vectors() };
    match reach::reach(program, &here) {
        Ok(Reach::Libc | Reach::Patched) => Ok(()),
        Ok(Reach::Blind(why)) => refuse(why),
        Err(error) => refuse(format!("cannot be judged: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(first_line: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::write(file.path(), format!("{first_line}\n")).expect("room for a line");
        file
    }

    #[test]
    fn scripts_are_followed_to_their_interpreter() {
        let interpreter = |line: &str| interpreter(script(line).path()).ok().flatten();
        assert_eq!(interpreter("#!/bin/sh -e"), Some(PathBuf::from("/bin/sh")));
        assert_eq!(interpreter("#! /bin/sh"), Some(PathBuf::from("/bin/sh")));
        assert!(interpreter("#!/usr/bin/env sh").is_some_and(|path| path.ends_with("sh")));
        assert_eq!(interpreter("#!/usr/bin/env -S sh -e"), None);
        assert_eq!(interpreter("no script"), None);
    }

    #[test]
    fn what_cannot_be_served_is_refused() {
        assert!(check(Path::new("/bin/sh")).is_ok());
        assert!(matches!(check(script("plain text").path()), Err(Failure::Refused(_))));
        assert!(matches!(check(script("#!/nonexistent/sh").path()), Err(Failure::CannotRun(_))));
        assert!(matches!(find(OsStr::new("no-such-command-here")), Err(Failure::NotFound(_))));
        assert!(matches!(find(OsStr::new("/etc/passwd")), Err(Failure::CannotRun(_))));
    }
}
