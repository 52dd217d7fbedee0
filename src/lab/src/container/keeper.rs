//! A container as far as the lock is concerned: a mount namespace with a private home, if wanted a pid namespace.
//!
//! A hidden subcommand makes the namespaces, carries out the steps of the layout and then only waits; clients are put
//! beside it. It knows nothing of clients and layouts.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use rustix::mount::{MountFlags, MountPropagationFlags};
use serde::{Deserialize, Serialize};

use super::Process;
use super::step::Step;
use crate::clients::Launch;
use crate::namespaces::{self, Namespaces};
use crate::sandbox;

/// The name of the hidden subcommand.
pub const SUBCOMMAND: &str = "container";
/// What the container says when it can be entered.
const READY: &str = "ready";
/// Directories of people's own and of temporary files: empty in every container.
const PRIVATE: [&str; 5] = ["/root", "/home", "/tmp", "/var/tmp", "/dev/shm"];

/// What the hidden subcommand is told.
#[derive(Serialize, Deserialize)]
struct Plan {
    pid_namespace: bool,
    /// Set for the first process of the pid namespace, when the mount namespace is made already.
    mounted: bool,
    steps: Vec<Step>,
}

/// A running container; ends when dropped, with everything in it if it has a pid namespace.
pub struct Keeper {
    process: Child,
    namespaces: Namespaces,
}

impl Keeper {
    /// Builds one.
    pub fn start(steps: Vec<Step>, pid_namespace: bool) -> Result<Self> {
        let plan = Plan { pid_namespace, mounted: false, steps };
        let process = start_keeper(&plan)?;
        let namespaces = Namespaces::of(process.id(), pid_namespace)
            .context("a container's namespaces cannot be opened")?;
        Ok(Self { process, namespaces })
    }

    /// Starts a client inside.
    pub fn spawn(&self, launch: &Launch, uid: u32, stdout: File, stderr: File) -> Result<Process> {
        let mut command = launch.command();
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        let child = self
            .namespaces
            .spawn(&mut command, uid, Path::new(sandbox::HOME))
            .with_context(|| format!("starting {:?} in a container", command.get_program()))?;
        Ok(Process { child, pid_file: None })
    }

    /// A path of the container as seen from outside. It must have no absolute symlink on its way.
    pub fn view(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.process.id()));
        root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // The end of its input tells the keeper to go; killing comes second, should it hang.
        drop(self.process.stdin.take());
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn start_keeper(plan: &Plan) -> Result<Child> {
    let mut keeper = Command::new("/proc/self/exe")
        .arg(SUBCOMMAND)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("a container cannot be started")?;
    let mut line = String::new();
    let told = match keeper.stdin.as_mut() {
        Some(stdin) => {
            serde_json::to_writer(&mut *stdin, plan)?;
            stdin.write_all(b"\n").and_then(|()| stdin.flush())
        }
        None => Ok(()),
    };
    if let (Ok(()), Some(stdout)) = (&told, keeper.stdout.take()) {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    if line.trim() != READY {
        let _ = keeper.kill();
        let _ = keeper.wait();
        bail!("a container could not be built (its reason is above)");
    }
    Ok(keeper)
}

/// The hidden subcommand: makes the container that standard input describes and stays until standard input ends.
pub fn keep() -> Result<()> {
    let mut stdin = std::io::stdin().lock();
    let mut line = String::new();
    stdin.read_line(&mut line)?;
    let mut plan: Plan =
        serde_json::from_str(&line).context("no description of a container on standard input")?;
    if !plan.mounted {
        namespaces::separate(plan.pid_namespace).context("making a container's namespaces")?;
        rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    }
    let mut first = None;
    if plan.pid_namespace && !plan.mounted {
        plan.mounted = true;
        first = Some(start_keeper(&plan)?);
    } else {
        for path in PRIVATE {
            if Path::new(path).is_dir() {
                sandbox::mount("tmpfs", path, "tmpfs", c"mode=1777")?;
            }
        }
        // Whatever a client may think of writing to the machine stays unwritten.
        rustix::mount::mount_remount("/", MountFlags::BIND | MountFlags::RDONLY, c"")
            .context("making / read-only in a container")?;
        if plan.mounted {
            sandbox::mount("proc", "/proc", "proc", c"")?;
        }
        for step in &plan.steps {
            step.perform()?;
        }
    }
    println!("{READY}");
    let mut rest = Vec::new();
    stdin.read_to_end(&mut rest)?;
    if let Some(mut first) = first {
        // Ends every process of the pid namespace.
        let _ = first.kill();
        let _ = first.wait();
    }
    Ok(())
}
