//! The directories whose locks are served: where they really are, and whether a path leads there.
//!
//! Paths are compared as text first, and only then by asking the kernel which directory they lie in, so that relative
//! paths, `..`, descriptors and symbolic links are all seen through.

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char, c_int};
use core::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

use lockspan_core::config::MAX_STORES;
use lockspan_core::hash::{START, hash};
use lockspan_core::names::{LOCK_SUFFIX, LockNames};
use lockspan_core::path::split_last;
use lockspan_core::text::{Text, copy};
use lockspan_lock::kernel::Place;
use lockspan_lock::linux::{Linux, PATH_MAX, directory_identity};
use lockspan_lock::sys;

/// A kernel that serves no directory yet, made in its caller's frame. All callers share the code that clears its path.
#[inline(never)]
pub fn kernel() -> Linux {
    Linux::new()
}

/// The index of Claude Code's config directory; those of the stores follow.
pub const CLAUDE: usize = 0;

/// A directory, as somebody named it.
pub struct Directory<'a> {
    /// Which one it is.
    pub cache: usize,
    /// A path, which may be relative.
    pub base: &'a [u8],
    /// A path below that; empty for the first one itself.
    pub below: &'a [u8],
    /// The lock in it, without its suffix.
    pub lock: &'static [u8],
}

impl Directory<'_> {
    /// Whether the directory that `parent` leads to from `at` is this one, or with `beside` the one that has it by
    /// that name. Then its real path is in the buffer; the length of that.
    pub fn located(
        &self,
        buffer: &mut [u8; PATH_MAX],
        at: c_int,
        parent: &[u8],
        beside: Option<&[u8]>,
    ) -> Option<usize> {
        let length = self.real_path(buffer)?;
        let path = buffer.get(..length)?;
        let container = match beside {
            None => path,
            Some(wanted) => {
                let (container, name) = split_last(path)?;
                if name != wanted {
                    return None;
                }
                container
            }
        };
        if same_text(parent, container) {
            return Some(length);
        }
        let container = container.len();
        if same_directory(at, parent, buffer, container)? { self.real_path(buffer) } else { None }
    }

    /// Puts the real path of the directory into the buffer, if there is one; its length.
    pub fn real_path(&self, buffer: &mut [u8; PATH_MAX]) -> Option<usize> {
        // Changed in between, so that the two do not run into each other.
        let key = hash(!hash(START, self.base), self.below);
        let cache = CACHES.get(self.cache)?;
        if let Some(directory) = cache.get(key) {
            copy(buffer, directory)?;
            return Some(directory.len());
        }
        // A signal handler would find a descriptor open that the host knows nothing of.
        let blocked = sys::block_signals();
        let length = resolve(buffer, self.base, self.below);
        drop(blocked);
        let length = length?;
        // What a relative path leads to may change with the working directory, so that it is never found again.
        let key = if self.base.first() == Some(&b'/') { key } else { 0 };
        cache.put(key, buffer.get(..length)?, self.lock);
        Some(length)
    }
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
    let container = sys::c_string(buffer)?;
    let container = directory_identity(libc::AT_FDCWD, container).ok()?;
    let asked = directory_identity(at, terminated(buffer, parent, b"", b"")?).ok()?;
    Some(asked == container)
}

/// The parts as one C string, or `None` if they do not fit.
#[inline(never)]
fn terminated<'a>(buffer: &'a mut [u8], start: &[u8], middle: &[u8], end: &[u8]) -> Option<&'a CStr> {
    Text::new(buffer).bytes(start).bytes(middle).bytes(end).bytes(b"\0").finish()?;
    sys::c_string(buffer)
}

/// The real path of a directory, kept from the first time that it was found, and behind it the name of
/// the lock that a sibling may be shown as: a path that lives as long as the process.
struct Cache {
    state: AtomicU8,
    length: AtomicUsize,
    /// A hash of the path that was given.
    key: AtomicU64,
    bytes: UnsafeCell<[u8; PATH_MAX]>,
}

// SAFETY: `bytes` is written by the one thread that moved `state` from EMPTY to FILLING, and read only by
// those that saw FULL, which is set after the last write and never changes again.
unsafe impl Sync for Cache {}

const EMPTY: u8 = 0;
const FILLING: u8 = 1;
const FULL: u8 = 2;

static CACHES: [Cache; 1 + MAX_STORES] = [const { Cache::new() }; 1 + MAX_STORES];

impl Cache {
    const fn new() -> Cache {
        Cache {
            state: AtomicU8::new(EMPTY),
            length: AtomicUsize::new(0),
            key: AtomicU64::new(0),
            bytes: UnsafeCell::new([0; PATH_MAX]),
        }
    }

    fn get(&self, key: u64) -> Option<&[u8]> {
        if self.state.load(Ordering::Acquire) != FULL || self.key.load(Ordering::Relaxed) != key {
            return None;
        }
        // SAFETY: FULL was seen; see above.
        unsafe { &*self.bytes.get() }.get(..self.length.load(Ordering::Relaxed))
    }

    fn put(&self, key: u64, path: &[u8], lock: &[u8]) {
        if path.len() + lock.len() + LOCK_SUFFIX.len() + 2 > PATH_MAX
            || self.state.compare_exchange(EMPTY, FILLING, Ordering::Acquire, Ordering::Relaxed).is_err()
        {
            return;
        }
        // SAFETY: this thread alone moved the state to FILLING; see above.
        let bytes = unsafe { &mut *self.bytes.get() };
        Text::new(bytes).bytes(path).bytes(b"/").bytes(lock).bytes(LOCK_SUFFIX).bytes(b"\0");
        self.length.store(path.len(), Ordering::Relaxed);
        self.key.store(key, Ordering::Relaxed);
        self.state.store(FULL, Ordering::Release);
    }

    /// The path of the lock in it.
    fn lock(&self) -> Option<&CStr> {
        self.directory()?;
        // SAFETY: FULL was seen; see above.
        sys::c_string(unsafe { &*self.bytes.get() })
    }

    /// The directory.
    fn directory(&self) -> Option<&[u8]> {
        self.get(self.key.load(Ordering::Relaxed))
    }
}

/// Whether the directory that `kernel` serves is kept as the one of this index.
pub fn is_kept(kernel: &mut Linux, index: usize) -> bool {
    CACHES.get(index).and_then(Cache::directory) == Some(kernel.directory().to_bytes())
}

/// Makes `kernel` serve a directory that is kept, whatever the environment says by now.
pub fn serve_kept(kernel: &mut Linux, index: usize, names: &LockNames) -> Option<()> {
    kernel.serve_path(CACHES.get(index)?.directory()?, names)
}

/// The path of the lock that `kernel` serves, which has a sibling, for as long as the process lives.
pub fn lasting_path(kernel: &mut Linux) -> Option<*const c_char> {
    let lock = kernel.path(Place::Lock);
    CACHES.iter().filter_map(Cache::lock).find(|kept| *kept == lock).map(CStr::as_ptr)
}

/// Stands for the credentials file that `kernel` serves.
pub fn credentials_key(kernel: &mut Linux) -> u64 {
    hash(START, kernel.path(Place::Credentials).to_bytes())
}

/// Puts the real path of `base/below` into the buffer, as the kernel names the directory once it is open; its
/// length.
#[inline(never)]
fn resolve(buffer: &mut [u8; PATH_MAX], base: &[u8], below: &[u8]) -> Option<usize> {
    let slash: &[u8] = if below.is_empty() { b"" } else { b"/" };
    let given = terminated(buffer, base, slash, below)?;
    let directory = sys::open(given, libc::O_PATH | libc::O_DIRECTORY, 0).ok()?;
    let mut link = [0; sys::DESCRIPTOR_PATH];
    let link = sys::descriptor_path(directory.number(), &mut link);
    // One byte is kept for the NUL.
    let length = sys::readlink(link, buffer.get_mut(..PATH_MAX - 1)?).ok()?;
    *buffer.get_mut(length)? = 0;
    // A directory out of reach or removed has a name here that leads elsewhere or nowhere.
    let named = sys::c_string(buffer)?;
    let found = directory_identity(libc::AT_FDCWD, named).ok()?;
    (found == directory_identity(directory.number(), c"").ok()?).then_some(length)
}
