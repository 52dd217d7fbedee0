//! What hooks and system calls by number have in common: the look at the path, the answer, errno.
//!
//! Nothing here may know what a path means; that is for [`crate::operations`].

use core::ffi::{c_char, c_int, c_long};

use lockspan_core::Time;

/// The addresses that may hold a path. Pointers outside are left to the kernel, which answers EFAULT.
#[cfg(target_arch = "x86_64")]
const PLAUSIBLE: core::ops::Range<usize> = 4096..0x7fff_ffff_f000;
/// The top byte of an address may carry a tag.
#[cfg(not(target_arch = "x86_64"))]
const PLAUSIBLE: core::ops::Range<usize> = 4096..usize::MAX - 4096;

/// How the path of a lock ends, unless a slash follows.
pub const LOCK: u32 = u32::from_le_bytes(*b"lock");
/// How the path of the credentials file ends.
pub const CREDENTIALS: u32 = u32::from_le_bytes(*b"json");
/// The last byte of either if a slash follows.
pub const SLASH: u32 = b'/' as u32;

/// The last four bytes of a path, or a number below 4 if it has none. No system call, no allocation.
///
/// A path at an address that is neither plainly wrong nor readable faults here instead of in the kernel.
#[inline(never)]
pub unsafe extern "C" fn tail(path: *const c_char) -> u32 {
    // SAFETY: the caller hands a path to a function that takes a C string.
    if PLAUSIBLE.contains(&path.addr()) { unsafe { tail_of_string(path) } } else { 0 }
}

/// The same for a C string. Apart from the check, which then needs no stack.
#[inline(never)]
unsafe extern "C" fn tail_of_string(path: *const c_char) -> u32 {
    // SAFETY: a C string.
    let length = unsafe { libc::strlen(path) };
    if length < 4 {
        // In the register already.
        return length as u32;
    }
    // SAFETY: the last four bytes of a string of at least four.
    u32::from_le_bytes(unsafe { path.add(length - 4).cast::<[u8; 4]>().read() })
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
pub fn answer(result: Result<(), lockspan_lock::sys::Errno>) -> c_long {
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
    unsafe { *libc::__errno_location() = errno };
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
