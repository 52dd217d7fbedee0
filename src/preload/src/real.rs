//! The functions that the hooks stand in front of.
//!
//! Each is found on its first call: a process pays only for what it calls. An address is unknown, found, or
//! absent, which is the address of a function that fails; racing first calls find the same address, so that
//! nobody has to wait for another.

use core::ffi::CStr;
use core::num::NonZeroUsize;

use once_cell::race::OnceNonZeroUsize;

use crate::shell::set_errno;

/// Where one real function is.
pub struct Real(OnceNonZeroUsize);

impl Real {
    /// Not looked up yet.
    pub const fn new() -> Real {
        Real(OnceNonZeroUsize::new())
    }

    /// The address, if it was looked up before.
    #[inline(always)]
    pub fn known(&self) -> Option<NonZeroUsize> {
        self.0.get()
    }

    /// The address of the next function of this name behind ours, or of `absent` if there is none.
    #[inline(always)]
    pub fn address(&self, name: &CStr, absent: extern "C" fn()) -> usize {
        match self.known() {
            Some(address) => address.get(),
            None => self.find(name, absent),
        }
    }

    #[cold]
    #[inline(never)]
    fn find(&self, name: &CStr, absent: extern "C" fn()) -> usize {
        let find = || {
            // SAFETY: `name` is a C string. dlsym tells the caller's library by the return address, so that
            // it must be called from here, and not as a tail call: its result is still looked at.
            let address = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
            NonZeroUsize::new(address as usize)
                .or(NonZeroUsize::new(absent as usize))
                .unwrap_or(NonZeroUsize::MIN)
        };
        self.0.get_or_init(find).get()
    }
}

/// What a function of this result does where no library has it.
pub trait Absent {
    /// Fails with ENOSYS, whatever the arguments.
    const ABSENT: extern "C" fn();
}

macro_rules! absent {
    ($($result:ty = $failure:expr),*) => {
        $(impl Absent for $result {
            const ABSENT: extern "C" fn() = {
                extern "C" fn absent() -> $result {
                    set_errno(libc::ENOSYS);
                    $failure
                }
                // SAFETY: only ever called as a function of this result, through `Real::address`.
                unsafe { core::mem::transmute::<extern "C" fn() -> $result, extern "C" fn()>(absent) }
            };
        })*
    };
}

absent!(
    core::ffi::c_int = -1,
    core::ffi::c_long = -1,
    libc::ssize_t = -1,
    *mut core::ffi::c_char = core::ptr::null_mut(),
    *mut libc::DIR = core::ptr::null_mut(),
    *mut libc::FILE = core::ptr::null_mut()
);
