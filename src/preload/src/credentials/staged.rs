//! Staged writes: a process that holds the lock, truncates the credentials file and writes it anew writes to memory,
//! which takes the file's place when it is closed. Until then readers find the old content, and a process that is
//! killed in between leaves it.
//!
//! Nothing that was written may be lost because no hook sees how a descriptor is closed (fclose, closefrom, a child).
//! So the memory stays mapped, and what nobody saw being closed is put in place when the process looks at the file
//! again, gives the lock back or exits. What is no whole JSON text does not replace the file before it is one: a
//! client that runs out of room, or exits half way, leaves the old content. It is given up only by the next write or
//! at the exit: until then another thread may be about to write the rest.
//!
//! Only for the one process that may write now, and one file at a time. Nothing here may cost another process more
//! than a look at an address.

use core::ffi::c_int;
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use lockspan_core::pair::is_whole;
use lockspan_lock::kernel::{Errno, Place, Result};
use lockspan_lock::linux::Linux;
use lockspan_lock::sys::{self, Descriptor};

use super::content::{Content, LARGEST, ROOM};
use super::{OPEN, exchange, record};
use crate::directory;
use crate::hook;
use crate::matching::{self, Whose};
use crate::operations::{self, undisturbed};

/// A thread of the owner is about to stage a write, or to end one.
const CHANGING: u64 = 1 << 32;

/// How often, with a sleep of a millisecond each, another thread's change is waited for.
const TRIES: usize = 1000;

/// The process that has a staged write; 0 = none.
static OWNER: AtomicU64 = AtomicU64::new(0);
/// Which file it is, and where it is mapped.
static DEVICE: AtomicU64 = AtomicU64::new(0);
static INODE: AtomicU64 = AtomicU64::new(0);
static MAPPING: AtomicU64 = AtomicU64::new(0);
/// The mode that it was given.
static MODE: AtomicU32 = AtomicU32::new(0);
/// The directory of the credentials file that it is to replace, as [`crate::directory`] keeps it, and that file.
static DIRECTORY: AtomicUsize = AtomicUsize::new(0);

/// Whether this process, or one that it was forked from, has a staged write.
pub fn any() -> bool {
    OWNER.load(Ordering::SeqCst) != 0
}

fn is_own() -> bool {
    OWNER.load(Ordering::SeqCst) & !CHANGING == sys::process_id().into()
}

/// Starts to end the staged write, once no other thread does: what a thread has closed is in place when it goes on.
/// `false` if there is none any more. Signals must be blocked.
fn claim() -> bool {
    let own = u64::from(sys::process_id());
    for _ in 0..TRIES {
        match OWNER.compare_exchange(own, own | CHANGING, Ordering::SeqCst, Ordering::SeqCst) {
            Err(found) if found == own | CHANGING => {
                sys::sleep(1, None);
            }
            result => return result.is_ok(),
        }
    }
    false
}

/// Opens memory instead of the credentials file. `None` if the original is to open that.
pub fn open(kernel: &mut Linux, whose: Whose, flags: c_int) -> Option<c_int> {
    const TRUNCATING: c_int = libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC;
    // The path must be known when the descriptor is closed, whatever the environment says then.
    if flags & !libc::O_CLOEXEC != TRUNCATING
        || !whose.is_login()
        || !operations::holds_lock()
        || !directory::is_kept(kernel, whose.directory())
    {
        return None;
    }
    if DIRECTORY.load(Ordering::Relaxed) == whose.directory() {
        // This one empties the file that the last one has not filled.
        drop_unfinished();
    }
    // One that was inherited is another process's, whose memory this may still be.
    let own = u64::from(sys::process_id());
    OWNER.compare_exchange(0, own | CHANGING, Ordering::SeqCst, Ordering::SeqCst).ok()?;
    DIRECTORY.store(whose.directory(), Ordering::Relaxed);
    let staged = stage(kernel, flags).ok();
    OWNER.store(if staged.is_some() { own } else { 0 }, Ordering::SeqCst);
    // From now on every close is looked at.
    hook::watch();
    staged.map(Descriptor::into_number)
}

fn stage(kernel: &mut Linux, flags: c_int) -> Result<Descriptor> {
    // What may not be written, holds nothing that could be lost, or is no JSON, is for the original.
    let present = sys::open(kernel.path(Place::Credentials), libc::O_RDWR | OPEN, 0)?;
    let found = Content::read(&present, 0)?;
    if !is_whole(found.bytes()) {
        return Err(Errno::INVAL);
    }
    let mode = found.file.st_mode & 0o7777;
    let memory = sys::memory_file()?;
    sys::change_mode(&memory, mode)?;
    // What is opened next has the lowest number that is free, as the client may expect.
    drop(present);
    let made = sys::stat(memory.number(), c"", libc::AT_EMPTY_PATH)?;
    // With the flags that were asked for.
    let mut path = [0; sys::DESCRIPTOR_PATH];
    let path = sys::descriptor_path(memory.number(), &mut path);
    let staged = sys::open(path, libc::O_WRONLY | flags & libc::O_CLOEXEC, 0)?;
    let mapping = sys::map(&memory, 0, LARGEST, libc::PROT_READ)?;
    // A child that has it could do no harm.
    let _ = sys::keep_from_children(mapping, LARGEST);
    MODE.store(mode, Ordering::Relaxed);
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
    if is_own()
        && let Ok(found) = sys::stat(descriptor, c"", libc::AT_EMPTY_PATH)
        && (found.st_dev, found.st_ino) == (DEVICE.load(Ordering::Relaxed), INODE.load(Ordering::Relaxed))
    {
        let mode = found.st_mode & 0o7777;
        return put_in_place(Some(mode).filter(|&mode| mode != MODE.load(Ordering::Relaxed)));
    }
    Ok(())
}

/// The process looks at the file, or takes or gives back a lock.
#[cold]
#[inline(never)]
pub fn finish() {
    if any() && is_own() {
        // Whoever could be told of a failure has closed the descriptor.
        let _ = put_in_place(None);
    }
}

/// The process exits.
pub fn leave() {
    finish();
    let _signals = sys::block_signals();
    drop_unfinished();
}

#[cold]
fn drop_unfinished() {
    if claim() {
        record("write-dropped", "not-whole", 0);
        forget();
    }
}

/// Nothing is staged any more, by who has claimed it.
fn forget() {
    let mapping = MAPPING.load(Ordering::Relaxed) as usize;
    // SAFETY: mapped by `stage` in this process, and nothing refers to it.
    let _ = unsafe { sys::unmap(mapping, LARGEST) };
    OWNER.store(0, Ordering::SeqCst);
}

/// With the mode that the client has given it, if it has.
#[inline(never)]
fn put_in_place(mode: Option<u32>) -> Result<()> {
    let mut kernel = directory::kernel();
    undisturbed(&mut kernel, |kernel| {
        if !claim() {
            return Ok(());
        }
        let new = written().map(|new| is_whole(new.bytes()).then_some(new));
        let Ok(Some(mut new)) = new else {
            // The rest may be yet to come.
            OWNER.store(sys::process_id().into(), Ordering::SeqCst);
            return new.map(drop);
        };
        let result = Whose::of(DIRECTORY.load(Ordering::Relaxed)).ok_or(Errno::IO).and_then(|whose| {
            matching::serve_file(kernel, whose).ok_or(Errno::IO)?;
            exchange(kernel, whose, &mut new, mode)
        });
        forget();
        result
    })
}

/// What was written so far. It is copied by the kernel: the host may make the file shorter at any time, and who reads
/// a mapping behind the end of its file is killed.
fn written() -> Result<Content> {
    let copy = sys::memory_file()?;
    let mapping = MAPPING.load(Ordering::Relaxed) as usize;
    // SAFETY: the mapping has this length; the kernel stops where the file ends.
    match unsafe { sys::write_from(&copy, mapping, LARGEST) } {
        // There is more than can be put in place: who closes it is told.
        Ok(LARGEST) => return Err(Errno::FBIG),
        // Nothing was written.
        Ok(_) | Err(Errno::FAULT) => {}
        Err(errno) => return Err(errno),
    }
    let mut content = Content::read(&copy, ROOM)?;
    // The last page is filled up with zeros.
    content.length = content.bytes().iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    Ok(content)
}
