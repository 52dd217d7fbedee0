//! Staged writes: a process that holds the lock, truncates the credentials file and writes it anew writes to memory,
//! which takes the file's place when it is closed. Until then readers find the old content, and a process that is
//! killed in between leaves it.
//!
//! Nothing that was written may be lost because no hook sees how a descriptor is closed (fclose, closefrom, a child).
//! So the memory stays mapped, and what nobody saw being closed is put in place when the process looks at the file
//! again, gives the lock back or exits. What is no whole JSON text does not replace the file before it is one: a
//! client that runs out of room, or exits half way, leaves the old content.
//!
//! Only for the one process that may write now, and one file at a time. Nothing here may cost another process more
//! than a look at an address.

use core::ffi::c_int;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use lockspan_core::pair::is_whole;
use lockspan_lock::kernel::{Errno, Place, Result};
use lockspan_lock::linux::Linux;
use lockspan_lock::sys::{self, Descriptor};

use super::content::{Content, LARGEST};
use super::{OPEN, exchange, record};
use crate::directory;
use crate::hook;
use crate::matching::{self, Whose};
use crate::operations::{self, undisturbed};

/// A thread of the owner is about to stage a write.
const OPENING: u64 = 1 << 32;

/// The process that has a staged write; 0 = none.
static OWNER: AtomicU64 = AtomicU64::new(0);
/// Which file it is, and where it is mapped.
static DEVICE: AtomicU64 = AtomicU64::new(0);
static INODE: AtomicU64 = AtomicU64::new(0);
static MAPPING: AtomicU64 = AtomicU64::new(0);
/// The directory of the credentials file that it is to replace, as [`crate::directory`] keeps it, and that file.
static DIRECTORY: AtomicUsize = AtomicUsize::new(0);

/// Whether this process, or one that it was forked from, has a staged write.
pub fn any() -> bool {
    OWNER.load(Ordering::SeqCst) != 0
}

fn is_own() -> bool {
    OWNER.load(Ordering::SeqCst) == sys::process_id().into()
}

/// Opens memory instead of the credentials file. `None` if the original is to open that.
pub fn open(kernel: &mut Linux, whose: Whose, flags: c_int) -> Option<c_int> {
    const TRUNCATING: c_int = libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC;
    // The path must be known when the descriptor is closed, whatever the environment says then.
    if flags & !libc::O_CLOEXEC != TRUNCATING
        || !operations::holds_lock()
        || !directory::is_kept(kernel, whose.directory())
    {
        return None;
    }
    // One that was inherited is another process's, whose memory this may still be.
    let own = u64::from(sys::process_id());
    OWNER.compare_exchange(0, own | OPENING, Ordering::SeqCst, Ordering::SeqCst).ok()?;
    DIRECTORY.store(whose.directory(), Ordering::Relaxed);
    let staged = stage(kernel, flags).ok();
    OWNER.store(if staged.is_some() { own } else { 0 }, Ordering::SeqCst);
    // From now on every close is looked at.
    hook::watch();
    staged.map(Descriptor::into_number)
}

fn stage(kernel: &mut Linux, flags: c_int) -> Result<Descriptor> {
    // What may not be written, or holds nothing that could be lost, is for the original.
    let present = sys::open(kernel.path(Place::Credentials), libc::O_WRONLY | OPEN, 0)?;
    let found = sys::stat(present.number(), c"", libc::AT_EMPTY_PATH)?;
    if found.st_mode & libc::S_IFMT != libc::S_IFREG || found.st_size == 0 {
        return Err(Errno::INVAL);
    }
    let memory = sys::memory_file()?;
    sys::change_mode(&memory, found.st_mode & 0o7777)?;
    let made = sys::stat(memory.number(), c"", libc::AT_EMPTY_PATH)?;
    // With the flags that were asked for.
    let mut path = [0; sys::DESCRIPTOR_PATH];
    let path = sys::descriptor_path(memory.number(), &mut path);
    let staged = sys::open(path, libc::O_WRONLY | flags & libc::O_CLOEXEC, 0)?;
    let mapping = sys::map(&memory, LARGEST, libc::PROT_READ)?;
    // A child that has it could do no harm.
    let _ = sys::keep_from_children(mapping, LARGEST);
    DEVICE.store(made.st_dev, Ordering::Relaxed);
    INODE.store(made.st_ino, Ordering::Relaxed);
    MAPPING.store(mapping as u64, Ordering::Relaxed);
    Ok(staged)
}

/// A descriptor is about to be closed: if it is that of a staged write, that is put in place.
///
/// # Errors
/// Why that failed. The descriptor is to be closed all the same.
#[cold]
#[inline(never)]
pub fn closing(descriptor: c_int) -> Result<()> {
    if is_own() && is_staged(descriptor) { put_in_place() } else { Ok(()) }
}

fn is_staged(descriptor: c_int) -> bool {
    sys::stat(descriptor, c"", libc::AT_EMPTY_PATH).is_ok_and(|found| {
        (found.st_dev, found.st_ino) == (DEVICE.load(Ordering::Relaxed), INODE.load(Ordering::Relaxed))
    })
}

/// The process looks at the file, gives the lock back, or exits.
#[cold]
#[inline(never)]
pub fn finish() {
    if is_own() {
        // Whoever could be told of a failure has closed the descriptor.
        let _ = put_in_place();
        if is_own() {
            record("write-dropped", "not-whole", 0);
            forget();
        }
    }
}

/// Nothing is staged any more.
fn forget() {
    let mapping = MAPPING.load(Ordering::Relaxed) as usize;
    OWNER.store(0, Ordering::SeqCst);
    // SAFETY: mapped by `stage` in this process, and nothing refers to it.
    let _ = unsafe { sys::unmap(mapping, LARGEST) };
}

#[inline(never)]
fn put_in_place() -> Result<()> {
    let mut kernel = directory::kernel();
    undisturbed(&mut kernel, |kernel| {
        let mut new = written()?;
        if !is_whole(new.bytes()) {
            return Ok(());
        }
        forget();
        let whose = Whose::of(DIRECTORY.load(Ordering::Relaxed)).ok_or(Errno::IO)?;
        matching::serve_file(kernel, whose).ok_or(Errno::IO)?;
        exchange(kernel, whose, &mut new)
    })
}

/// What was written so far. It is copied by the kernel: the host may make the file shorter at any time, and who reads
/// a mapping behind the end of its file is killed.
fn written() -> Result<Content> {
    let copy = sys::memory_file()?;
    let mapping = MAPPING.load(Ordering::Relaxed) as usize;
    // SAFETY: the mapping has this length; the kernel stops where the file ends.
    match unsafe { sys::write_from(&copy, mapping, LARGEST) } {
        // Nothing was written.
        Ok(_) | Err(Errno::FAULT) => {}
        Err(errno) => return Err(errno),
    }
    let mut content = Content::read(&copy, LARGEST)?;
    // The last page is filled up with zeros.
    content.length = content.bytes().iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    Ok(content)
}
