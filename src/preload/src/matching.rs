//! Which paths are a lock's.
//!
//! A path is compared by its last component first, then as text, and only then by asking the kernel which
//! directory it lies in, so that relative paths, `..`, descriptors and symbolic links are all seen through.

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char, c_int};
use core::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

use lockspan_core::names::{
    CONFIG_BELOW_HOME, CREDENTIALS, ConfigDirectory, LOCKS, REFRESH_LOCK, SIBLING_SUFFIX, config_directory,
};
use lockspan_core::path::split_last;
use lockspan_core::text::Text;
use lockspan_lock::kernel::Place;
use lockspan_lock::linux::{Linux, PATH_MAX, directory_identity};
use lockspan_lock::protocol::Asked;
use lockspan_lock::sys;

use crate::environment::variable;

/// The index of the lock that has a sibling.
fn sibling_lock() -> Option<usize> {
    LOCKS.iter().position(|names| names.lock == REFRESH_LOCK)
}

/// Tells which lock a path is, if any, by its index and by how it was asked for; `kernel` serves it from then
/// on.
#[inline(never)]
pub unsafe fn target(at: c_int, path: *const c_char, kernel: &mut Linux) -> Option<(usize, Asked)> {
    // SAFETY: the caller passed a path, and its length was taken before.
    let path = unsafe { CStr::from_ptr(path) }.to_bytes();
    let (parent, last) = split_last(path)?;
    let (lock, asked) = match LOCKS.iter().position(|names| names.lock == last) {
        Some(lock) => (lock, Asked::Lock),
        None => (last.strip_suffix(SIBLING_SUFFIX).and(sibling_lock())?, Asked::Sibling),
    };
    let buffer = kernel.path_buffer();
    let mut length = config_directory_path(buffer)?;
    let directory = buffer.get(..length)?;
    let container = match asked {
        Asked::Lock => directory,
        Asked::Sibling => {
            let (container, name) = split_last(directory)?;
            if last.strip_suffix(SIBLING_SUFFIX) != Some(name) {
                return None;
            }
            container
        }
    };
    if !same_text(parent, container) {
        let container = container.len();
        if !same_directory(at, parent, buffer, container)? {
            return None;
        }
        length = config_directory_path(buffer)?;
    }
    kernel.serve(length, LOCKS.get(lock)?)?;
    Some((lock, asked))
}

/// Whether a path is that of the credentials file; `kernel` serves its directory from then on.
#[inline(never)]
pub unsafe fn credentials(at: c_int, path: *const c_char, kernel: &mut Linux) -> Option<()> {
    // SAFETY: the caller passed a path, and its length was taken before.
    let path = unsafe { CStr::from_ptr(path) }.to_bytes();
    let (parent, last) = split_last(path)?;
    if last != CREDENTIALS || path.last() == Some(&b'/') {
        return None;
    }
    let buffer = kernel.path_buffer();
    let mut length = config_directory_path(buffer)?;
    if !same_text(parent, buffer.get(..length)?) {
        if !same_directory(at, parent, buffer, length)? {
            return None;
        }
        length = config_directory_path(buffer)?;
    }
    kernel.serve(length, LOCKS.get(sibling_lock()?)?)
}

/// Makes `kernel` serve a lock of this process's config directory.
pub fn serve(kernel: &mut Linux, lock: usize) -> Option<()> {
    let length = config_directory_path(kernel.path_buffer())?;
    kernel.serve(length, LOCKS.get(lock)?)
}

/// Whether this process has a config directory at all.
#[inline(never)]
pub fn has_directory() -> bool {
    config_directory_path(&mut [0; PATH_MAX]).is_some()
}

/// Whether two absolute paths of directories are the same but for slashes at the end.
fn same_text(one: &[u8], other: &[u8]) -> bool {
    let trim = |path: &[u8]| path.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last + 1);
    one.first() == Some(&b'/') && one.get(..trim(one)) == other.get(..trim(other))
}

/// Whether the directory that `parent` leads to from `at` is the one whose path is the first `length` bytes of
/// the buffer, which is used up: there is no room for another on a small stack.
fn same_directory(at: c_int, parent: &[u8], buffer: &mut [u8; PATH_MAX], length: usize) -> Option<bool> {
    *buffer.get_mut(length)? = 0;
    let container = CStr::from_bytes_until_nul(buffer).ok()?;
    let container = directory_identity(libc::AT_FDCWD, container).ok()?;
    let asked = directory_identity(at, terminated(buffer, &[parent])?).ok()?;
    Some(asked == container)
}

/// The parts as one C string, or `None` if they do not fit.
pub fn terminated<'a>(buffer: &'a mut [u8], parts: &[&[u8]]) -> Option<&'a CStr> {
    let length = {
        let mut text = Text::new(buffer);
        for part in parts {
            text.bytes(part);
        }
        text.bytes(b"\0");
        text.finish()?.len()
    };
    CStr::from_bytes_with_nul(buffer.get(..length)?).ok()
}

/// The real path of the config directory, kept from the first time that it was found, and behind it the name of
/// the lock that a sibling may be shown as: a path that lives as long as the process.
struct Cache {
    state: AtomicU8,
    length: AtomicUsize,
    /// A hash of the path that the environment gave.
    key: AtomicU64,
    bytes: UnsafeCell<[u8; PATH_MAX]>,
}

// SAFETY: `bytes` is written by the one thread that moved `state` from EMPTY to FILLING, and read only by
// those that saw FULL, which is set after the last write and never changes again.
unsafe impl Sync for Cache {}

const EMPTY: u8 = 0;
const FILLING: u8 = 1;
const FULL: u8 = 2;

static CACHE: Cache = Cache {
    state: AtomicU8::new(EMPTY),
    length: AtomicUsize::new(0),
    key: AtomicU64::new(0),
    bytes: UnsafeCell::new([0; PATH_MAX]),
};

impl Cache {
    fn get(&self, key: u64) -> Option<&[u8]> {
        if self.state.load(Ordering::Acquire) != FULL || self.key.load(Ordering::Relaxed) != key {
            return None;
        }
        // SAFETY: FULL was seen; see above.
        unsafe { &*self.bytes.get() }.get(..self.length.load(Ordering::Relaxed))
    }

    fn put(&self, key: u64, path: &[u8]) {
        if path.len() + REFRESH_LOCK.len() + 2 > PATH_MAX
            || self.state.compare_exchange(EMPTY, FILLING, Ordering::Acquire, Ordering::Relaxed).is_err()
        {
            return;
        }
        // SAFETY: this thread alone moved the state to FILLING; see above.
        let bytes = unsafe { &mut *self.bytes.get() };
        let lock = path.iter().chain(b"/").chain(REFRESH_LOCK).chain(b"\0");
        bytes.iter_mut().zip(lock).for_each(|(to, from)| *to = *from);
        self.length.store(path.len(), Ordering::Relaxed);
        self.key.store(key, Ordering::Relaxed);
        self.state.store(FULL, Ordering::Release);
    }

    /// The path of the lock, if this is its config directory.
    fn lock(&self, directory: &[u8]) -> Option<*const c_char> {
        let kept = self.get(self.key.load(Ordering::Relaxed))?;
        (kept == directory).then(|| self.bytes.get().cast_const().cast())
    }
}

/// The path of the lock that `kernel` serves, which has a sibling, for as long as the process lives.
pub fn lasting_path(kernel: &mut Linux) -> Option<*const c_char> {
    let path = kernel.path(Place::Lock).to_bytes();
    CACHE.lock(split_last(path)?.0.strip_suffix(b"/")?)
}

/// Whether the config directory that `kernel` serves is the one that is kept.
pub fn is_kept(kernel: &mut Linux) -> bool {
    CACHE.lock(kernel.directory().to_bytes()).is_some()
}

/// Makes `kernel` serve the config directory that is kept, whatever the environment says by now.
pub fn serve_kept(kernel: &mut Linux) -> Option<()> {
    kernel.serve_path(CACHE.get(CACHE.key.load(Ordering::Relaxed))?, LOCKS.first()?)
}

/// Puts the real path of the config directory into the buffer, if there is one; its length.
fn config_directory_path(buffer: &mut [u8; PATH_MAX]) -> Option<usize> {
    let value = |name| variable(name).map(CStr::to_bytes);
    let given = config_directory(
        value(c"CLAUDE_SECURESTORAGE_CONFIG_DIR"),
        value(c"CLAUDE_CONFIG_DIR"),
        value(c"HOME"),
    )?;
    let (base, below): (&[u8], &[u8]) = match given {
        ConfigDirectory::Given(path) => (path, b""),
        ConfigDirectory::BelowHome(home) => (home, CONFIG_BELOW_HOME),
    };
    let key = hash(hash(FNV_START, base), below);
    if let Some(directory) = CACHE.get(key) {
        buffer.get_mut(..directory.len())?.iter_mut().zip(directory).for_each(|(to, from)| *to = *from);
        return Some(directory.len());
    }
    // A signal handler would find a descriptor open that the host knows nothing of.
    let signals = sys::block_signals();
    let length = resolve(buffer, base, below);
    if let Ok(signals) = signals {
        sys::set_signals(signals);
    }
    let length = length?;
    // What a relative path leads to may change with the working directory, so that it is never found again.
    let key = if base.first() == Some(&b'/') { key } else { 0 };
    CACHE.put(key, buffer.get(..length)?);
    Some(length)
}

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// Stands for the config directory that `kernel` serves.
pub fn directory_key(kernel: &mut Linux) -> u64 {
    hash(FNV_START, kernel.directory().to_bytes())
}

/// FNV-1a, one step more for the end, so that parts do not run into each other.
fn hash(start: u64, bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    step(bytes.iter().fold(start, |hash, &byte| step(hash, byte)), b'/')
}

/// Puts the real path of `base/below` into the buffer, as the kernel names the directory once it is open; its
/// length.
#[inline(never)]
fn resolve(buffer: &mut [u8; PATH_MAX], base: &[u8], below: &[u8]) -> Option<usize> {
    let given = match below {
        b"" => terminated(buffer, &[base]),
        below => terminated(buffer, &[base, b"/", below]),
    }?;
    let directory = sys::open(given, libc::O_PATH | libc::O_DIRECTORY, 0).ok()?;
    let mut link = [0; sys::DESCRIPTOR_PATH];
    let link = sys::descriptor_path(directory.number(), &mut link);
    // One byte is kept for the NUL.
    let length = sys::readlink(link, buffer.get_mut(..PATH_MAX - 1)?).ok()?;
    *buffer.get_mut(length)? = 0;
    // A directory out of reach or removed has a name here that leads elsewhere or nowhere.
    let named = CStr::from_bytes_with_nul(buffer.get(..=length)?).ok()?;
    let found = directory_identity(libc::AT_FDCWD, named).ok()?;
    (found == directory_identity(directory.number(), c"").ok()?).then_some(length)
}
