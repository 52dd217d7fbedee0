//! The functions that the hooks stand in front of.
//!
//! Each is found on its first call: a process pays only for what it calls. An address is unknown, found, or
//! absent, which is the address of a function that fails; racing first calls find the same address, so that
//! nobody has to wait for another.

use core::ffi::{c_char, c_int, c_long};
use core::num::NonZeroUsize;
use core::ptr;

use once_cell::race::OnceNonZeroUsize;

use crate::imports;
use crate::shell::set_errno;

/// Where one real function is.
pub struct Real(OnceNonZeroUsize);

impl Real {
    /// Not looked up yet.
    pub const fn new() -> Real {
        Real(OnceNonZeroUsize::new())
    }

    /// The address of the next function of this name behind ours, or of one that fails if there is none: with NULL
    /// if its answer `is_pointer`.
    ///
    /// # Safety
    /// The name is a C string.
    pub unsafe fn address(&self, name: impl FnOnce() -> *const c_char, is_pointer: bool) -> usize {
        let find = || {
            // SAFETY: the caller's promise. dlsym tells the caller's library by the return address, so that
            // it must be called from here, and not as a tail call: its result is still looked at.
            let address = unsafe { imports::dlsym(libc::RTLD_NEXT, name()) };
            let absent = if is_pointer { no_pointer as *const () } else { failure as *const () };
            let absent = NonZeroUsize::new(absent as usize).unwrap_or(NonZeroUsize::MIN);
            NonZeroUsize::new(address as usize).unwrap_or(absent)
        };
        self.0.get_or_init(find).get()
    }
}

/// What stands for a function that no library has.
extern "C" fn failure() -> c_long {
    set_errno(libc::ENOSYS);
    -1
}

/// The same for one that answers with a pointer.
extern "C" fn no_pointer() -> *mut c_char {
    set_errno(libc::ENOSYS);
    ptr::null_mut()
}

/// A type of an answer.
pub trait Answer {
    /// Whether it fails with NULL, and not with -1.
    const IS_POINTER: bool = false;
}

impl Answer for c_int {}
impl Answer for c_long {}
impl Answer for libc::ssize_t {}

impl<T> Answer for *mut T {
    const IS_POINTER: bool = true;
}
