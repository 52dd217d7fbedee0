//! Where the config directory is mounted from, and what that filesystem can do. The kernel is asked, not a setting.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use rustix::fs::Access;
use rustix::io::Errno;

use super::{Outcome, Problem, Subject, fault, skipped};
use crate::layout::{Kind, Layout, Mount, layout};

/// Filesystems of one kernel, on which mkdir excludes and flock and birth times tell the truth.
const TRUSTED: [&str; 9] = ["bcachefs", "btrfs", "ext4", "f2fs", "ramfs", "tmpfs", "ubifs", "xfs", "zfs"];

pub fn filesystem(subject: &Subject<'_>) -> Outcome {
    let Layout { kind, mount } =
        layout(subject.directory()?).map_err(|error| Problem::Skipped(format!("{error:#}")))?;
    if kind == Kind::File {
        return filesystem_of_file(Mount::of(&subject.credentials()?)?.filesystem);
    }
    let filesystem = mount.filesystem;
    match filesystem.as_str() {
        trusted if TRUSTED.contains(&trusted) => Ok(filesystem),
        "overlay" => fault(
            "overlay: a container's own layer, where a dead holder's lock is waited for",
            "mount a directory of the host or a volume there: -v /srv/claude:/home/me/.claude",
        ),
        _ => fault(
            format!("{filesystem}: may not be coherent between hosts"),
            "lockspan doctor --probe    # in both containers at the same time",
        ),
    }
}

/// No other container can be met by a file: a probe finds out about this host alone.
fn filesystem_of_file(filesystem: String) -> Outcome {
    const ADVICE: &str = "mount the directory instead of the file";
    match filesystem.as_str() {
        trusted if TRUSTED.contains(&trusted) => Ok(filesystem),
        "overlay" => {
            fault("overlay: locks on a mounted file do not last, the library changes nothing", ADVICE)
        }
        _ => fault(format!("{filesystem}: locks on a mounted file may not reach other hosts"), ADVICE),
    }
}

pub fn read_only(subject: &Subject<'_>) -> Outcome {
    let directory = subject.directory()?;
    let credentials = subject.credentials()?;
    for path in [directory, &credentials] {
        if rustix::fs::access(path, Access::WRITE_OK) == Err(Errno::ROFS) {
            return fault(
                format!("{} is mounted read-only; a refreshed login could not be stored", path.display()),
                "mount it without :ro",
            );
        }
    }
    Ok("writable".into())
}

pub fn credentials_file(subject: &Subject<'_>) -> Outcome {
    let path = subject.credentials()?;
    let kind = match fs::symlink_metadata(&path) {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return skipped("no credentials file"),
        Err(error) => return Err(error.into()),
    };
    if kind.is_dir() {
        return fault(
            format!("{} is a directory, which `docker -v` makes where the host has no file", path.display()),
            format!("stop the containers, on the host: rmdir {}, then log in there", path.display()),
        );
    }
    if kind.is_fifo() || kind.is_socket() || kind.is_block_device() || kind.is_char_device() {
        return fault(
            format!("{} is neither a file nor a link to one", path.display()),
            format!("rm {}, then log in again", path.display()),
        );
    }
    Ok(String::new())
}

pub fn dangling(subject: &Subject<'_>) -> Outcome {
    const LEFT_BEHIND: &str = "the host's file was replaced by another, which this mount does not follow";
    const ADVICE: &str =
        "restart the container; mount the directory instead of the file to have no such trouble";
    let path = subject.credentials()?;
    match fs::metadata(&path) {
        Ok(found) if found.nlink() == 0 => fault(format!("{}: {LEFT_BEHIND}", path.display()), ADVICE),
        Ok(_) => Ok(String::new()),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::STALE) => {
            fault(format!("{}: {LEFT_BEHIND} (stale handle)", path.display()), ADVICE)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => skipped("no credentials file"),
        Err(error) => Err(Problem::from(error)),
    }
}
