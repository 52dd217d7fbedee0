//! The functions that the hooks stand in front of.
//!
//! Each is found on its first call: a process pays only for what it calls. An address is unknown, absent or
//! found; racing first calls find the same address, so that nobody has to wait for another.

use core::ffi::CStr;
use core::num::NonZeroUsize;

use once_cell::race::OnceNonZeroUsize;

/// Stands for "no library has this function", which is never an address.
const ABSENT: NonZeroUsize = NonZeroUsize::MIN;

/// Where one real function is.
pub struct Real(OnceNonZeroUsize);

impl Real {
    /// Not looked up yet.
    pub const fn new() -> Real {
        Real(OnceNonZeroUsize::new())
    }

    /// The address of the next function of this name behind ours, or `None` if there is none.
    #[inline(always)]
    pub fn address(&self, name: &CStr) -> Option<NonZeroUsize> {
        let address = match self.0.get() {
            Some(address) => address,
            None => self.find(name),
        };
        (address != ABSENT).then_some(address)
    }

    #[cold]
    #[inline(never)]
    fn find(&self, name: &CStr) -> NonZeroUsize {
        self.0.get_or_init(|| {
            // SAFETY: `name` is a C string. dlsym tells the caller's library by the return address, so that
            // it must be called from here, and not as a tail call: its result is still looked at.
            let address = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
            NonZeroUsize::new(address as usize).unwrap_or(ABSENT)
        })
    }
}
