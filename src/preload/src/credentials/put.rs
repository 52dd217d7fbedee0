//! Puts a new content in the place of the credentials file's: in place where the file must stay the same one, else by
//! a rename.
//!
//! Whether that may be done at all is for [`Swap`] to say.

use core::ffi::CStr;

use lockspan_lock::kernel::{Errno, Result};
use lockspan_lock::linux::Linux;
use lockspan_lock::publish;
use lockspan_lock::sys::{self, Descriptor};

use super::content::Content;
use super::record;
use super::swap::{REFUSED, Swap};
use crate::configuration;

/// The byte of the credentials file that is locked while it is written in place.
const PUBLISHING: i64 = (1 << 62) + 2;

/// How often, with a sleep of a millisecond each, another process's publish is waited for.
const TRIES: usize = 100;

/// The name that a content has between its link and its rename. One that was left by a killed process is replaced.
const TEMPORARY: &CStr = c".credentials.json.lockspan";

/// Waits for the end of another process's publish in place.
pub fn wait_for_publish(file: &Descriptor) {
    for _ in 0..TRIES {
        if sys::locked_byte(file, PUBLISHING, 1).is_none() {
            return;
        }
        sys::sleep(1, None);
    }
}

/// The right to publish in place, which one process has at a time.
pub struct Turn<'a>(&'a Descriptor);

impl<'a> Turn<'a> {
    /// Waits for another process's publish in place to end. `None` if it does not, or if locks do not work here.
    pub fn wait(file: &'a Descriptor) -> Option<Turn<'a>> {
        for _ in 0..TRIES {
            match sys::lock_byte(file, PUBLISHING) {
                Ok(()) => return Some(Turn(file)),
                Err(Errno::WOULDBLOCK) => {
                    sys::sleep(1, None);
                }
                Err(_) => return None,
            }
        }
        None
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Closing the file is not enough if another thread has forked meanwhile.
        sys::unlock_byte(self.0, PUBLISHING);
    }
}

/// Whether the file must stay the same one: it is a mount of its own, has another name or an access control list, or
/// the configuration says so.
pub fn keeps_file(kernel: &mut Linux, file: &Descriptor, found: &libc::stat) -> bool {
    found.st_nlink != 1
        || sys::has_access_list(file)
        || configuration::inode_preserving()
        || kernel.credentials_are_mounted()
}

/// Writes the new content over the present one. What has not reached the disk is an error. `None` if others cannot be
/// kept from doing so at the same time, or there is nothing to compare.
///
/// # Errors
/// The kernel's, or `REFUSED`; the file then holds the old content, as far as it could be written back.
#[inline(never)]
pub fn in_place(
    kernel: &mut Linux,
    swap: &Swap,
    target: &Descriptor,
    new: &mut Content,
) -> Option<Result<()>> {
    let length = new.length;
    // A write that is too long would bring the host a signal.
    let may_write = sys::may_write(length);
    let _turn = Turn::wait(target)?;
    let present = Content::read(target, 0).ok()?;
    let result = swap
        .compare(&present)
        .and(if may_write { Ok(()) } else { Err(Errno::FBIG) })
        .and_then(|()| publish::replace(&InPlace { swap, target }, present, new.memory.bytes(), length))
        .and_then(|()| synchronised(target));
    if result.is_ok() {
        swap.done(kernel);
    }
    said("in-place", result);
    Some(result)
}

/// Writes the new content to a file without a name, and gives it that of the credentials file. Who opens it finds the
/// old content or the new one.
///
/// # Errors
/// The kernel's, or `REFUSED`; nothing has changed then.
#[inline(never)]
pub fn by_rename(kernel: &mut Linux, swap: &Swap, present: &libc::stat, new: &mut Content) -> Result<()> {
    let directory = sys::open(kernel.directory(), libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
    let file = sys::open_at(directory.number(), c".", libc::O_TMPFILE | libc::O_WRONLY, 0o600)?;
    let made = sys::stat(file.number(), c"", libc::AT_EMPTY_PATH)?;
    if (made.st_uid, made.st_gid) != (present.st_uid, present.st_gid) {
        sys::change_owner(&file, present.st_uid, present.st_gid)?;
    }
    sys::change_mode(&file, present.st_mode & 0o7777)?;
    if sys::write_at(&file, new.bytes(), 0)? != new.length {
        return Err(Errno::NOSPC);
    }
    synchronised(&file)?;
    let mut buffer = [0; sys::DESCRIPTOR_PATH];
    let path = sys::descriptor_path(file.number(), &mut buffer);
    // Another store's content may have the same name for a moment.
    sys::lock(&directory)?;
    if sys::link(path, directory.number(), TEMPORARY) == Err(Errno::EXIST) {
        sys::unlink(directory.number(), TEMPORARY)?;
        sys::link(path, directory.number(), TEMPORARY)?;
    }
    let renamed =
        swap.rename(kernel, directory.number(), TEMPORARY, libc::AT_FDCWD, None).unwrap_or(Err(Errno::INVAL));
    if renamed.is_err() {
        let _ = sys::unlink(directory.number(), TEMPORARY);
    }
    let _ = sys::unlock(&directory);
    said("renamed", renamed);
    renamed
}

/// Says what came of a publish, unless somebody has said that it was refused.
fn said(how: &'static str, result: Result<()>) {
    if result != Err(REFUSED) {
        record("published", how, result.err().map_or(0, |errno| errno.0));
    }
}

fn synchronised(file: &Descriptor) -> Result<()> {
    match sys::sync(file) {
        // There is nothing to be synchronised.
        Err(Errno::INVAL) => Ok(()),
        result => result,
    }
}

/// The credentials file, open to be written in place.
struct InPlace<'a> {
    swap: &'a Swap,
    target: &'a Descriptor,
}

impl publish::File for InPlace<'_> {
    type Content = Content;

    fn look(&self) -> Result<Content> {
        let present = Content::read(self.target, 0)?;
        self.swap.compare(&present).map(|()| present)
    }

    fn write_at(&self, bytes: &[u8], offset: usize) -> Result<usize> {
        sys::write_at(self.target, bytes, offset)
    }

    fn truncate(&self, length: usize) -> Result<()> {
        sys::truncate(self.target, length)
    }
}
