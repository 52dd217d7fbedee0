//! What of a login containers can share here: the kernel is asked how the config directory is mounted, no setting.
//! It must not say that something is shared, which cannot be known from one container alone.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result};
use lockspan_core::names::LOCKS;
use lockspan_lock::linux::Linux;
use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
use serde::Serialize;

/// How the config directory is mounted.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Only the credentials file is a mount.
    File,
    /// The config directory itself is one, so that what is beside it is not in it.
    Directory,
    /// It lies below one that the home does not lie on, with what is beside it.
    Below,
    /// It lies on one with the home.
    Home,
    /// It lies on the root filesystem.
    Unmounted,
}

/// Where the config directory lies.
#[derive(Serialize, Debug)]
pub struct Layout {
    pub kind: Kind,
    #[serde(flatten)]
    pub mount: Mount,
}

/// Asks for the layout of a config directory, given by its real path.
///
/// # Errors
/// Those of [`Mount::of`].
pub fn layout(directory: &Path) -> Result<Layout> {
    let mount = Mount::of(directory).with_context(|| directory.display().to_string())?;
    let mut kernel = Linux::new();
    let served = kernel.serve_path(directory.as_os_str().as_bytes(), &LOCKS[0]);
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    let with_home =
        home.is_some_and(|home| Mount::of(Path::new(&home)).is_ok_and(|home| home.id == mount.id));
    let kind = if served.is_some() && kernel.credentials_are_mounted() {
        Kind::File
    } else if mount.is_root && mount.point != "/" {
        Kind::Directory
    } else if mount.point == "/" {
        Kind::Unmounted
    } else if with_home {
        Kind::Home
    } else {
        Kind::Below
    };
    Ok(Layout { kind, mount })
}

/// The mount that a path lies on.
#[derive(Serialize, Debug)]
pub struct Mount {
    /// Which one.
    #[serde(skip)]
    id: u64,
    /// Where it is, as mountinfo writes it.
    #[serde(rename = "mount_point")]
    pub point: String,
    /// What of the filesystem it shows, by the filesystem's own path.
    #[serde(rename = "mount_root")]
    pub root: String,
    pub filesystem: String,
    /// Whether the path asked for is where it is mounted.
    #[serde(skip)]
    is_root: bool,
}

impl Mount {
    /// The mount of a path, links followed.
    ///
    /// # Errors
    /// The kernel's; or it is older than 5.8 and does not tell.
    pub fn of(path: &Path) -> io::Result<Mount> {
        let found = statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS | StatxFlags::MNT_ID)?;
        if found.stx_mask & StatxFlags::MNT_ID.bits() == 0 {
            return Err(io::Error::other("this kernel does not tell mounts apart"));
        }
        let mountinfo = fs::read("/proc/self/mountinfo")?;
        let is_root = found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
        String::from_utf8_lossy(&mountinfo)
            .lines()
            .find_map(|line| Mount::parse(line, found.stx_mnt_id, is_root))
            .ok_or_else(|| io::Error::other("its mount is not in /proc/self/mountinfo"))
    }

    /// A line of [mountinfo](https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html), if it is this mount's.
    pub fn parse(line: &str, id: u64, is_root: bool) -> Option<Mount> {
        let (mount, filesystem) = line.split_once(" - ")?;
        let fields: Vec<_> = mount.split(' ').collect();
        let &[own, _, _, root, point, ..] = fields.as_slice() else { return None };
        (own.parse() == Ok(id)).then(|| Mount {
            id,
            point: point.into(),
            root: root.into(),
            filesystem: filesystem.split(' ').next().unwrap_or_default().into(),
            is_root,
        })
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    const LINE: &str = "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue";

    /// A mount that is nowhere.
    pub fn mount() -> Mount {
        Mount::parse(LINE, 36, true).expect("mount 36")
    }

    #[test]
    fn a_line_of_mountinfo() {
        let mount = mount();
        assert_eq!((mount.root.as_str(), mount.point.as_str()), ("/mnt1", "/mnt\\0402"));
        assert_eq!(mount.filesystem, "ext3");
        assert!(Mount::parse(LINE, 35, true).is_none());
        assert!(Mount::parse("", 36, true).is_none());
    }
}
