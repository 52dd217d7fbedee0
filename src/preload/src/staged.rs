//! Staged writes: a client that truncates the credentials file and writes it anew writes to a file without a name,
//! which takes the other one's place when it is closed. Until then readers find the old content, and a client that
//! dies in between leaves it.
//!
//! Only for a descriptor that no other program inherits (`O_CLOEXEC`): what another one writes, nobody would put in
//! place. One at a time; a second one is opened as without the library.
//!
//! Nothing here may cost a process that does not write credentials more than a look at an address.

use core::ffi::{CStr, c_int};
use core::sync::atomic::{AtomicU64, Ordering};

use lockspan_core::names::CREDENTIALS;
use lockspan_core::text::{Text, parse_number};
use lockspan_lock::kernel::{Errno, Kernel, Place, Result};
use lockspan_lock::linux::Linux;
use lockspan_lock::sys::{self, Descriptor};

use crate::credentials::{self, OPEN};
use crate::matching;
use crate::operations::undisturbed;
use crate::real::Shortcut;

/// The address of the real `close` while nothing is staged.
pub static CLOSE: Shortcut = Shortcut::new();
/// The address of the real `syscall` while nothing is staged.
pub static SYSCALL: Shortcut = Shortcut::new();

const DESCRIPTORS: &CStr = c"/proc/self/fd";

/// A thread of the owner is about to open one.
const OPENING: u64 = 1 << 32;
const OWN_PROCESS: u64 = OPENING - 1;

/// The process that has a staged write; 0 = none.
static OWNER: AtomicU64 = AtomicU64::new(0);
/// Which file it is.
static DEVICE: AtomicU64 = AtomicU64::new(0);
static INODE: AtomicU64 = AtomicU64::new(0);

/// Whether this process, or one that it was forked from, has a staged write.
pub fn any() -> bool {
    OWNER.load(Ordering::SeqCst) != 0
}

/// Opens a file without a name instead of the credentials file. `None` if the original is to open that.
pub fn open(kernel: &mut Linux, flags: c_int) -> Option<c_int> {
    let own = u64::from(sys::process_id());
    let owner = OWNER.load(Ordering::SeqCst);
    if owner & OWN_PROCESS == own
        || OWNER.compare_exchange(owner, own | OPENING, Ordering::SeqCst, Ordering::SeqCst).is_err()
    {
        return None;
    }
    let staged = unnamed(kernel, flags);
    OWNER.store(if staged.is_some() { own } else { 0 }, Ordering::SeqCst);
    // From now on every close is looked at.
    CLOSE.forget();
    SYSCALL.forget();
    staged.map(Descriptor::into_number)
}

fn unnamed(kernel: &mut Linux, flags: c_int) -> Option<Descriptor> {
    const KEPT: c_int = libc::O_CLOEXEC | libc::O_APPEND | libc::O_NONBLOCK | libc::O_SYNC;
    // What may not be written, and what is not plainly a file of this user's own, is for the original.
    let present = sys::open(kernel.path(Place::Credentials), libc::O_WRONLY | OPEN, 0).ok()?;
    let found = sys::stat(present.number(), c"", libc::AT_EMPTY_PATH).ok()?;
    if found.st_mode & libc::S_IFMT != libc::S_IFREG || found.st_nlink != 1 || found.st_size == 0 {
        return None;
    }
    let unnamed = libc::O_TMPFILE | libc::O_RDWR | flags & KEPT;
    let staged = sys::open(kernel.directory(), unnamed, 0o600).ok()?;
    let made = sys::stat(staged.number(), c"", libc::AT_EMPTY_PATH).ok()?;
    if (made.st_uid, made.st_gid) != (found.st_uid, found.st_gid) {
        sys::change_owner(&staged, found.st_uid, found.st_gid).ok()?;
    }
    sys::change_mode(&staged, found.st_mode & 0o7777).ok()?;
    // Without these it could neither be told when it is closed, nor be given a name.
    sys::open(DESCRIPTORS, libc::O_RDONLY | libc::O_DIRECTORY, 0).ok()?;
    DEVICE.store(made.st_dev, Ordering::Relaxed);
    INODE.store(made.st_ino, Ordering::Relaxed);
    Some(staged)
}

/// A descriptor is about to be closed: if it is the last one of a staged write, that is put in place.
///
/// # Errors
/// Why that failed. The descriptor is to be closed all the same.
#[cold]
#[inline(never)]
pub fn closing(descriptor: c_int) -> Result<()> {
    if is_own() && is_staged(descriptor) {
        closing_range(descriptor as u32, descriptor as u32)
    } else {
        Ok(())
    }
}

/// The same for all descriptors from `first` to `last`.
///
/// # Errors
/// As above.
#[cold]
#[inline(never)]
pub fn closing_range(first: u32, last: u32) -> Result<()> {
    if !is_own() {
        return Ok(());
    }
    let mut kernel = Linux::new();
    undisturbed(&mut kernel, |kernel| {
        // Where it cannot be told what is open, the first one is all there is.
        let (mut closed, mut open) = ((first == last).then_some(first), false);
        each_descriptor(|number| {
            if is_staged(number as c_int) {
                match (first..=last).contains(&number) {
                    true => closed = Some(number),
                    false => open = true,
                }
            }
        });
        match closed {
            Some(number) if !open => put_in_place(kernel, number as c_int),
            _ => Ok(()),
        }
    })
}

fn is_own() -> bool {
    OWNER.load(Ordering::SeqCst) == sys::process_id().into()
}

/// The process exits.
#[cold]
pub fn finish() {
    // There is nobody to hear of a failure.
    let _ = closing_range(0, u32::MAX);
}

fn put_in_place(kernel: &mut Linux, number: c_int) -> Result<()> {
    OWNER.store(0, Ordering::SeqCst);
    if matching::serve(kernel, 0).is_none() {
        return Err(Errno::IO);
    }
    let staged = Descriptor::from_number(number);
    let result = credentials::publish(kernel, &staged, None);
    // It is the host's to close.
    staged.into_number();
    match (result, kernel.stat(Place::Credentials)) {
        (Some(result), _) => result,
        // Somebody has removed the file that was to be written, and this write with it.
        (None, Err(Errno::NOENT)) => Ok(()),
        (None, _) => Err(Errno::IO),
    }
}

/// Gives a file without a name that of the credentials file.
pub fn name_it(kernel: &mut Linux, staged: &Descriptor) -> Result<()> {
    let directory = sys::open(kernel.directory(), libc::O_PATH | libc::O_DIRECTORY, 0)?;
    let (mut own, mut temporary) = ([0; 32], [0; 64]);
    let mut text = Text::new(&mut own);
    text.bytes(DESCRIPTORS.to_bytes()).bytes(b"/").number(staged.number().unsigned_abs().into()).bytes(b"\0");
    let own = text.finish().and_then(|path| CStr::from_bytes_with_nul(path).ok()).ok_or(Errno::INVAL)?;
    let mut text = Text::new(&mut temporary);
    text.bytes(CREDENTIALS).bytes(b".").number(INODE.load(Ordering::Relaxed)).bytes(b"\0");
    let temporary =
        text.finish().and_then(|name| CStr::from_bytes_with_nul(name).ok()).ok_or(Errno::INVAL)?;
    let mut credentials = [0; CREDENTIALS.len() + 1];
    credentials.iter_mut().zip(CREDENTIALS).for_each(|(to, from)| *to = *from);
    let credentials = CStr::from_bytes_with_nul(&credentials).map_err(|_| Errno::INVAL)?;
    sys::link(own, directory.number(), temporary)?;
    let renamed = sys::rename(directory.number(), temporary, directory.number(), credentials);
    if renamed.is_err() {
        let _ = sys::unlink(directory.number(), temporary);
    }
    renamed
}

/// This process's descriptors, as far as the kernel tells.
fn each_descriptor(mut act: impl FnMut(u32)) {
    let Ok(directory) = sys::open(DESCRIPTORS, libc::O_RDONLY | libc::O_DIRECTORY, 0) else { return };
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = sys::read_directory(&directory, &mut buffer) {
        let mut entries = buffer.get(..length).unwrap_or_default();
        // struct linux_dirent64: two words, the entry's length, its type, its name.
        while let Some(&[low, high]) = entries.get(16..18).and_then(|length| length.first_chunk()) {
            let length = usize::from(u16::from_le_bytes([low, high]));
            let Some((entry, rest)) = entries.split_at_checked(length) else { return };
            entries = rest;
            let name = entry.get(19..).and_then(|name| name.split(|&byte| byte == 0).next());
            if let Some(number) = name.and_then(parse_number) {
                act(number as u32);
            }
        }
    }
}

fn is_staged(number: c_int) -> bool {
    sys::stat(number, c"", libc::AT_EMPTY_PATH).is_ok_and(|found| {
        (found.st_dev, found.st_ino) == (DEVICE.load(Ordering::Relaxed), INODE.load(Ordering::Relaxed))
    })
}
