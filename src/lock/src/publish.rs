//! Replaces what a file holds, in place: the credentials file where it is a mount of its own, which no rename can
//! replace.
//!
//! The file never holds anything but the old content or the new one, the shorter one followed by spaces, which
//! mean nothing in JSON. Three steps, each of one system call: room is made with spaces, all of the new content
//! is written over the old one at once, and what is too long is cut off. A writer that is killed between two of
//! them leaves a whole content. Within the second step the kernel goes from page to page, so that a content of
//! more than a page can be torn by a kill; then the file that was to be renamed still has the new one.
//!
//! Nothing here keeps others from writing at the same time; that is the caller's business.

use crate::kernel::{Errno, Result};

/// The file, as far as it is needed. Each method is one system call.
pub trait Content {
    /// Writes at an offset; how much was written.
    fn write_at(&mut self, bytes: &[u8], offset: usize) -> Result<usize>;
    /// Makes the file this long.
    fn truncate(&mut self, length: usize) -> Result<()>;
}

/// Replaces the content `old` of a file by the first `length` bytes of `new`, which is at least as long as either.
///
/// # Errors
/// The kernel's. The file then holds the old content again, unless that could not be written either.
pub fn replace<F: Content>(file: &mut F, old: &[u8], new: &mut [u8], length: usize) -> Result<()> {
    let whole = new.get_mut(..length.max(old.len())).ok_or(Errno::INVAL)?;
    whole.iter_mut().skip(length).for_each(|byte| *byte = b' ');
    make_room(file, old.len(), length)?;
    match file.write_at(whole, 0) {
        Ok(written) if written == whole.len() => {}
        result => {
            // Back to what was there; if that fails too there is nothing left to be done.
            let _ = file.write_at(old, 0);
            let _ = file.truncate(old.len());
            return Err(result.err().unwrap_or(Errno::NOSPC));
        }
    }
    // Also where nothing is too long: somebody may have made the file longer meanwhile. Spaces that stay do no harm.
    let _ = file.truncate(length);
    Ok(())
}

/// Makes a file as long as `length` with spaces, if it is shorter, so that what comes has its room on the disk.
fn make_room<F: Content>(file: &mut F, mut end: usize, length: usize) -> Result<()> {
    const SPACES: [u8; 64] = [b' '; 64];
    let old = end;
    while end < length {
        let wanted = SPACES.get(..length - end).unwrap_or(&SPACES);
        match file.write_at(wanted, end) {
            Ok(written) if written > 0 => end += written,
            result => {
                let _ = file.truncate(old);
                return Err(result.err().unwrap_or(Errno::NOSPC));
            }
        }
    }
    Ok(())
}
