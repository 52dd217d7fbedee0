//! Locks on a file, kept as the library keeps its own: by a mapping of the file, whose descriptor is closed. Most
//! filesystems keep a lock for as long as that; overlay does not.

use std::ffi::c_void;
use std::fs::{File, OpenOptions};
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use super::meeting;

/// How much is mapped: nothing of it is ever touched.
const LENGTH: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// The mapping, and with it the locks, until this is dropped.
pub struct Kept(NonNull<c_void>);

impl Kept {
    /// Locks a file by flock.
    ///
    /// # Errors
    /// Somebody else has locked it, or the kernel's.
    pub fn flock(path: &Path) -> io::Result<Kept> {
        let file = open(path)?;
        // nix would unlock it when the descriptor is closed.
        fs2::FileExt::try_lock_exclusive(&file)?;
        Kept::by_mapping(&file)
    }

    /// Locks the byte of a file.
    ///
    /// # Errors
    /// As those of [`Kept::flock`].
    pub fn byte(path: &Path) -> io::Result<Kept> {
        let file = open(path)?;
        meeting::lock_byte(&file)?;
        Kept::by_mapping(&file)
    }

    fn by_mapping(file: &File) -> io::Result<Kept> {
        // SAFETY: a new mapping, at an address of the kernel's choice, that cannot be read or written.
        let mapping = unsafe { mmap(None, LENGTH, ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE, file, 0) }?;
        Ok(Kept(mapping))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // SAFETY: the mapping made above, of which nobody has a reference.
        let _ = unsafe { munmap(self.0, LENGTH.get()) };
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}
