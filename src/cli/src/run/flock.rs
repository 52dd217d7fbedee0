//! Waits for a flock(2), as flock(1) does: in the kernel's own queue, until a time. It says so after a second.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::stat::{major, minor};

use super::Failure;

/// How long waiting is nothing to talk about.
const SILENT: Duration = Duration::from_secs(1);

/// One wait, from its start until its end or the deadline.
pub struct Waiting {
    what: String,
    since: Instant,
    deadline: Instant,
    said: bool,
}

impl Waiting {
    /// Starts to wait for something that is called so.
    pub fn new(what: String, deadline: Instant) -> Waiting {
        Waiting { what, since: Instant::now(), deadline, said: false }
    }

    /// Tells, where it is time to, and answers how long to wait until this is asked again. `holder` says who is
    /// in the way, where that can be seen.
    ///
    /// # Errors
    /// [`Failure::Waited`]: the deadline is over.
    pub fn step(&mut self, holder: impl Fn() -> Option<String>) -> Result<Duration, Failure> {
        let now = Instant::now();
        let left = self.deadline.saturating_duration_since(now);
        let waited = now.duration_since(self.since);
        if left.is_zero() {
            let held = held_by(holder());
            let why = format!("{}: not free after {:.1} s{held}", self.what, waited.as_secs_f64());
            return Err(Failure::Waited(format!("{why}; --wait SECONDS waits longer")));
        }
        if self.said {
            return Ok(left);
        }
        if waited >= SILENT {
            self.said = true;
            let held = held_by(holder());
            eprintln!("lockspan: waiting for {}{held}, up to {:.0} s more", self.what, left.as_secs_f64());
            return Ok(left);
        }
        Ok(left.min(SILENT - waited))
    }
}

fn held_by(holder: Option<String>) -> String {
    holder.map_or(String::new(), |holder| format!(", held by {holder}"))
}

/// Takes an exclusive flock of a file; it lasts until the file is closed. Tries once where the deadline is over.
/// `what` is said to be waited for.
///
/// # Errors
/// [`Failure::Waited`], or [`Failure::Refused`] where flock does not work.
pub fn take(file: File, path: &Path, what: &str, deadline: Instant) -> Result<File, Failure> {
    if try_take(&file, path)? {
        return Ok(file);
    }
    let copy = file.try_clone().map_err(|error| Failure::Refused(format!("{}: {error}", path.display())))?;
    let (sender, receiver) = mpsc::channel();
    // flock(2) takes no time-out. A thread that is still in it when this process gives up ends with the process.
    let thread = thread::spawn(move || {
        // Nobody listens any more if this fails.
        let _ = sender.send(fs2::FileExt::lock_exclusive(&copy));
    });
    let mut waiting = Waiting::new(what.to_owned(), deadline);
    loop {
        match receiver.recv_timeout(waiting.step(|| holder(&file))?) {
            Ok(locked) => {
                locked.map_err(|error| Failure::Refused(format!("{}: flock: {error}", path.display())))?;
                // Signals are blocked thread by thread, later on, and there must be no other one then.
                thread.join().map_err(|_| Failure::Refused("a thread failed".into()))?;
                return Ok(file);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(error @ mpsc::RecvTimeoutError::Disconnected) => {
                return Err(Failure::Refused(format!("{}: flock: {error}", path.display())));
            }
        }
    }
}

/// Tries to take an exclusive flock of a file, without waiting; whether it is taken now.
///
/// # Errors
/// [`Failure::Refused`] where flock does not work.
pub fn try_take(file: &File, path: &Path) -> Result<bool, Failure> {
    match fs2::FileExt::try_lock_exclusive(file) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(error) => {
            let why = "flock does not work there; the config directory must lie on a filesystem that has it";
            Err(Failure::Refused(format!("{}: {error}: {why}", path.display())))
        }
    }
}

/// Which process has a file's flock, where this kernel shows it: not in another machine, nor in a pid namespace
/// that is not below this one's.
pub fn holder(file: &File) -> Option<String> {
    let file = file.metadata().ok()?;
    // Those who wait come after the one that has it.
    let lock = procfs::locks().ok()?.into_iter().find(|lock| {
        lock.inode == file.ino()
            && (u64::from(lock.devmaj), u64::from(lock.devmin)) == (major(file.dev()), minor(file.dev()))
    })?;
    let pid = lock.pid.filter(|&pid| pid > 0)?;
    let name = procfs::process::Process::new(pid).and_then(|process| process.stat());
    Some(match name {
        Ok(stat) => format!("pid {pid} ({})", stat.comm.escape_debug()),
        Err(_) => format!("pid {pid}"),
    })
}
