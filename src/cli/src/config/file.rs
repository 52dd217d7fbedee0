//! The configuration file as the library reads it: the same file, the same limits, the same parser. It must accept
//! nothing that the library would not.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use lockspan_core::config::{self, Config, DEFAULT_PATH, LARGEST};
use nix::libc::O_NONBLOCK;

/// A configuration file's text.
pub struct File {
    pub path: PathBuf,
    pub text: Vec<u8>,
}

/// Why a configuration cannot be followed.
#[derive(Debug)]
pub struct Problem {
    path: PathBuf,
    line: Option<u32>,
    what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:", self.path.display())?;
        if let Some(line) = self.line {
            write!(formatter, "{line}:")?;
        }
        write!(formatter, " {}", self.what)
    }
}

impl std::error::Error for Problem {}

/// Where the configuration of a process is in whose environment `value` finds a variable, and whether that is said
/// there.
pub fn place(value: impl Fn(&str) -> Option<OsString>) -> (PathBuf, bool) {
    match value("LOCKSPAN_CONFIG").filter(|path| !path.is_empty()) {
        Some(given) => (given.into(), true),
        None => (OsStr::from_bytes(DEFAULT_PATH.to_bytes()).into(), false),
    }
}

/// Reads the configuration of such a process; `None` if there is none, and none is asked for.
///
/// # Errors
/// The library could not read it.
pub fn read(value: impl Fn(&str) -> Option<OsString>) -> Result<Option<File>, Problem> {
    let (path, is_given) = place(value);
    match open(&path) {
        Ok(text) => Ok(Some(File { path, text })),
        Err(error) if !is_given && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(Problem { path, line: None, what: error.to_string() }),
    }
}

fn open(path: &Path) -> io::Result<Vec<u8>> {
    // A FIFO would be waited for.
    let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("is no regular file"));
    }
    let mut text = Vec::new();
    file.take(LARGEST as u64 + 1).read_to_end(&mut text)?;
    if text.len() > LARGEST {
        return Err(io::Error::other(format!("is larger than {LARGEST} bytes")));
    }
    Ok(text)
}

impl File {
    /// Reads a file, wherever it is.
    ///
    /// # Errors
    /// The library could not read it.
    pub fn open(path: &Path) -> Result<File, Problem> {
        match open(path) {
            Ok(text) => Ok(File { path: path.into(), text }),
            Err(error) => Err(Problem { path: path.into(), line: None, what: error.to_string() }),
        }
    }

    /// What the library understands.
    ///
    /// # Errors
    /// The first line that it cannot follow.
    pub fn parse(&self) -> Result<Config<'_>, Problem> {
        config::parse(&self.text).map_err(|bad| self.problem(Some(bad.line), bad.what))
    }

    /// Something that is wrong with this file.
    pub fn problem(&self, line: Option<u32>, what: impl Into<String>) -> Problem {
        Problem { path: self.path.clone(), line, what: what.into() }
    }
}
