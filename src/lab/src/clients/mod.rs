//! The programs under test: how each is fetched, and how it is started.
//!
//! One file per kind. None of them is ever given the machine's environment, home or network.

pub mod c;
pub mod claude;
pub mod proper_lockfile;
pub mod registry;
pub mod tool;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::layout::Layout;
use crate::sandbox::{HOME, Sandbox};
use crate::spec::Program;

/// Makes sure that the cache has what a program comes in. Needs the network if it does not.
pub fn fetch(program: Program, cache: &Path) -> Result<()> {
    let package = match program {
        Program::ClaudeNode(release) => claude::node_package(release),
        Program::ClaudeNative(release, libc) => claude::native_package(release, libc),
        _ if !program.is_proper_lockfile() || proper_lockfile::module(cache).is_some() => return Ok(()),
        _ => proper_lockfile::package(),
    };
    registry::fetch(&package, cache)
}

/// Whether a program runs on node.
pub fn needs_node(program: Program) -> bool {
    program.is_proper_lockfile() || matches!(program, Program::ClaudeNode(_))
}

/// Puts what a program needs beside its package into the sandbox.
pub fn install(program: Program, sandbox: &Sandbox) -> Result<()> {
    match program {
        Program::ClaudeNode(_) => Ok(()),
        Program::ClaudeNative(_, libc) => claude::require_loader(libc),
        Program::ProperLockfile(_) => proper_lockfile::install(sandbox),
        Program::C(_) => c::compile(sandbox),
        Program::Tool(tool) => tool::install(tool, sandbox),
    }
}

/// What a model client does with the lock. Real clients do what they do.
#[derive(Clone, Debug)]
pub enum Task {
    /// Refresh if the token has expired, then ask for a message.
    Refresh {
        /// How long the C client, which cannot refresh, holds the lock in place of it.
        hold: Duration,
    },
    /// Take the pair out of the credentials file; the proper-lockfile client only.
    LogOut {
        /// How.
        how: LogOut,
        /// The file that says whose turn it is, the lab's when the client has read the credentials.
        turn: PathBuf,
    },
    /// Say which version this is, and end; real clients only.
    Version,
    /// Read the credentials file in a tight loop until SIGTERM, and log what was found; the C client only.
    Read {
        /// The log.
        log: PathBuf,
    },
    /// Hold the lock again and again, and log it.
    Stress {
        /// In the log.
        name: String,
        /// The log.
        log: PathBuf,
        /// How long to go on.
        duration: Duration,
        /// The longest time to hold it.
        hold: Duration,
    },
}

/// What is in the file of [`Task::LogOut`].
pub const TURN_OF_LAB: &str = "lab";
/// See [`TURN_OF_LAB`].
pub const TURN_OF_CLIENT: &str = "client";

/// How a client logs out.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LogOut {
    /// What becomes of the file.
    pub removal: Removal,
    /// Whether it holds the refresh lock.
    pub locked: bool,
    /// Whether it reads the file again before.
    pub reads_again: bool,
}

/// How a pair is taken out of the credentials file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Removal {
    /// A file without a pair is renamed onto it.
    Rename,
    /// It is truncated, and written without a pair.
    Truncate,
    /// It is unlinked; where it is a mount, truncated.
    Unlink,
}

/// The command that starts a client in its container.
pub struct Launch {
    /// The program with its arguments.
    pub argv: Vec<OsString>,
    /// The whole environment.
    pub environment: BTreeMap<OsString, OsString>,
}

impl Launch {
    /// A command with exactly this environment.
    pub fn command(&self) -> Command {
        let (program, arguments) = match self.argv.split_first() {
            Some((program, arguments)) => (program.as_os_str(), arguments),
            None => (std::ffi::OsStr::new(""), &[][..]),
        };
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(&self.environment);
        command
    }
}

/// What every client is told, so that it trusts the lab's server and asks nobody else.
pub fn offline(sandbox: &Sandbox) -> [(&'static str, &Path); 3] {
    [
        ("NODE_EXTRA_CA_CERTS", &sandbox.authority),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", Path::new("1")),
        ("DISABLE_AUTOUPDATER", Path::new("1")),
    ]
}

/// How a client is started in a layout.
pub fn launch(program: Program, layout: Layout, task: &Task, sandbox: &Sandbox) -> Launch {
    let argv = match program {
        Program::ClaudeNode(release) => claude::node_argv(release, task, sandbox),
        Program::ClaudeNative(release, libc) => claude::native_argv(release, libc, task, sandbox),
        Program::ProperLockfile(band) => proper_lockfile::argv(band, layout, task, sandbox),
        Program::C(band) => c::argv(band, layout, task, sandbox),
        Program::Tool(tool) => tool::argv(tool, layout, sandbox),
    };
    let mut environment: BTreeMap<OsString, OsString> = BTreeMap::new();
    let mut set = |name: &str, value: &Path| {
        environment.insert(name.into(), value.into());
    };
    set("HOME", Path::new(HOME));
    set("PATH", Path::new("/usr/local/bin:/usr/bin:/bin"));
    for (name, value) in offline(sandbox) {
        set(name, value);
    }
    if let Program::Tool(tool) = program {
        set("LOCKSPAN_CONFIG", &tool::configuration(tool, sandbox));
    }
    if let Some((name, value)) = layout.environment() {
        set(name, &value);
    }
    Launch { argv, environment }
}
