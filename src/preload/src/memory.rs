//! Memory of the library's own, from the kernel and back to it. Nothing here is for small things: each piece is
//! whole pages, and two system calls.

use core::slice;

use lockspan_lock::sys::{self, Result};

/// Memory to be read and written, given back when dropped.
pub struct Memory {
    /// Where it is.
    pub address: usize,
    /// How many bytes there are.
    pub length: usize,
}

impl Memory {
    /// New memory, all zeros.
    pub fn new(length: usize) -> Result<Memory> {
        let address = sys::map_memory(length)?;
        Ok(Memory { address, length })
    }

    /// New memory at this very address.
    ///
    /// # Errors
    /// `EEXIST` if something is there.
    pub fn at(address: usize, length: usize) -> Result<Memory> {
        sys::map_memory_at(address, length)?;
        Ok(Memory { address, length })
    }

    /// All of it.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: mapped, and nobody else's.
        unsafe { slice::from_raw_parts_mut(self.address as *mut u8, self.length) }
    }

    /// What is in it.
    pub fn content(&self) -> &[u8] {
        // SAFETY: mapped, and nobody writes to it but through `bytes`.
        unsafe { slice::from_raw_parts(self.address as *const u8, self.length) }
    }

    /// From now on it is code, which is no longer written.
    pub fn make_code(&self) -> Result<()> {
        // SAFETY: nobody writes to it any more: that takes `bytes`, which is not called again.
        unsafe { sys::make_code(self.address, self.length) }
    }

    /// Leaves it mapped.
    pub fn keep(self) {
        core::mem::forget(self);
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: mapped for this, and nothing refers to it any more.
        let _ = unsafe { sys::unmap(self.address, self.length) };
    }
}
