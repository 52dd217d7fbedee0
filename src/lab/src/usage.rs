//! What a child process used up, which the standard library does not tell: `wait4`.

#![allow(unsafe_code, reason = "wait4 alone tells the peak of one child; both blocks have their note")]

use std::io;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use std::os::unix::process::ExitStatusExt;

/// What a process used, with its own children that it has waited for.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// How it ended.
    pub status: ExitStatus,
    /// Time on a processor, in the program and in the kernel.
    pub processor: Duration,
    /// The largest resident set of any one process, in KiB.
    pub peak: u64,
}

/// Waits for a child's end.
pub fn wait(child: Child) -> io::Result<Usage> {
    let pid = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: both pointers lead to writable memory of their types; `child` is ours and not waited for yet.
        if unsafe { libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()) } == pid {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // SAFETY: zeroed, which is a valid rusage, and then written by the kernel.
    let usage = unsafe { usage.assume_init() };
    let time = |value: libc::timeval| {
        Duration::from_secs(value.tv_sec.unsigned_abs()) + Duration::from_micros(value.tv_usec.unsigned_abs())
    };
    Ok(Usage {
        status: ExitStatus::from_raw(status),
        processor: time(usage.ru_utime) + time(usage.ru_stime),
        peak: usage.ru_maxrss.unsigned_abs(),
    })
}
