//! The credentials file: how a client reads it and puts a new one in its place.
//!
//! A rename onto a credentials file that is a mount of its own fails with EBUSY; here it publishes in place. And
//! nobody replaces a pair of tokens that is newer than the one he has seen by an older or a blank one: such a
//! write is dropped, and the client finds the good pair when it reads again.
//!
//! No token may stay in memory longer than the call, or than the write that is staged: what was read is unmapped, and
//! only a hash of it is kept.

mod content;
mod put;
pub mod refresh;
mod seen;
pub mod staged;
mod swap;

use core::ffi::{CStr, c_char, c_int};
use core::sync::atomic::{AtomicBool, Ordering};

use lockspan_core::config::StoreLock;
use lockspan_core::names::LOCKS;
use lockspan_core::pair::{generation, pair};
use lockspan_core::path::split_last;
use lockspan_core::settings::Mode;
use lockspan_lock::kernel::{Errno, Place, Result};
use lockspan_lock::linux::Linux;
use lockspan_lock::sys;

use self::content::{Content, ROOM};
use self::swap::{REFUSED, Swap};
use crate::configuration;
use crate::directory;
use crate::environment;
use crate::events::{self, Event};
use crate::file_lock;
use crate::imports::c_string;
use crate::matching::{self, Whose};
use crate::operations::{self, seen_path, undisturbed};
use crate::shell;

/// How a credentials file is opened: a symbolic link or a FIFO in its place is not looked into.
const OPEN: c_int = libc::O_NOFOLLOW | libc::O_NONBLOCK;

fn record(event: &'static str, detail: &'static str, errno: c_int) {
    events::record(Event { lock: "credentials", event, detail, errno, took: 0 });
}

/// A client has the lock, or reads the file: what it holds now is what the client knows. Waits for the end of a
/// publish in place.
#[cold]
pub fn note(kernel: &mut Linux) {
    let mounted = kernel.credentials_are_mounted();
    let Ok(file) = sys::open(kernel.path(Place::Credentials), libc::O_RDONLY | OPEN, 0) else { return };
    if mounted {
        put::wait_for_publish(&file);
    }
    if let Ok(found) = Content::read(&file, 0) {
        if mounted && found.file.st_nlink == 0 {
            left_behind();
        }
        seen::remember(kernel, generation(pair(found.bytes())));
    }
}

/// The file that is mounted has no name any more: the host has renamed another one over it, and what is written here
/// nobody else will see. Said once.
#[cold]
fn left_behind() {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !SAID.swap(true, Ordering::Relaxed) {
        record("dangling", "mounted-file-was-replaced", 0);
    }
}

/// What open and its relatives become.
pub enum Opened {
    /// The call is answered with this.
    Descriptor(c_int),
    /// The original is to open this.
    Path(*const c_char),
}

/// open and its relatives, of what may be a lock or the credentials file.
#[cold]
#[inline(never)]
pub unsafe fn opened(at: c_int, path: *const c_char, flags: c_int) -> Opened {
    // SAFETY: the caller's path, whose length was taken before.
    let path_bytes = unsafe { c_string(path) }.to_bytes();
    if environment::mode() == Mode::Redirect
        && let Some((_, name)) = split_last(path_bytes)
    {
        file_lock::opened(name);
        if matching::is_credentials_name(name) {
            staged::finish();
            // SAFETY: the caller's path.
            if let Some(descriptor) = unsafe { open(at, path, flags) } {
                return Opened::Descriptor(descriptor);
            }
        }
    }
    // SAFETY: as above.
    Opened::Path(unsafe { seen_path(at, path) })
}

/// The credentials file may be about to be read, or written. Out of line, so that its buffer is gone when the next one
/// is needed: stacks may be small.
#[inline(never)]
unsafe fn open(at: c_int, path: *const c_char, flags: c_int) -> Option<c_int> {
    let mut kernel = directory::kernel();
    // SAFETY: the caller's path.
    let whose = unsafe { matching::credentials(at, path, &mut kernel) }?;
    let reads = flags & libc::O_ACCMODE == libc::O_RDONLY;
    if let (true, Whose::Store(number, store)) = (reads, whose)
        && store.lock == StoreLock::Gate
        && let Some(slot) = operations::slot(LOCKS.len() + number)
    {
        refresh::wait(&mut kernel, slot, store.gate());
    }
    undisturbed(&mut kernel, |kernel| {
        if reads {
            note(kernel);
            return None;
        }
        let staged = staged::open(kernel, whose, flags);
        if staged.is_none() {
            seen::forget();
        }
        staged
    })
}

/// rename and its relatives, onto what may be the credentials file. `None`: the original is to be called.
#[cold]
#[inline(never)]
pub unsafe fn replace(
    from_at: c_int,
    from: *const c_char,
    to_at: c_int,
    to: *const c_char,
) -> Option<Result<()>> {
    // What was written before comes before this.
    staged::finish();
    // SAFETY: the caller's paths.
    unsafe { try_replace(from_at, from, to_at, to) }
}

/// Out of line as [`open`].
#[inline(never)]
unsafe fn try_replace(
    from_at: c_int,
    from: *const c_char,
    to_at: c_int,
    to: *const c_char,
) -> Option<Result<()>> {
    let mut kernel = directory::kernel();
    if environment::mode() != Mode::Redirect {
        return None;
    }
    // SAFETY: the caller's path.
    let whose = unsafe { matching::credentials(to_at, to, &mut kernel) }?;
    // What cannot be read is for the original.
    // SAFETY: the caller's path.
    if unsafe { shell::careful_tail(from) } == 0 {
        return None;
    }
    // SAFETY: the caller's paths.
    let (from, to) = unsafe { (c_string(from), c_string(to)) };
    undisturbed(&mut kernel, |kernel| replace_with(kernel, whose, from_at, from, to_at, to))
}

fn replace_with(
    kernel: &mut Linux,
    whose: Whose,
    from_at: c_int,
    from: &CStr,
    to_at: c_int,
    to: &CStr,
) -> Option<Result<()>> {
    let source = sys::open_at(from_at, from, libc::O_RDONLY | OPEN, 0).ok()?;
    let mut new = Content::read(&source, ROOM).ok()?;
    if new.is_still_at(kernel.path(Place::Credentials)) {
        // By another name: then rename does nothing.
        return None;
    }
    let swap = Swap::new(kernel, whose, &new);
    let keeps_file = configuration::inode_preserving() || kernel.credentials_are_mounted();
    let path = kernel.path(Place::Credentials);
    let result = if keeps_file && let Ok(target) = sys::open(path, libc::O_RDWR | OPEN, 0) {
        let result = put::in_place(kernel, &swap, &target, &mut new)?;
        if result.is_ok() {
            // What was to be done is done.
            let _ = sys::unlink(from_at, from);
        }
        result
    } else {
        swap.rename(kernel, from_at, from, to_at, Some(to))?
    };
    Some(if result == Err(REFUSED) { sys::unlink(from_at, from) } else { result })
}

/// Puts what this process has written in the place of the present content, unless it may not; the file gets this mode.
///
/// # Errors
/// The kernel's; then the old content is still there.
fn exchange(kernel: &mut Linux, whose: Whose, new: &mut Content, mode: Option<u32>) -> Result<()> {
    let target = match sys::open(kernel.path(Place::Credentials), libc::O_RDWR | OPEN, 0) {
        // Somebody has removed the file, and this write with it.
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    if let Some(mode) = mode {
        // Who may not do that has a file of somebody else's, whose mode is not his to choose.
        let _ = sys::change_mode(&target, mode);
    }
    let found = sys::stat(target.number(), c"", libc::AT_EMPTY_PATH)?;
    let swap = Swap::new(kernel, whose, new);
    let mut result = Err(Errno::IO);
    if !put::keeps_file(kernel, &target, &found) {
        result = put::by_rename(kernel, &swap, &found, new);
    }
    if !matches!(result, Ok(()) | Err(REFUSED)) {
        result = put::in_place(kernel, &swap, &target, new).unwrap_or(result);
    }
    if result == Err(REFUSED) { Ok(()) } else { result }
}
