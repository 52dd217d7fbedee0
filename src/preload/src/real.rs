//! The functions that the hooks stand in front of.
//!
//! Each is found on its first call: a process pays only for what it calls. An address is unknown, found, or
//! absent, which is the address of a function that fails; racing first calls find the same address, so that
//! nobody has to wait for another.

use core::ffi::CStr;
use core::num::NonZeroUsize;
use core::sync::atomic::{AtomicUsize, Ordering};

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

/// The address of a real function as long as every call may go straight there; unknown while calls are looked at.
pub struct Shortcut(AtomicUsize);

impl Shortcut {
    /// Unknown.
    pub const fn new() -> Shortcut {
        Shortcut(AtomicUsize::new(0))
    }

    /// The address, if calls may go there.
    #[inline(always)]
    pub fn get(&self) -> Option<NonZeroUsize> {
        NonZeroUsize::new(self.0.load(Ordering::Relaxed))
    }

    /// From now on every call is looked at.
    pub fn forget(&self) {
        self.0.store(0, Ordering::SeqCst);
    }

    /// Calls may go there, unless `looked_at` says that they are looked at since a moment ago.
    pub fn set(&self, address: usize, looked_at: impl Fn() -> bool) {
        if !looked_at() {
            self.0.store(address, Ordering::SeqCst);
            if looked_at() {
                self.forget();
            }
        }
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
