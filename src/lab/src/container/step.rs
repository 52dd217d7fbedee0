//! One step of building a container: a mount, a file, a directory.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::mount::MountFlags;
use serde::{Deserialize, Serialize};

use crate::sandbox::{self, make_directory};

/// One step of building a container. Where it is carried out decides whose mount namespace it changes.
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
    Bind { source: PathBuf, path: PathBuf, read_only: bool },
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
            Self::Ext4 { image, path } => sandbox::mount_image("ext4", image, path),
            Self::Bind { source, path, read_only } => {
                rustix::mount::mount_bind(source, path)
                    .with_context(|| format!("binding to {}", path.display()))?;
                if *read_only {
                    rustix::mount::mount_remount(path, MountFlags::BIND | MountFlags::RDONLY, c"")
                        .with_context(|| format!("making {} read-only", path.display()))?;
                }
                Ok(())
            }
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

    /// The path that it makes or changes.
    pub fn path_mut(&mut self) -> &mut PathBuf {
        match self {
            Self::Tmpfs { path }
            | Self::Overlay { path, .. }
            | Self::Ext4 { path, .. }
            | Self::Bind { path, .. }
            | Self::Directory { path, .. }
            | Self::File { path, .. }
            | Self::Symlink { path, .. }
            | Self::Own { path, .. } => path,
        }
    }
}

fn give(path: &Path, owner: u32) -> Result<()> {
    chown(path, Some(owner), Some(owner)).with_context(|| format!("chown {}", path.display()))
}
