//! The lab's own namespaces: no network but loopback, a private `/mnt` for everything it writes.
//!
//! Nothing that happens here lasts: all files lie on a tmpfs of a mount namespace that ends with the lab's first
//! process, however that ends. Do not write to the machine's own directories from inside.

use std::fs::{self, File};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, MountPropagationFlags};

use crate::failure::cannot_run;
use crate::namespaces;
use crate::server::HOSTS;
use crate::server::tls::{self, Identity};

/// The tmpfs that holds everything, a directory that every Linux machine has.
const ROOT: &str = "/mnt";

/// The home directory of every client, private to its container.
pub const HOME: &str = "/mnt/home";

/// What the lab needs from the machine, by its paths outside.
pub struct Sources {
    /// Where installed packages lie.
    pub cache: PathBuf,
    /// The library, if any client is to have it.
    pub library: Option<PathBuf>,
    /// The command, if a scenario runs it.
    pub command: Option<PathBuf>,
    /// Where the library is to write events.
    pub events: Option<PathBuf>,
    /// Node, if any client needs it.
    pub node: Option<PathBuf>,
    /// Where the user's own command works, if there is one.
    pub directory: Option<PathBuf>,
}

/// The prepared namespaces, by the paths inside.
pub struct Sandbox {
    /// The packages.
    pub packages: PathBuf,
    /// The library.
    pub library: Option<PathBuf>,
    /// The command.
    pub command: Option<PathBuf>,
    /// Where the library writes events.
    pub events: Option<PathBuf>,
    /// Node.
    pub node: Option<PathBuf>,
    /// Where the user's own command works.
    pub directory: Option<PathBuf>,
    /// The authority that clients are to trust.
    pub authority: PathBuf,
    /// For small programs that the lab makes.
    pub programs: PathBuf,
    /// The server's certificate.
    pub identity: Identity,
}

/// Refuses to go on without root.
pub fn require_root() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Err(cannot_run("the lab makes namespaces and mounts, which needs root (try sudo)"));
    }
    Ok(())
}

/// Runs this program again, with the same arguments after `--inside`, in namespaces of its own.
pub fn reenter() -> Result<ExitCode> {
    let mut command = Command::new("/proc/self/exe");
    command.arg("--inside").args(std::env::args_os().skip(1));
    let mut child = namespaces::spawn_sandbox(&mut command).map_err(|error| {
        cannot_run(format!(
            "pid, mount and network namespaces are refused ({error}); in a container the lab needs --privileged"
        ))
    })?;
    let status = child.wait().context("the lab's first process")?;
    match status.code() {
        Some(code) => Ok(ExitCode::from(u8::try_from(code).unwrap_or(1))),
        None => bail!("the lab's first process ended by {status}"),
    }
}

/// Prepares the namespaces that [`reenter`] made.
pub fn prepare(sources: &Sources) -> Result<Sandbox> {
    // Opened before anything is mounted, since a source may lie below a directory that is covered by then.
    let cache = open_path(&sources.cache)?;
    let events = sources.events.as_deref().map(open_path).transpose()?;
    let node = sources.node.as_deref().map(open_path).transpose()?;
    let command = sources.command.as_deref().map(open_path).transpose()?;
    let directory = sources.directory.as_deref().map(open_path).transpose()?;
    let library = match &sources.library {
        Some(path) => Some(fs::read(path).with_context(|| {
            format!(
                "the library {} cannot be read (build it with scripts/build, or use --library-path)",
                path.display()
            )
        })?),
        None => None,
    };

    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(|error| cannot_run(format!("mounts cannot be made private ({error})")))?;
    mount("proc", "/proc", "proc", c"")?;
    mount("tmpfs", ROOT, "tmpfs", c"mode=0755")?;

    let root = Path::new(ROOT);
    let lab = root.join("lab");
    let programs = lab.join("programs");
    let packages = lab.join("packages");
    for directory in [Path::new(HOME), &programs, &packages] {
        make_directory(directory)?;
    }
    bind_descriptor(&cache, &packages)?;
    let bind_below = |descriptor: Option<OwnedFd>, name: &str| {
        let Some(descriptor) = descriptor else { return Ok(None) };
        let target = lab.join(name);
        make_directory(&target)?;
        bind_descriptor(&descriptor, &target)?;
        anyhow::Ok(Some(target))
    };
    let events = bind_below(events, "events")?;
    let directory = bind_below(directory, "directory")?;
    let bind_program = |descriptor: Option<OwnedFd>, name: &str| {
        let Some(descriptor) = descriptor else { return Ok(None) };
        let target = programs.join(name);
        write(&target, "")?;
        bind_descriptor(&descriptor, &target)?;
        anyhow::Ok(Some(target))
    };
    let node = bind_program(node, "node")?;
    let command = bind_program(command, "lockspan")?;
    let library = match library {
        Some(content) => {
            let target = lab.join("liblockspan.so");
            fs::write(&target, content).with_context(|| target.display().to_string())?;
            Some(target)
        }
        None => None,
    };

    let identity = tls::identity(&HOSTS)?;
    let authority = lab.join("authority.pem");
    write(&authority, &identity.authority_pem)?;
    let hosts = lab.join("hosts");
    write(&hosts, &format!("127.0.0.1 localhost {}\n", HOSTS.join(" ")))?;
    rustix::mount::mount_bind(&hosts, "/etc/hosts").context("binding over /etc/hosts")?;

    raise_loopback()?;
    Ok(Sandbox { packages, library, command, events, node, directory, authority, programs, identity })
}

/// Where the runs of a scenario keep their files.
pub fn run_directory(number: usize) -> PathBuf {
    Path::new(ROOT).join(format!("run-{number}"))
}

/// Mounts a fresh filesystem of the kind `fstype`.
pub fn mount(source: &str, target: impl AsRef<Path>, fstype: &str, data: &std::ffi::CStr) -> Result<()> {
    let target = target.as_ref();
    let data = (!data.is_empty()).then_some(data);
    rustix::mount::mount(source, target, fstype, MountFlags::empty(), data)
        .with_context(|| format!("mounting {fstype} on {}", target.display()))
}

/// Mounts a new filesystem, of ext4, xfs or btrfs, that lives in a file. The kernel frees the loop device with the last
/// mount of it.
pub fn mount_image(fstype: &str, image: &Path, target: &Path) -> Result<()> {
    let mebibytes = if fstype == "ext4" { 64 } else { 512 };
    let file = File::create(image).with_context(|| image.display().to_string())?;
    // Sparse: only what is written takes memory.
    file.set_len(mebibytes << 20)?;
    drop(file);
    run(Command::new(format!("mkfs.{fstype}")).arg(if fstype == "ext4" { "-qF" } else { "-q" }).arg(image))?;
    run(Command::new("mount").args(["-t", fstype, "-o", "loop"]).arg(image).arg(target))
}

/// Makes a directory and its parents.
pub fn make_directory(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("making {}", path.display()))
}

/// Writes a file that clients may read.
pub fn write(path: &Path, content: &str) -> Result<()> {
    fs::write(path, content).with_context(|| format!("writing {}", path.display()))
}

fn raise_loopback() -> Result<()> {
    run(Command::new("ip").args(["link", "set", "lo", "up"]))
}

/// Runs a tool to its end; a missing one means that the lab cannot run here.
pub fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| {
        cannot_run(format!("`{name}` cannot be started ({error}); scripts/setup installs it"))
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{name}` failed ({}): {}", output.status, said.trim());
    }
    Ok(())
}

fn open_path(path: &Path) -> Result<OwnedFd> {
    rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .with_context(|| format!("opening {}", path.display()))
}

fn bind_descriptor(source: &OwnedFd, target: &Path) -> Result<()> {
    let source = format!("/proc/self/fd/{}", source.as_raw_fd());
    rustix::mount::mount_bind(source, target).with_context(|| format!("binding to {}", target.display()))
}
