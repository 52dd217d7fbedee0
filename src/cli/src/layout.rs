//! What of a login containers can share here: the kernel is asked how the config directory is mounted, no setting.
//! It must not say that something is shared, which cannot be known from one container alone.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result};
use lockspan_core::names::LOCKS;
use lockspan_lock::linux::Linux;
use rustix::fs::{AtFlags, CWD, Statx, StatxAttributes, StatxFlags, statx};
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
    /// As mountinfo writes it.
    pub mount_point: String,
    pub filesystem: String,
}

/// Asks for the layout of a config directory, given by its real path.
///
/// # Errors
/// The kernel's; or it is older than 5.8 and does not tell.
pub fn layout(directory: &Path) -> Result<Layout> {
    let own = mount(directory)?;
    let mountinfo = fs::read("/proc/self/mountinfo").context("/proc/self/mountinfo")?;
    let mountinfo = String::from_utf8_lossy(&mountinfo);
    let (mount_point, filesystem) = mountinfo
        .lines()
        .find_map(|line| of_mount(line, own.stx_mnt_id))
        .with_context(|| format!("{}: its mount is not in /proc/self/mountinfo", directory.display()))?;
    let mut kernel = Linux::new();
    let served = kernel.serve_path(directory.as_os_str().as_bytes(), &LOCKS[0]);
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    let with_home =
        home.is_some_and(|home| mount(Path::new(&home)).is_ok_and(|home| home.stx_mnt_id == own.stx_mnt_id));
    let kind = if served.is_some() && kernel.credentials_are_mounted() {
        Kind::File
    } else if mount_point == "/" {
        Kind::Unmounted
    } else if own.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
        Kind::Directory
    } else if with_home {
        Kind::Home
    } else {
        Kind::Below
    };
    Ok(Layout { kind, mount_point: mount_point.to_owned(), filesystem: filesystem.to_owned() })
}

fn mount(path: &Path) -> Result<Statx> {
    let failed = || path.display().to_string();
    let found = statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS | StatxFlags::MNT_ID)
        .map_err(io::Error::from)
        .with_context(failed)?;
    if found.stx_mask & StatxFlags::MNT_ID.bits() == 0 {
        anyhow::bail!("this kernel does not tell mounts apart");
    }
    Ok(found)
}

/// Mount point and filesystem in a line of
/// [mountinfo](https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html), if it is this mount's.
fn of_mount(line: &str, id: u64) -> Option<(&str, &str)> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut fields = mount.split(' ');
    (fields.next()?.parse() == Ok(id)).then_some(())?;
    Some((fields.nth(3)?, filesystem.split(' ').next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_mountinfo() {
        let line = "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        assert_eq!(of_mount(line, 36), Some(("/mnt\\0402", "ext3")));
        assert_eq!(of_mount(line, 35), None);
        assert_eq!(of_mount("", 36), None);
    }
}
