//! What containers share may lie on any of these filesystems, and be seen by two containers through one mount or two.
//!
//! Mounts them inside the lab's own mount namespace. Knows nothing of layouts and clients.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use rustix::mount::UnmountFlags;
use serde::Serialize;

use crate::container::Step;
use crate::failure::cannot_run;
use crate::sandbox::{self, make_directory};

/// The filesystem of the shared directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Shared {
    /// In memory.
    Tmpfs,
    /// A loop image.
    Ext4,
    /// A loop image.
    Xfs,
    /// A loop image.
    Btrfs,
    /// An overlay on tmpfs, of which all containers have the same mount.
    Overlay,
    /// An overlay on ext4.
    OverlayExt4,
    /// A bindfs of tmpfs, whose locks the kernel keeps: coherent.
    Fuse,
    /// A bindfs of its own for every second container: each has locks of its own, as on two hosts.
    FuseApart,
    /// The same, with flock(2) forwarded to the directory below; byte locks are forwarded so that nobody is refused.
    FuseForwarded,
    /// A sshfs of its own for every second container, each with a cache and locks of its own.
    SshfsApart,
}

/// A shared directory, mounted until this is dropped.
pub struct Mounted {
    /// Where it is prepared; below it, for a filesystem with several views.
    pub directory: PathBuf,
    /// As containers see it by turns.
    views: Vec<PathBuf>,
    mounts: Vec<PathBuf>,
}

impl Shared {
    /// Mounts an empty one below the directory of a run. Where that is refused, nothing can be tried here.
    pub fn mount(self, run: &Path) -> Result<Mounted> {
        self.try_mount(run).map_err(|error| cannot_run(format!("{error:#}")))
    }

    fn try_mount(self, run: &Path) -> Result<Mounted> {
        let directory = run.join("shared");
        make_directory(&directory)?;
        let mut mounted = Mounted { directory, views: Vec::new(), mounts: Vec::new() };
        match self {
            Self::Tmpfs => {}
            Self::Ext4 => mounted.image(run, "ext4")?,
            Self::Xfs => mounted.image(run, "xfs")?,
            Self::Btrfs => mounted.image(run, "btrfs")?,
            Self::Overlay => mounted.overlay(&run.join("layers"))?,
            Self::OverlayExt4 => {
                let layers = run.join("layers");
                make_directory(&layers)?;
                sandbox::mount_image("ext4", &run.join("layers.ext4"), &layers)?;
                mounted.mounts.push(layers.clone());
                mounted.overlay(&layers)?;
            }
            Self::Fuse => mounted.fuse(run, 1, bindfs(&[]))?,
            Self::FuseApart => mounted.fuse(run, 2, bindfs(&[]))?,
            // Without several threads it would not serve the unlock that a waiting lock waits for.
            Self::FuseForwarded => {
                mounted.fuse(run, 2, bindfs(&["--multithreaded", "--enable-lock-forwarding"]))?;
            }
            Self::SshfsApart => {
                let server = sftp_server(run)?;
                mounted.fuse(run, 2, |below, view| {
                    let mut command = Command::new("sshfs");
                    command.arg("-o").arg(format!("ssh_command={},allow_other", server.display()));
                    command.arg(format!("localhost:{}", below.display())).arg(view);
                    command
                })?;
            }
        }
        Ok(mounted)
    }
}

impl Mounted {
    /// As container `number` sees it.
    pub fn view(&self, number: usize) -> &Path {
        match self.views.len() {
            0 => &self.directory,
            views => &self.views[number % views],
        }
    }

    fn image(&mut self, run: &Path, fstype: &str) -> Result<()> {
        sandbox::mount_image(fstype, &run.join(format!("shared.{fstype}")), &self.directory)?;
        self.mounts.push(self.directory.clone());
        Ok(())
    }

    fn overlay(&mut self, layers: &Path) -> Result<()> {
        let [lower, upper, work] = ["lower", "upper", "work"].map(|name| layers.join(name));
        Step::Overlay { lower, upper, work, path: self.directory.clone() }.perform()?;
        self.mounts.push(self.directory.clone());
        Ok(())
    }

    /// Unmounts it, once nobody sees it any more.
    pub fn unmount(&mut self) {
        for mount in self.mounts.drain(..).rev() {
            // Also while a client that is being killed has a file open.
            let _ = rustix::mount::unmount(mount, UnmountFlags::DETACH);
        }
    }

    /// So many views through FUSE. The daemons end with their mounts.
    fn fuse(&mut self, run: &Path, views: usize, command: impl Fn(&Path, &Path) -> Command) -> Result<()> {
        for number in 0..views {
            let view = run.join(format!("view-{number}"));
            make_directory(&view)?;
            sandbox::run(&mut command(&self.directory, &view))?;
            self.mounts.push(view.clone());
            self.views.push(view);
        }
        Ok(())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        self.unmount();
    }
}

fn bindfs(options: &'static [&'static str]) -> impl Fn(&Path, &Path) -> Command {
    move |below, view| {
        let mut command = Command::new("bindfs");
        command.args(options).arg(below).arg(view);
        command
    }
}

/// A command that stands for ssh: whatever it is asked, it is the server's end itself.
fn sftp_server(run: &Path) -> Result<PathBuf> {
    const SERVER: &str = "/usr/lib/openssh/sftp-server";
    if !Path::new(SERVER).is_file() {
        bail!("{SERVER} is missing; scripts/setup --filesystems installs it");
    }
    let path = run.join("ssh");
    sandbox::write(&path, &format!("#!/bin/sh\nexec {SERVER}\n"))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}
