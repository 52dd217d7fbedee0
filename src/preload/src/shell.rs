//! What hooks and system calls by number have in common: the look at the path, the answer, errno.
//!
//! Nothing here may know what a path means; that is for [`crate::operations`].

use core::ffi::{c_char, c_int, c_long};

use lockspan_core::Time;
use lockspan_lock::sys;

use crate::imports;
use crate::memcheck;

/// The addresses that may hold a path. Pointers outside are left to the kernel, which answers EFAULT. As many as a power
/// of two are told from others by a shift: the last two pages of them are none that a process may have.
#[cfg(target_arch = "x86_64")]
pub const PLAUSIBLE: core::ops::Range<usize> = 4096..4096 + (1 << 47);
/// The top byte of an address may carry a tag.
#[cfg(not(target_arch = "x86_64"))]
pub const PLAUSIBLE: core::ops::Range<usize> = 4096..usize::MAX - 4096;

/// How the path of a lock ends, unless a slash follows.
pub const LOCK: u32 = u32::from_le_bytes(*b"lock");
/// How the path of the credentials file ends.
pub const CREDENTIALS: u32 = u32::from_le_bytes(*b"json");
/// The last byte of either if a slash follows.
pub const SLASH: u32 = b'/' as u32;

/// The last four bytes of a path, or a number below 4 if it has none. No system call, no allocation.
///
/// A path at an address that is neither plainly wrong nor readable faults here instead of in the kernel.
///
/// # Safety
/// The caller hands a path to a function that takes a C string.
pub use crate::hook::machine::tail;

/// Pages may be larger, but not smaller.
pub const SMALLEST_PAGE: usize = 4096;

/// Whether a byte of the host's memory can be read. One system call.
#[inline(never)]
pub fn readable(address: usize) -> bool {
    PLAUSIBLE.contains(&address) && sys::readable(address, memcheck::is_running())
}

/// As [`tail`], of a path that need not be readable: 0 if it is not. One system call for each page that it touches.
#[inline(never)]
pub unsafe extern "C" fn careful_tail(path: *const c_char) -> u32 {
    let mut end = path;
    while readable(end.addr()) {
        loop {
            // SAFETY: in a page that can be read.
            if unsafe { end.read() } == 0 {
                // SAFETY: a C string that can be read.
                return unsafe { tail(path) };
            }
            end = end.wrapping_add(1);
            if end.addr().is_multiple_of(SMALLEST_PAGE) {
                break;
            }
        }
    }
    0
}

/// Whether a path can be that of a lock.
pub unsafe fn may_be_lock(path: *const c_char) -> bool {
    // SAFETY: the caller's path.
    let tail = unsafe { tail(path) };
    tail == LOCK || tail >> 24 == SLASH
}

/// Whether a path can be that of a lock or of a credentials file.
pub unsafe fn may_be_either(path: *const c_char) -> bool {
    // SAFETY: the caller's path.
    let tail = unsafe { tail(path) };
    tail == LOCK || tail == CREDENTIALS || tail >> 24 == SLASH
}

/// Turns a result of the kernel's kind, zero or an errno, into the C one. Nothing may follow it in a hook:
/// errno is set by the last act.
pub fn answer(result: Result<(), sys::Errno>) -> c_long {
    match result {
        Ok(()) => 0,
        Err(errno) => {
            set_errno(errno.0);
            -1
        }
    }
}

/// Sets errno. Nothing may follow it in a hook.
pub fn set_errno(errno: c_int) {
    // SAFETY: the C library's own location of this thread's errno.
    unsafe { *imports::__errno_location() = errno };
}

/// A buffer in which a look at a file is returned.
pub trait Found {
    /// Replaces the modification time.
    fn set_mtime(&mut self, time: Time);
}

impl Found for libc::stat {
    fn set_mtime(&mut self, time: Time) {
        self.st_mtime = time.sec;
        self.st_mtime_nsec = time.nsec.into();
    }
}

impl Found for libc::stat64 {
    fn set_mtime(&mut self, time: Time) {
        self.st_mtime = time.sec;
        self.st_mtime_nsec = time.nsec.into();
    }
}

impl Found for libc::statx {
    fn set_mtime(&mut self, time: Time) {
        self.stx_mtime.tv_sec = time.sec;
        self.stx_mtime.tv_nsec = time.nsec;
    }
}
