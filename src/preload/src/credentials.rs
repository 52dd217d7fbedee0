//! The credentials file: how a client reads it and puts a new one in its place.
//!
//! A rename onto a credentials file that is a mount of its own fails with EBUSY; here it publishes in place. And
//! nobody replaces a pair of tokens that is newer than the one he has seen by an older or a blank one: such a
//! write is dropped, and the client finds the good pair when it reads again.
//!
//! No token may stay in memory longer than the call: what was read is unmapped, and only a hash of it is kept.

use core::ffi::{CStr, c_char, c_int};
use core::sync::atomic::{AtomicU64, Ordering};

use lockspan_core::names::CREDENTIALS;
use lockspan_core::pair::{Generation, Pair, generation, may_replace, pair};
use lockspan_core::settings::Mode;
use lockspan_lock::kernel::{Errno, Place, Result};
use lockspan_lock::linux::Linux;
use lockspan_lock::publish::{self, Content};
use lockspan_lock::sys::{self, Descriptor};

use crate::environment;
use crate::events::{self, Event};
use crate::matching;
use crate::memory::Memory;
use crate::operations::{seen_path, undisturbed};

type Answer = Option<Result<()>>;

/// Credentials are far smaller. What is larger is none of ours.
const LARGEST: usize = 1 << 20;

/// How a credentials file is opened: a symbolic link or a FIFO in its place is not looked into.
const OPEN: c_int = libc::O_NOFOLLOW | libc::O_NONBLOCK;

/// The byte of the credentials file that is locked while it is written in place.
const PUBLISHING: i64 = (1 << 62) + 2;

/// How often, with a sleep of a millisecond each, another process's publish is waited for.
const PUBLISH_TRIES: usize = 100;

/// The generation that this process, or one that it was forked from, has last seen (0 = none), and in which config
/// directory.
static SEEN: AtomicU64 = AtomicU64::new(0);
static SEEN_IN: AtomicU64 = AtomicU64::new(0);

fn has_seen(kernel: &mut Linux, pair: Option<Pair>) {
    SEEN_IN.store(matching::directory_key(kernel), Ordering::Relaxed);
    SEEN.store(generation(pair), Ordering::Relaxed);
}

fn seen(kernel: &mut Linux) -> Option<Generation> {
    let seen = SEEN.load(Ordering::Relaxed);
    (seen != 0 && SEEN_IN.load(Ordering::Relaxed) == matching::directory_key(kernel)).then_some(seen)
}

fn record(event: &'static str, detail: &'static str, errno: c_int) {
    events::record(Event { lock: "credentials", event, detail, errno, took: 0 });
}

/// A client has the lock, or reads the file: what it holds now is what the client knows. Waits for the end of a
/// publish in place.
#[cold]
pub fn note(kernel: &mut Linux) {
    let mounted = kernel.credentials_are_mounted();
    let Ok(file) = sys::open(kernel.path(Place::Credentials), libc::O_RDONLY | OPEN, 0) else { return };
    for _ in 0..PUBLISH_TRIES {
        if !mounted || !sys::byte_is_locked(&file, PUBLISHING) {
            break;
        }
        sys::sleep(1, None);
    }
    if let Some(mut memory) = stat(&file).and_then(|found| room(found.size))
        && let Ok(length) = sys::read_all(&file, memory.bytes())
        && let Some(content) = memory.bytes().get(..length)
    {
        has_seen(kernel, pair(content));
    }
}

/// The path that open and its relatives are to open instead of `path`, which may be that of a lock or of the
/// credentials file.
#[cold]
#[inline(never)]
pub unsafe fn opened(at: c_int, path: *const c_char, flags: c_int) -> *const c_char {
    if flags & libc::O_ACCMODE == libc::O_RDONLY {
        // SAFETY: the caller's path.
        unsafe { read(at, path) };
    }
    // SAFETY: as above.
    unsafe { seen_path(at, path) }
}

/// The credentials file is about to be read. Out of line, so that its buffer is gone when the next one is needed:
/// stacks may be small.
#[inline(never)]
unsafe fn read(at: c_int, path: *const c_char) {
    // SAFETY: the caller's path, whose length was taken before.
    if !unsafe { CStr::from_ptr(path) }.to_bytes().ends_with(CREDENTIALS)
        || environment::mode() != Mode::Redirect
    {
        return;
    }
    let mut kernel = Linux::new();
    // SAFETY: as above.
    if unsafe { matching::credentials(at, path, &mut kernel) }.is_some() {
        undisturbed(&mut kernel, note);
    }
}

/// rename and its relatives, onto what may be the credentials file.
#[cold]
#[inline(never)]
pub unsafe fn replace(from_at: c_int, from: *const c_char, to_at: c_int, to: *const c_char) -> Answer {
    let mut kernel = Linux::new();
    if environment::mode() != Mode::Redirect {
        return None;
    }
    // SAFETY: the caller's path.
    unsafe { matching::credentials(to_at, to, &mut kernel) }?;
    // What cannot be read is for the original.
    if !sys::readable(from.addr()) {
        return None;
    }
    // SAFETY: the caller's path.
    let from = unsafe { CStr::from_ptr(from) };
    undisturbed(&mut kernel, |kernel| {
        let source = sys::open_at(from_at, from, libc::O_RDONLY | OPEN, 0).ok()?;
        publish(kernel, &source, from_at, from)
    })
}

/// Puts the content of an open file of this name in the place of the present one. `None` if the original is to do
/// it.
fn publish(kernel: &mut Linux, source: &Descriptor, from_at: c_int, from: &CStr) -> Answer {
    let mounted = kernel.credentials_are_mounted();
    let flags = if mounted { libc::O_RDWR } else { libc::O_RDONLY };
    let target = match sys::open(kernel.path(Place::Credentials), flags | OPEN, 0) {
        Ok(target) => Some(target),
        // A first login.
        Err(Errno::NOENT) => None,
        Err(_) => return None,
    };
    let source_stat = stat(source)?;
    let target_stat = match &target {
        Some(target) => Some(stat(target)?),
        None => None,
    };
    if target_stat.as_ref().is_some_and(|found| found.is(&source_stat)) {
        // The file itself by another name: then rename does nothing.
        return None;
    }
    if mounted {
        wait_to_publish(target.as_ref()?)?;
    }
    // The present content, and the new one in as much room as the longer of both.
    let present_size = target_stat.map_or(0, |found| found.size);
    let (mut present, mut new) = (room(present_size)?, room(source_stat.size.max(present_size))?);
    let present_length = match &target {
        Some(target) => sys::read_all(target, present.bytes()).ok()?,
        None => 0,
    };
    let new_length = sys::read_all(source, new.bytes()).ok()?;
    let old = present.bytes().get(..present_length)?;
    let pair_of_new = pair(new.bytes().get(..new_length)?);
    if !may_replace(seen(kernel), pair(old), pair_of_new) {
        record("publish-refused", "pair-older-than-present", 0);
        return Some(sys::unlink(from_at, from));
    }
    let result = match &target {
        // The write would bring the host a signal.
        Some(_) if mounted && !sys::may_write(new_length.max(present_length)) => Err(Errno::FBIG),
        // What has not reached the disk keeps the source, which has it.
        Some(target) if mounted => publish::replace(&mut InPlace(target), old, new.bytes(), new_length)
            .and_then(|()| sys::sync(target))
            .and_then(|()| sys::unlink(from_at, from)),
        _ => sys::rename(from_at, from, libc::AT_FDCWD, kernel.path(Place::Credentials)),
    };
    if result.is_ok() {
        has_seen(kernel, pair_of_new);
    }
    let how = if mounted { "in-place" } else { "renamed" };
    record("published", how, result.err().map_or(0, |errno| errno.0));
    Some(result)
}

/// Waits for another process's publish in place to end, and keeps others from beginning one until the file is
/// closed.
fn wait_to_publish(file: &Descriptor) -> Option<()> {
    for _ in 0..PUBLISH_TRIES {
        match sys::lock_byte(file, PUBLISHING) {
            Ok(()) => return Some(()),
            Err(Errno::WOULDBLOCK) => sys::sleep(1, None),
            Err(_) => return None,
        }
    }
    None
}

/// What has to be known of a regular file.
struct Stat {
    device: u64,
    inode: u64,
    size: usize,
}

impl Stat {
    fn is(&self, other: &Stat) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// `None` if it is no regular file, or longer than credentials are.
fn stat(file: &Descriptor) -> Option<Stat> {
    let found = sys::stat(file.number(), c"", libc::AT_EMPTY_PATH).ok()?;
    let size = usize::try_from(found.st_size).ok()?;
    (found.st_mode & libc::S_IFMT == libc::S_IFREG && size <= LARGEST).then_some(Stat {
        device: found.st_dev,
        inode: found.st_ino,
        size,
    })
}

/// Memory for a content of this size, and one byte so that it is not empty.
fn room(size: usize) -> Option<Memory> {
    Memory::new(size + 1).ok()
}

/// The credentials file, open to be written in place.
struct InPlace<'a>(&'a Descriptor);

impl Content for InPlace<'_> {
    fn write_at(&mut self, bytes: &[u8], offset: usize) -> Result<usize> {
        sys::write_at(self.0, bytes, offset)
    }

    fn truncate(&mut self, length: usize) -> Result<()> {
        sys::truncate(self.0, length)
    }
}
