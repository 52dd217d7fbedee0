//! The lock around whole runs, `session.lock` (`lockspan run --serial`, or a shell's flock on the same file). The
//! kernel knows who waits for a flock, so that here the waiters are known, as far as they can be seen from here.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock, major, minor};

use super::events::Waiting;
use super::lock::{Holder, Lock, State};

const NAME: &str = "session.lock";

/// The session lock; `None` where it was never used.
///
/// # Errors
/// It cannot be looked at.
pub fn look(directory: &Path) -> Result<Option<Lock>> {
    let path = directory.join(NAME);
    let failed = || path.display().to_string();
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.with_context(failed)?,
    };
    let found = file.metadata().with_context(failed)?;
    let (major, minor) = (major(found.dev()), minor(found.dev()));
    let id = format!("{major:02x}:{minor:02x}:{}", found.ino());
    let locks = fs::read_to_string("/proc/locks").ok().map(|locks| of_file(&locks, &id));
    let (holders, waiting) = locks.unwrap_or_default();
    // Holders in other pid namespaces are not listed, nor those on filesystems with numbers of their own. The
    // question itself is a lock, but one that ends at once.
    let held = !holders.is_empty() || flock(&file, FlockOperation::NonBlockingLockShared).is_err();
    let state = if held { State::Held } else { State::Free };
    let holder = holders.first().map(|&pid| Holder { pid, pid_namespace: None, host: None, since_ms: None });
    let waiting = waiting.into_iter().map(|pid| Waiting { pid, host: None, since_ms: None }).collect();
    Ok(Some(Lock {
        name: "session",
        path: path.display().to_string(),
        state,
        heartbeat_age_ms: None,
        waiting: (holder.is_some() || state == State::Free).then_some(waiting),
        holder,
        title: "",
    }))
}

/// Who holds a flock on the file with this `id`, and who waits for one, by
/// [/proc/locks](https://man7.org/linux/man-pages/man5/proc_locks.5.html).
fn of_file(locks: &str, id: &str) -> (Vec<u32>, Vec<u32>) {
    let (mut holders, mut waiting) = (Vec::new(), Vec::new());
    for line in locks.lines() {
        let mut words = line.split_ascii_whitespace().skip(1).peekable();
        let waits = words.next_if_eq(&"->").is_some();
        let fields: Vec<&str> = words.collect();
        if let ["FLOCK", _, _, pid, file, ..] = fields[..]
            && file == id
            && let Ok(pid) = pid.parse()
        {
            if waits { waiting.push(pid) } else { holders.push(pid) }
        }
    }
    (holders, waiting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_and_waiters_of_a_file() {
        let locks = "1: POSIX  ADVISORY  WRITE 5 fe:00:9 0 EOF\n2: FLOCK  ADVISORY  WRITE 20 fe:00:9 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 21 fe:00:9 0 EOF\n3: FLOCK  ADVISORY  READ 30 fe:00:10 0 EOF\n";
        assert_eq!(of_file(locks, "fe:00:9"), (vec![20], vec![21]));
        assert_eq!(of_file(locks, "fe:01:9"), (vec![], vec![]));
        assert_eq!(of_file("", "fe:00:9"), (vec![], vec![]));
    }
}
