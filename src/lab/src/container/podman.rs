//! Real containers: podman and runc with the default seccomp profile, no capabilities and no new privileges.
//!
//! A client is the first process of a container of its own, as in `podman run IMAGE claude`; what stays from one client
//! to the next of the same "container" is the home, a volume. All that podman writes lies in the lab's own tmpfs and
//! all its processes in the lab's pid namespace, so that nothing is left however the lab ends.

use std::ffi::OsString;
use std::fs::{self, File};
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::mount::UnmountFlags;

use super::Process;
use super::step::Step;
use super::{control_groups, image};
use crate::clients::Launch;
use crate::failure::cannot_run;
use crate::sandbox::{self, HOME, Sandbox, make_directory};

/// Where podman, and what it starts, is looked for: not everybody's PATH has the directories of root's tools.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What `podman run` ends with when it is not the client that ended.
pub const OWN_FAILURES: RangeInclusive<i32> = 125..=127;

/// Directories that podman writes to whatever it is told.
const WRITTEN: [&str; 4] = ["/run", "/dev/shm", "/var/lib/containers", "/var/tmp"];
/// What each container is confined by, as `/proc/self/status` says it: seccomp mode 2 is a filter.
const CONFINED: [(&str, &str); 4] =
    [("CapEff", "0000000000000000"), ("CapBnd", "0000000000000000"), ("NoNewPrivs", "1"), ("Seccomp", "2")];

/// podman, ready to be used.
pub struct Engine {
    /// The options that come before podman's own subcommand.
    global: Vec<OsString>,
    /// What every container sees of the lab: source and target.
    volumes: Vec<String>,
}

impl Engine {
    /// Gives podman a place of its own and tries it out.
    pub fn prepare(sandbox: &Sandbox) -> Result<Self> {
        for path in WRITTEN {
            if Path::new(path).is_dir() {
                sandbox::mount("tmpfs", path, "tmpfs", c"mode=1777")?;
            }
        }
        let option = |name: &str, value: &Path| [OsString::from(name), value.into()];
        let own = sandbox.programs.with_file_name("podman");
        let mut imagestore = OsString::from("overlay.imagestore=");
        imagestore.push(image::storage(&sandbox.packages));
        let global = [
            option("--root", &own.join("root")),
            option("--runroot", &own.join("run")),
            option("--tmpdir", &own.join("tmp")),
            option("--runtime", Path::new("runc")),
            option("--storage-driver", Path::new("overlay")),
            ["--storage-opt".into(), imagestore],
            option("--cgroup-manager", Path::new("cgroupfs")),
            option("--events-backend", Path::new("none")),
        ]
        .concat();

        let read_only = |path: &PathBuf| format!("{0}:{0}:ro", path.display());
        let mut volumes: Vec<String> = [&sandbox.packages, &sandbox.programs, &sandbox.authority]
            .into_iter()
            .chain(sandbox.library.as_ref())
            // Mounted by itself although it lies in a directory above: read-only reaches no mount below a mount.
            .chain(sandbox.node.as_ref())
            .map(read_only)
            .collect();
        volumes.push("/etc/hosts:/etc/hosts:ro".to_owned());
        volumes.extend(sandbox.events.as_ref().map(|path| format!("{0}:{0}", path.display())));
        let engine = Self { global, volumes };
        engine.try_out()?;
        Ok(engine)
    }

    /// A container must start here, and be as confined as is claimed.
    fn try_out(&self) -> Result<()> {
        let output = self
            .run(1000)
            .args([image::NAME, "cat", "/proc/self/status"])
            .output()
            .map_err(|error| cannot_run(format!("podman cannot be started ({error})")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(cannot_run(format!("podman makes no container ({})", said.trim())));
        }
        let status = String::from_utf8_lossy(&output.stdout).into_owned();
        for (name, wanted) in CONFINED {
            let found = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
            ensure!(found == Some(wanted), "a container has {name} {found:?}, expected {wanted}");
        }
        Ok(())
    }

    /// Writes a command that stands in front of podman for people's own use: the place of its own, and containers as
    /// confined and as cut off as the lab's, with these variables, whatever a recipe says. `compose` is handed to podman-compose, as docker
    /// hands it to a plug-in.
    pub fn write_command(&self, path: &Path, environment: &[(&str, &Path)]) -> Result<()> {
        let word = |word: &OsString| format!(" '{}'", word.to_string_lossy().replace('\'', r"'\''"));
        let words = |list: &[OsString]| list.iter().map(word).collect::<String>();
        let podman = format!("exec '{}'{}", image::which("podman")?.display(), words(&self.global));
        let variable = |(name, value): &(&str, &Path)| format!("--env={name}={}", value.display()).into();
        let options = [self.options(), environment.iter().map(variable).collect()].concat();
        let script = format!(
            r#"#!/bin/sh
CONTAINERS_CONF=/dev/null
export CONTAINERS_CONF
case ${{1-}} in
run | create) subcommand=$1; shift; {podman} "$subcommand"{options} "$@" ;;
build) shift; {podman} build --isolation=chroot --pull=never "$@" ;;
compose) shift; exec podman-compose --podman-path "$0" "$@" ;;
*) {podman} "$@" ;;
esac
"#,
            options = words(&options)
        );
        sandbox::write(path, &script)?;
        Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
    }

    /// Of `podman run`: what is the same for every container.
    fn options(&self) -> Vec<OsString> {
        let mut options: Vec<OsString> = [
            "--pull=never",
            "--no-hosts",
            "--http-proxy=false",
            "--network=host",
            "--cap-drop=all",
            "--security-opt=no-new-privileges",
            "--ulimit=nofile=4096:4096",
            "--ulimit=nproc=8000:8000",
        ]
        .map(OsString::from)
        .into();
        options.push(format!("--cgroup-parent=/{}", control_groups::PARENT).into());
        options.extend(self.volumes.iter().map(|volume| format!("--volume={volume}").into()));
        options
    }

    /// `podman run`, up to the options that differ from client to client.
    fn run(&self, uid: u32) -> Command {
        let mut command = Command::new("podman");
        // The machine's own settings must not change what is measured.
        command.env_clear().env("PATH", PATH).env("CONTAINERS_CONF", "/dev/null").env("HOME", "/run");
        command.args(&self.global).args(["run", "--rm"]).args(self.options());
        command.arg(format!("--user={uid}:{uid}"));
        command
    }
}

/// What stays when one client of a "container" follows another: its home.
pub struct Container<'a> {
    engine: &'a Engine,
    /// As the lab sees it.
    home: PathBuf,
    /// What clients of the whole run may write to.
    out: PathBuf,
    started: usize,
}

impl<'a> Container<'a> {
    /// Carries out the steps in `home`, which then is every client's home.
    pub fn prepare(engine: &'a Engine, steps: Vec<Step>, home: PathBuf, out: PathBuf) -> Result<Self> {
        make_directory(&home)?;
        let container = Self { engine, home, out, started: 0 };
        for mut step in steps {
            let path = step.path_mut();
            *path = container.view(path);
            step.perform()?;
        }
        Ok(container)
    }

    /// Starts a client in a new container.
    pub fn spawn(&mut self, launch: &Launch, uid: u32, stdout: File, stderr: File) -> Result<Process> {
        let mut pid_file = self.home.clone().into_os_string();
        pid_file.push(format!("-client-{}.pid", self.started));
        let pid_file = PathBuf::from(pid_file);
        self.started += 1;
        let mut command = self.engine.run(uid);
        command.arg("--pidfile").arg(&pid_file).args(["--workdir", HOME]);
        // With the host's network comes the host's name, by which events tell containers apart.
        command.arg("--hostname").arg(self.home.file_name().unwrap_or_default());
        command.arg(format!("--volume={}:{HOME}", self.home.display()));
        command.arg(format!("--volume={0}:{0}", self.out.display()));
        for (name, value) in &launch.environment {
            let mut variable = name.clone();
            variable.push("=");
            variable.push(value);
            command.arg("--env").arg(variable);
        }
        command.arg(image::NAME).args(&launch.argv);
        let child = command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .context("podman cannot be started")?;
        Ok(Process { child, pid_file: Some(pid_file) })
    }

    /// A path of the container as the lab sees it: only homes are looked at.
    pub fn view(&self, path: &Path) -> PathBuf {
        path.strip_prefix(HOME).map_or_else(|_| path.to_owned(), |rest| self.home.join(rest))
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        // With all that is mounted below it. A plain directory is no mount, which does no harm.
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let mut below: Vec<PathBuf> = mounts
            .lines()
            .filter_map(|line| line.split(' ').nth(1))
            .map(PathBuf::from)
            .filter(|path| path.starts_with(&self.home))
            .collect();
        below.sort();
        for path in below.iter().rev() {
            let _ = rustix::mount::unmount(path, UnmountFlags::DETACH);
        }
    }
}
