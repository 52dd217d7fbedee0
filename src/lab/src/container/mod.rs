//! A container, of one of two kinds, and the processes in it.
//!
//! The layout's steps, given as seen from inside, are carried out by either kind. Knows nothing of clients and layouts.

mod control_groups;
pub mod image;
mod keeper;
mod podman;
mod step;

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};

use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use serde::Serialize;

use crate::clients::Launch;
pub use control_groups::ControlGroups;
use keeper::Keeper;
pub use keeper::{SUBCOMMAND, keep};
pub use podman::{Engine, PATH};
pub use step::Step;

/// What makes containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Namespaces that the lab makes itself: quick, and clients may be root.
    Namespaces,
    /// podman and runc: default seccomp profile, no capabilities, no new privileges.
    Podman,
}

/// A container that clients can be started in.
pub enum Container<'a> {
    /// Of [`Kind::Namespaces`].
    Namespaces(Keeper),
    /// Of [`Kind::Podman`].
    Podman(podman::Container<'a>),
}

impl<'a> Container<'a> {
    /// Builds one of the lab's own.
    pub fn of_namespaces(steps: Vec<Step>, pid_namespace: bool) -> Result<Self> {
        Keeper::start(steps, pid_namespace).map(Self::Namespaces)
    }

    /// Prepares one of podman's, whose clients have their home in `home` and may write to `out`.
    pub fn of_podman(engine: &'a Engine, steps: Vec<Step>, home: PathBuf, out: PathBuf) -> Result<Self> {
        podman::Container::prepare(engine, steps, home, out).map(Self::Podman)
    }

    /// Starts a client, with no input and its output in these files.
    pub fn spawn(&mut self, launch: &Launch, uid: u32, stdout: File, stderr: File) -> Result<Process> {
        match self {
            Self::Namespaces(keeper) => keeper.spawn(launch, uid, stdout, stderr),
            Self::Podman(container) => container.spawn(launch, uid, stdout, stderr),
        }
    }

    /// A path of the container as seen from outside. It must have no absolute symlink on its way.
    pub fn view(&self, path: &Path) -> PathBuf {
        match self {
            Self::Namespaces(keeper) => keeper.view(path),
            Self::Podman(container) => container.view(path),
        }
    }
}

/// A process in a container.
pub struct Process {
    /// The process itself, or the engine's command that waits for it.
    child: Child,
    /// Where the engine writes the number of the process itself.
    pid_file: Option<PathBuf>,
}

impl Process {
    /// Its number in the lab's pid namespace.
    pub fn pid(&self) -> Result<Pid> {
        match &self.pid_file {
            None => Ok(Pid::from_child(&self.child)),
            Some(path) => fs::read_to_string(path)
                .ok()
                .and_then(|text| Pid::from_raw(text.trim().parse().ok()?))
                .context("the container has no process yet"),
        }
    }

    /// Sends a signal; to a process that has ended already, nothing.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.try_wait()?.is_some() {
            return Ok(());
        }
        let pid = self.pid()?;
        match rustix::process::kill_process(pid, signal) {
            // It ended, and the engine's command will in a moment.
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Kills it and waits for its end.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::KILL)?;
        let status = self.child.wait()?;
        self.check(status)
    }

    /// How it ended, if it has.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait()?.map(|status| self.check(status)).transpose()
    }

    /// The child, for who wants to wait for it in another way. With podman it is not the process itself.
    pub fn into_child(self) -> Child {
        self.child
    }

    /// A container that could not be made must not be taken for a client that failed.
    fn check(&self, status: ExitStatus) -> Result<ExitStatus> {
        match status.code() {
            Some(code) if self.pid_file.is_some() && podman::OWN_FAILURES.contains(&code) => {
                bail!("podman could not start a client (status {code})")
            }
            _ => Ok(status),
        }
    }
}

/// Device, inode and birth time.
pub type Identity = (u64, u64, Option<std::time::SystemTime>);

/// What tells a directory entry from a later one of the same name; inode numbers alone are reused.
pub fn identity(path: &Path) -> Option<Identity> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino(), metadata.created().ok()))
}
