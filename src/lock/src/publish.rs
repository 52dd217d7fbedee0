//! Replaces what a file holds, in place: the credentials file where it is a mount of its own, which no rename can
//! replace.
//!
//! The file never holds anything but the old content or the new one, the shorter one followed by spaces, which
//! mean nothing in JSON. Three steps, each of one system call: room is made with spaces, all of the new content
//! is written over the old one at once, and what is too long is cut off. A writer that is killed between two of
//! them leaves a whole content. Within the second step the kernel goes from page to page, so that a content of
//! more than a page can be torn by a kill; then the file that was to be renamed still has the new one.
//!
//! Nothing here keeps others from writing at the same time; that is the caller's business. But the look at what is
//! written over comes last, when there is room already.

use crate::kernel::{Errno, Result};

/// The file, as far as it is needed. Each method that changes it is one system call.
pub trait File {
    /// What it holds.
    type Content: AsRef<[u8]>;
    /// Reads all of it, by one system call in the end. An error if it may not be replaced.
    fn look(&self) -> Result<Self::Content>;
    /// Writes at an offset; how much was written.
    fn write_at(&self, bytes: &[u8], offset: usize) -> Result<usize>;
    /// Makes the file this long.
    fn truncate(&self, length: usize) -> Result<()>;
}

/// Replaces the content `old` of a file, at which the caller has just looked, by the first `length` bytes of `new`,
/// which has room for twice as much as either.
///
/// # Errors
/// The kernel's, or that of a look. The file then holds the old content again, unless that could not be written either.
pub fn replace<F: File>(file: &F, mut old: F::Content, new: &mut [u8], length: usize) -> Result<()> {
    if old.as_ref().len() < length {
        make_room(file, old.as_ref().len(), new, length)?;
        // That has taken time.
        drop(old);
        old = file.look()?;
    }
    write_over(file, old.as_ref(), new, length)
}

/// The same, where there is room.
fn write_over<F: File>(file: &F, old: &[u8], new: &mut [u8], length: usize) -> Result<()> {
    let whole = new.get_mut(..length.max(old.len())).ok_or(Errno::INVAL)?;
    whole.iter_mut().skip(length).for_each(|byte| *byte = b' ');
    let result = write_whole(file, whole, 0);
    if result.is_err() {
        // Back to what was there; if that fails too there is nothing left to be done.
        let _ = file.write_at(old, 0);
    }
    // Also where nothing is too long: somebody may have made the file longer meanwhile. Spaces that stay do no harm.
    let _ = file.truncate(if result.is_ok() { length } else { old.len() });
    result
}

/// Makes a file as long as `length` with spaces, so that what comes has its room on the disk.
fn make_room<F: File>(file: &F, old: usize, new: &mut [u8], length: usize) -> Result<()> {
    // Behind what is to be written.
    let spaces = new.get_mut(length..).and_then(|rest| rest.get_mut(..length - old)).ok_or(Errno::INVAL)?;
    spaces.fill(b' ');
    let result = write_whole(file, spaces, old);
    if result.is_err() {
        let _ = file.truncate(old);
    }
    result
}

fn write_whole<F: File>(file: &F, bytes: &[u8], offset: usize) -> Result<()> {
    if file.write_at(bytes, offset)? == bytes.len() { Ok(()) } else { Err(Errno::NOSPC) }
}
