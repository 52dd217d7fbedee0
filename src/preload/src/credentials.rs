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
use lockspan_core::pair::{Generation, generation, may_replace, pair};
use lockspan_core::settings::Mode;
use lockspan_lock::kernel::{Errno, Kernel, Place, Result};
use lockspan_lock::linux::Linux;
use lockspan_lock::publish::{self, Content};
use lockspan_lock::sys::{self, Descriptor};

use crate::environment;
use crate::events::{self, Event};
use crate::matching;
use crate::memory::Memory;
use crate::operations::{seen_path, undisturbed};

/// Credentials are far smaller. What is larger is none of ours.
const LARGEST: usize = 1 << 20;

/// How a credentials file is opened: a symbolic link or a FIFO in its place is not looked into.
const OPEN: c_int = libc::O_NOFOLLOW | libc::O_NONBLOCK;

/// The byte of the credentials file that is locked while it is written in place.
const PUBLISHING: i64 = (1 << 62) + 2;

/// How often, with a sleep of a millisecond each, another process's publish is waited for.
const PUBLISH_TRIES: usize = 100;

/// The generation that this process, or one that it was forked from, has last seen (0 = none), in which config
/// directory, and when, in monotonic milliseconds.
static SEEN: AtomicU64 = AtomicU64::new(0);
static SEEN_IN: AtomicU64 = AtomicU64::new(0);
static SEEN_AT: AtomicU64 = AtomicU64::new(0);

/// For how long that counts. A refresh takes less; after it a client may have read the file where we do not see
/// it, and its log-out must go through.
const REMEMBERED: u64 = 120_000;

fn has_seen(kernel: &mut Linux, generation: Generation) {
    SEEN_AT.store(kernel.monotonic(), Ordering::Relaxed);
    SEEN_IN.store(matching::directory_key(kernel), Ordering::Relaxed);
    SEEN.store(generation, Ordering::Relaxed);
}

fn seen(kernel: &mut Linux) -> Option<Generation> {
    let seen = SEEN.load(Ordering::Relaxed);
    let age = kernel.monotonic().saturating_sub(SEEN_AT.load(Ordering::Relaxed));
    let counts = age < REMEMBERED && SEEN_IN.load(Ordering::Relaxed) == matching::directory_key(kernel);
    Some(seen).filter(|&seen| seen != 0 && counts)
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
        if !mounted || sys::locked_byte(&file, PUBLISHING, 1).is_none() {
            break;
        }
        sys::sleep(1, None);
    }
    if let Some(mut found) = Found::read(&file, 0) {
        has_seen(kernel, generation(pair(found.content())));
    }
}

/// The path that open and its relatives are to open instead of `path`, which may be that of a lock or of the
/// credentials file.
#[cold]
#[inline(never)]
pub unsafe fn opened(at: c_int, path: *const c_char, flags: c_int) -> *const c_char {
    // SAFETY: the caller's path.
    unsafe {
        look(at, path, flags);
        seen_path(at, path)
    }
}

/// The credentials file may be about to be read, or written: then nothing is known any more of what the process has
/// seen. Out of line, so that its buffer is gone when the next one is needed: stacks may be small.
#[inline(never)]
unsafe fn look(at: c_int, path: *const c_char, flags: c_int) {
    // SAFETY: the caller's path, whose length was taken before.
    let path_bytes = unsafe { CStr::from_ptr(path) }.to_bytes();
    if !path_bytes.ends_with(CREDENTIALS) || environment::mode() != Mode::Redirect {
        return;
    }
    let mut kernel = Linux::new();
    // SAFETY: as above.
    if unsafe { matching::credentials(at, path, &mut kernel) }.is_some() {
        match flags & libc::O_ACCMODE {
            libc::O_RDONLY => undisturbed(&mut kernel, note),
            _ => SEEN.store(0, Ordering::Relaxed),
        }
    }
}

/// What a rename becomes.
pub enum Replaced {
    /// It is answered.
    Answered(Result<()>),
    /// The original is to be called; if it succeeds this process has seen this generation (0 = none).
    Passed(Generation),
}

/// A rename onto the credentials file has succeeded, by which this generation came there.
#[cold]
#[inline(never)]
pub fn replaced(generation: Generation) {
    let mut kernel = Linux::new();
    if matching::serve(&mut kernel, 0).is_some() {
        has_seen(&mut kernel, generation);
    }
}

/// rename and its relatives, onto what may be the credentials file.
#[cold]
#[inline(never)]
pub unsafe fn replace(from_at: c_int, from: *const c_char, to_at: c_int, to: *const c_char) -> Replaced {
    // SAFETY: the caller's paths.
    unsafe { try_replace(from_at, from, to_at, to) }.unwrap_or(Replaced::Passed(0))
}

/// `None`: the original is to be called, and nothing is known of what it brings.
unsafe fn try_replace(
    from_at: c_int,
    from: *const c_char,
    to_at: c_int,
    to: *const c_char,
) -> Option<Replaced> {
    let mut kernel = Linux::new();
    if environment::mode() != Mode::Redirect {
        return None;
    }
    // SAFETY: the caller's path.
    unsafe { matching::credentials(to_at, to, &mut kernel) }?;
    // What cannot be read is for the original.
    if from.is_null() || !sys::readable(from.addr()) {
        return None;
    }
    // SAFETY: the caller's path.
    let from = unsafe { CStr::from_ptr(from) };
    undisturbed(&mut kernel, |kernel| {
        let source = sys::open_at(from_at, from, libc::O_RDONLY | OPEN, 0).ok()?;
        let mounted = kernel.credentials_are_mounted();
        let flags = if mounted { libc::O_RDWR } else { libc::O_RDONLY };
        let target = match sys::open(kernel.path(Place::Credentials), flags | OPEN, 0) {
            Ok(target) => target,
            // A first login.
            Err(Errno::NOENT) => {
                let new = generation(pair(Found::read(&source, 0)?.content()));
                return Some(Replaced::Passed(new));
            }
            Err(_) => return None,
        };
        if mounted {
            wait_to_publish(&target)?;
        }
        let replaced = replace_found(kernel, from_at, from, &source, &target, mounted);
        if mounted {
            // Closing is not enough if another thread has forked meanwhile.
            sys::unlock_byte(&target, PUBLISHING);
        }
        replaced
    })
}

fn replace_found(
    kernel: &mut Linux,
    from_at: c_int,
    from: &CStr,
    source: &Descriptor,
    target: &Descriptor,
    mounted: bool,
) -> Option<Replaced> {
    let mut present = Found::read(target, 0)?;
    let mut new = Found::read(source, present.length)?;
    if (present.device, present.inode) == (new.device, new.inode) {
        // The file itself by another name: then rename does nothing.
        return None;
    }
    let pair_of_new = pair(new.content());
    let allowed = environment::allows_rollback();
    if !allowed && !may_replace(seen(kernel), pair(present.content()), pair_of_new) {
        record("publish-refused", "pair-older-than-present", 0);
        return Some(Replaced::Answered(sys::unlink(from_at, from)));
    }
    let generation = generation(pair_of_new);
    if !mounted {
        return Some(Replaced::Passed(generation));
    }
    let result = publish(target, &mut present, &mut new);
    if result.is_ok() {
        has_seen(kernel, generation);
        // What was to be done is done.
        let _ = sys::unlink(from_at, from);
    }
    record("published", "in-place", result.err().map_or(0, |errno| errno.0));
    Some(Replaced::Answered(result))
}

/// Puts a content in the place of the present one. What has not reached the disk is an error, and keeps its source.
fn publish(target: &Descriptor, present: &mut Found, new: &mut Found) -> Result<()> {
    if !sys::may_write(new.length.max(present.length)) {
        // The write would bring the host a signal.
        return Err(Errno::FBIG);
    }
    let length = new.length;
    publish::replace(&mut InPlace(target), present.content(), new.memory.bytes(), length)?;
    match sys::sync(target) {
        // There is nothing to be synchronised.
        Err(Errno::INVAL) => Ok(()),
        result => result,
    }
}

/// Waits for another process's publish in place to end, and keeps others from beginning one until the byte is
/// unlocked.
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

/// A file that was read.
struct Found {
    device: u64,
    inode: u64,
    length: usize,
    memory: Memory,
}

impl Found {
    /// Reads a regular file that is no larger than credentials are, with room for at least as many bytes as `room`.
    fn read(file: &Descriptor, room: usize) -> Option<Found> {
        let found = sys::stat(file.number(), c"", libc::AT_EMPTY_PATH).ok()?;
        let size = usize::try_from(found.st_size).ok()?;
        if found.st_mode & libc::S_IFMT != libc::S_IFREG || size > LARGEST {
            return None;
        }
        // One byte more, so that there is one.
        let mut memory = Memory::new(size.max(room) + 1).ok()?;
        let length = sys::read_all(file, memory.bytes().get_mut(..size)?).ok()?;
        Some(Found { device: found.st_dev, inode: found.st_ino, length, memory })
    }

    fn content(&mut self) -> &[u8] {
        self.memory.bytes().get(..self.length).unwrap_or_default()
    }
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
