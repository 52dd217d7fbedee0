//! A container as far as the lock is concerned: a mount namespace with a private home, if wanted a pid namespace.
//!
//! A hidden subcommand makes the namespaces, carries out the steps of the layout and then only waits; clients are put
//! beside it. It knows nothing of clients and layouts.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use rustix::mount::{MountFlags, MountPropagationFlags};
use serde::{Deserialize, Serialize};

use crate::namespaces::{self, Namespaces};
use crate::sandbox::{self, make_directory};

/// The name of the hidden subcommand.
pub const SUBCOMMAND: &str = "container";
/// What the container says when it can be entered.
const READY: &str = "ready";
/// Directories of people's own and of temporary files: empty in every container.
const PRIVATE: [&str; 5] = ["/root", "/home", "/tmp", "/var/tmp", "/dev/shm"];

/// One step of building a container, in its own mount namespace.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// An empty tmpfs.
    Tmpfs { path: PathBuf },
    /// An overlay, as container engines make one.
    Overlay { lower: PathBuf, upper: PathBuf, work: PathBuf, path: PathBuf },
    /// An ext4 filesystem in a file.
    Ext4 { image: PathBuf, path: PathBuf },
    /// Something that is shared.
    Bind { source: PathBuf, path: PathBuf },
    /// A directory.
    Directory { path: PathBuf, owner: u32 },
    /// A file.
    File { path: PathBuf, content: String, mode: u32, owner: u32 },
    /// A symbolic link.
    Symlink { target: PathBuf, path: PathBuf },
    /// A directory handed over with what is in it.
    Own { path: PathBuf, owner: u32 },
}

impl Step {
    /// Does it.
    pub fn perform(&self) -> Result<()> {
        match self {
            Self::Tmpfs { path } => sandbox::mount("tmpfs", path, "tmpfs", c"mode=0755"),
            Self::Overlay { lower, upper, work, path } => {
                for directory in [lower, upper, work] {
                    make_directory(directory)?;
                }
                let data = format!(
                    "lowerdir={},upperdir={},workdir={}",
                    lower.display(),
                    upper.display(),
                    work.display()
                );
                sandbox::mount("overlay", path, "overlay", &std::ffi::CString::new(data)?)
            }
            Self::Ext4 { image, path } => sandbox::mount_ext4(image, path),
            Self::Bind { source, path } => rustix::mount::mount_bind(source, path)
                .with_context(|| format!("binding to {}", path.display())),
            Self::Directory { path, owner } => {
                make_directory(path)?;
                give(path, *owner)
            }
            Self::File { path, content, mode, owner } => {
                sandbox::write(path, content)?;
                fs::set_permissions(path, fs::Permissions::from_mode(*mode))?;
                give(path, *owner)
            }
            Self::Symlink { target, path } => {
                symlink(target, path).with_context(|| format!("making the symlink {}", path.display()))
            }
            Self::Own { path, owner } => give(path, *owner),
        }
    }
}

fn give(path: &Path, owner: u32) -> Result<()> {
    chown(path, Some(owner), Some(owner)).with_context(|| format!("chown {}", path.display()))
}

/// What the hidden subcommand is told.
#[derive(Serialize, Deserialize)]
struct Plan {
    pid_namespace: bool,
    /// Set for the first process of the pid namespace, when the mount namespace is made already.
    mounted: bool,
    steps: Vec<Step>,
}

/// A running container; ends when dropped, with everything in it if it has a pid namespace.
pub struct Container {
    keeper: Child,
    namespaces: Namespaces,
}

impl Container {
    /// Builds one.
    pub fn start(steps: Vec<Step>, pid_namespace: bool) -> Result<Self> {
        let plan = Plan { pid_namespace, mounted: false, steps };
        let keeper = start_keeper(&plan)?;
        let namespaces = Namespaces::of(keeper.id(), pid_namespace)
            .context("a container's namespaces cannot be opened")?;
        Ok(Self { keeper, namespaces })
    }

    /// Starts a command inside.
    pub fn spawn(&self, command: &mut Command, uid: u32) -> Result<Child> {
        let name = command.get_program().to_string_lossy().into_owned();
        self.namespaces
            .spawn(command, uid, Path::new(sandbox::HOME))
            .with_context(|| format!("starting {name} in a container"))
    }

    /// A path of the container as seen from outside. It must have no absolute symlink on its way.
    pub fn view(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.keeper.id()));
        root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // The end of its input tells the keeper to go; killing comes second, should it hang.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
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

/// Device, inode and birth time.
pub type Identity = (u64, u64, Option<std::time::SystemTime>);

/// What tells a directory entry from a later one of the same name; inode numbers alone are reused.
pub fn identity(path: &Path) -> Option<Identity> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino(), metadata.created().ok()))
}
