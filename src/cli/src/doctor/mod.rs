//! `lockspan doctor`: says whether the login is safe here, and what to type where it is not.
//!
//! [`CHECKS`] is the whole of it: one row for each check, one file for each subject. A check only looks. What is
//! asked for by `--probe` and `--fix` is done before the checks, which then report it.
//!
//! It must never start a client, refresh a token or print one: tokens are compared by hash, in memory.

mod fix;
mod kept;
mod layout;
mod library;
mod locks;
mod login;
mod meeting;
mod mounts;
mod permissions;
mod place;
mod presence;
mod probe;
mod process;
mod report;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use lockspan_core::names::CREDENTIALS;
use serde::Serialize;

use crate::settings;

/// What the command line asks for.
#[derive(clap::Args)]
pub struct Options {
    /// Prints JSON, described by docs/schema/doctor.schema.json
    #[arg(long)]
    json: bool,
    /// Exit status 1 for warnings too
    #[arg(long)]
    strict: bool,
    /// Tests mkdir and locks for real in the config directory, for 20 s against a second container that does the
    /// same
    #[arg(long)]
    probe: bool,
    /// Removes lock directories whose owner is proven dead
    #[arg(long)]
    fix: bool,
    /// With --fix: also those older than 60 s that do not change for 12 s
    #[arg(long, requires = "fix")]
    yes: bool,
    /// Looks at this running process, too
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// The second process of a probe, which lockspan starts by itself
    #[arg(long, value_name = "PLACE", hide = true, exclusive = true)]
    probe_second: Option<PathBuf>,
    /// A command whose program is looked at; it is not started
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// What all checks look at.
struct Subject<'a> {
    options: &'a Options,
    /// The config directory as the environment names it, links not followed, or why there is none.
    given: Result<PathBuf, String>,
    /// Its real path, if it is a directory.
    directory: Option<PathBuf>,
    probe: Option<Result<probe::Probe, String>>,
}

/// What a check found: what it saw, or why that is not all right.
type Outcome = Result<String, Problem>;

/// Why a check is not all right.
enum Problem {
    /// Something is wrong.
    Fault {
        /// What was seen.
        evidence: String,
        /// What to do about it, in one line.
        advice: String,
    },
    /// Nobody asked for the check, or what it looks at cannot be looked at.
    Skipped(String),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Problem::Skipped(error.to_string())
    }
}

impl From<rustix::io::Errno> for Problem {
    fn from(errno: rustix::io::Errno) -> Self {
        Problem::Skipped(errno.to_string())
    }
}

fn fault(evidence: impl Into<String>, advice: impl Into<String>) -> Outcome {
    Err(Problem::Fault { evidence: evidence.into(), advice: advice.into() })
}

fn skipped(why: impl Into<String>) -> Outcome {
    Err(Problem::Skipped(why.into()))
}

impl Subject<'_> {
    /// The real path of the config directory; checks that look into it are skipped where there is none.
    fn directory(&self) -> Result<&Path, Problem> {
        self.directory.as_deref().ok_or_else(|| Problem::Skipped("no config directory".into()))
    }

    /// The path of the credentials file.
    fn credentials(&self) -> Result<PathBuf, Problem> {
        self.directory().map(credentials_in)
    }
}

/// The path of the credentials file of a config directory.
fn credentials_in(directory: &Path) -> PathBuf {
    directory.join(OsStr::from_bytes(CREDENTIALS))
}

/// How bad it is that a check is not all right, and how a check ended.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[serde(rename_all = "kebab-case")]
enum Severity {
    /// Was not looked at.
    Skipped,
    /// All right.
    Ok,
    /// Worth knowing; nothing is wrong.
    Info,
    /// Works, but slower or less safely than it could.
    Warning,
    /// People will be logged out, or already are.
    Error,
}

/// Checks that share a line of the report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Group {
    Layout,
    Mounts,
    Permissions,
    Locks,
    Login,
    Library,
    Program,
    Process,
    Probe,
}

/// One check.
struct Check {
    /// By which people and programs name it; never changed.
    id: &'static str,
    group: Group,
    /// How bad the fault is.
    severity: Severity,
    /// What holds where all is right.
    title: &'static str,
    examine: fn(&Subject<'_>) -> Outcome,
}

const fn check(
    group: Group,
    id: &'static str,
    severity: Severity,
    title: &'static str,
    examine: fn(&Subject<'_>) -> Outcome,
) -> Check {
    Check { id, group, severity, title, examine }
}

/// All checks, in the order of the report. docs/doctor.md has a section for each.
#[rustfmt::skip]
const CHECKS: &[Check] = {
    use Group::{Layout, Library, Locks, Login, Mounts, Permissions, Probe, Process, Program};
    use Severity::{Error, Info, Warning};
    &[
        check(Layout, "config-directory", Error, "There is a config directory", layout::exists),
        check(Layout, "layout", Info, "The config directory is shared with other containers", layout::shared),
        check(Layout, "one-store", Error, "The login is in one place only", layout::one_store),
        check(Mounts, "filesystem", Warning, "The filesystem is known to keep mkdir and flock", mounts::filesystem),
        check(Mounts, "read-only", Error, "The config directory is not mounted read-only", mounts::read_only),
        check(Mounts, "credentials-file", Error, "The credentials file is a file", mounts::credentials_file),
        check(Mounts, "dangling-mount", Error, "A mounted credentials file is still the host's", mounts::dangling),
        check(Permissions, "access", Error, "This user may read and write the login", permissions::access),
        check(Permissions, "owner", Warning, "The login belongs to this user", permissions::owner),
        check(Permissions, "credentials-mode", Warning, "Nobody else may read the credentials file", permissions::credentials_mode),
        check(Permissions, "directory-mode", Warning, "Not everybody may write in the config directory", permissions::directory_mode),
        check(Locks, "lock-is-file", Error, "No file is in the place of a lock directory", locks::files),
        check(Locks, "lock-in-future", Error, "No lock is dated in the future", locks::future),
        check(Locks, "orphaned-lock", Warning, "No lock is left by a dead owner", locks::orphaned),
        check(Locks, "foreign-lock", Warning, "No lock of an unknown owner is older than a minute", locks::foreign),
        check(Locks, "unknown-lock", Info, "No lock in the config directory is unknown", locks::unknown),
        check(Login, "login", Error, "There is a login that can be refreshed", login::login),
        check(Login, "credential", Info, "Clients use the shared login", login::winner),
        check(Login, "token-snapshot", Error, "No variable has a copy of the short-lived token", login::snapshot),
        check(Library, "settings", Error, "The settings can be followed", library::settings),
        check(Library, "library-active", Warning, "The library is not turned off", library::active),
        check(Library, "library", Error, "The library is installed", library::installed),
        check(Program, "reach", Error, "The library sees the program's lock calls", library::reach),
        check(Process, "process-library", Error, "The process has loaded the library", process::loaded),
        check(Process, "process-active", Warning, "The library is active in the process", process::active),
        check(Probe, "probe-mkdir", Error, "Of racing processes exactly one makes a directory", probe::mkdir),
        check(Probe, "probe-flock", Warning, "A file that is locked by flock is refused to others", probe::flock),
        check(Probe, "probe-byte-lock", Warning, "A locked byte is refused to others", probe::byte_lock),
        check(Probe, "probe-birth-time", Warning, "Files have a birth time", probe::birth_time),
        check(Probe, "probe-other", Info, "A second container was met", probe::other),
        check(Probe, "probe-other-mkdir", Error, "Of this container and the other exactly one makes a directory", probe::other_mkdir),
        check(Probe, "probe-other-locks", Warning, "What one of the two has locked is refused to the other", probe::other_locks),
    ]
};

/// Examines, prints the report, and says by the exit status whether something is wrong.
///
/// # Errors
/// The report cannot be written, or `--fix` failed.
pub fn doctor(options: &Options) -> Result<ExitCode> {
    if let Some(place) = &options.probe_second {
        meeting::second(place)?;
        return Ok(ExitCode::SUCCESS);
    }
    let given = settings::config_directory_given().map_err(|error| error.to_string());
    let directory = given
        .as_ref()
        .ok()
        .and_then(|given| given.canonicalize().ok())
        .filter(|directory| directory.is_dir());
    if let Some(directory) = directory.as_deref().filter(|_| options.fix) {
        fix::fix(directory, options.yes)?;
    }
    let probe = directory.as_deref().filter(|_| options.probe);
    let probe = probe.map(|directory| probe::probe(directory).map_err(|error| error.to_string()));
    let subject = Subject { options, given, directory, probe };
    report::print(&subject)
}
