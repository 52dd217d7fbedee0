//! The machine code by which a raw site is reached: what replaces its instruction, and the stub behind that.
//!
//! A stub does what the replaced instructions did up to the system call, and passes on to the library's entry
//! for raw calls, which goes on behind the site. Each machine has its own, written so that both can be tested
//! on either.
//!
//! This only makes bytes. Who may write them where is not known here.

pub mod aarch64;
pub mod x86_64;

#[cfg(target_arch = "aarch64")]
pub use aarch64 as native;
#[cfg(not(target_arch = "aarch64"))]
pub use x86_64 as native;

use crate::text::copy;

/// Appends to a buffer; `None` once it is full.
struct Code<'a> {
    rest: &'a mut [u8],
}

impl Code<'_> {
    #[inline(never)]
    fn append(&mut self, bytes: &[u8]) -> Option<()> {
        let (start, rest) = core::mem::take(&mut self.rest).split_at_mut_checked(bytes.len())?;
        copy(start, bytes)?;
        self.rest = rest;
        Some(())
    }
}
