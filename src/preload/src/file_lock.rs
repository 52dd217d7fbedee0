//! Clients that lock a file beside their store, by flock(2) or fcntl(2), instead of a directory.
//!
//! Where the store alone is mounted, each container has a lock file of its own. Then the lock on the store comes
//! first, and the client's own, which still excludes others in its container, second. Everywhere else, and in a process
//! that has not opened such a lock file, these calls go through as they are.

use core::ffi::{c_int, c_long};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use lockspan_core::config::{MAX_STORES, StoreLock};
use lockspan_core::lease::{Lease, REGION};
use lockspan_core::names::LOCK_SUFFIX;
use lockspan_lock::kernel::{Errno, Kernel, Place, Shared};
use lockspan_lock::linux::directory_identity;
use lockspan_lock::sys;

use crate::configuration;
use crate::directory;
use crate::events::{self, Event};
use crate::hook::{self, Word};
use crate::matching;
use crate::shell;

/// How long a lock is waited for by who is ready to wait. Milliseconds.
const LONGEST: u64 = 120_000;

/// Between two attempts. Milliseconds.
const STEP: u64 = 5;

/// Such a lock has no age: it lasts until it is given back.
const FOR_EVER: Lease = Lease { start: 0, end: REGION };

/// Whether this process, or one that it was forked from, has opened a store's lock file.
static OPENED: AtomicBool = AtomicBool::new(false);

/// The lock on a store that a process has.
struct Held {
    /// As [`Kernel::shared_drop`] takes it.
    lock: AtomicU64,
    /// [`holder_by`] which process and descriptor.
    holder: AtomicU64,
}

/// What is held of each store.
static HELD: [Held; MAX_STORES] =
    [const { Held { lock: AtomicU64::new(0), holder: AtomicU64::new(0) } }; MAX_STORES];

fn record(event: &'static str, errno: c_int, took: u64) {
    events::record(Event { lock: "store", event, detail: "file-lock", errno, took });
}

/// This process, and above it the descriptor by which it has locked the client's own file: closing another one of that
/// file ends no flock.
fn holder_by(descriptor: c_int) -> u64 {
    u64::from(descriptor.cast_unsigned()) << 32 | u64::from(sys::process_id())
}

/// Whether this is of this process.
fn is_own(holder: u64) -> bool {
    holder as u32 == sys::process_id()
}

/// Whether there can be anything to do about a descriptor.
pub fn any() -> bool {
    OPENED.load(Ordering::SeqCst)
}

/// A file of this name is opened: from now on calls that lock are looked at, if it may be a store's lock file.
pub fn opened(name: &[u8]) {
    let locks = |store: &_| matching::locks_by_file(store, name);
    if !any() && name.ends_with(LOCK_SUFFIX) && configuration::stores().iter().any(locks) {
        OPENED.store(true, Ordering::SeqCst);
        hook::watch();
    }
}

/// What a call does with a lock.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Takes it, and waits for it or not.
    Lock {
        /// Whether it waits.
        waits: bool,
    },
    /// Gives it back.
    Unlock,
}

impl Act {
    /// What flock(2) does.
    pub fn of_flock(operation: c_int) -> Option<Act> {
        match operation & !libc::LOCK_NB {
            libc::LOCK_EX | libc::LOCK_SH => Some(Act::Lock { waits: operation & libc::LOCK_NB == 0 }),
            libc::LOCK_UN => Some(Act::Unlock),
            _ => None,
        }
    }

    /// What fcntl(2) does.
    pub unsafe fn of_fcntl(command: c_int, range: Word) -> Option<Act> {
        let waits = match command {
            libc::F_SETLK | libc::F_OFD_SETLK => false,
            libc::F_SETLKW | libc::F_OFD_SETLKW => true,
            _ => return None,
        };
        if !shell::readable(range.addr()) {
            return None;
        }
        // Of the two bytes the lower one, which comes first: the other may be in another page.
        // SAFETY: these commands take a range, whose type comes first, and it can be read.
        match c_int::from(unsafe { range.cast::<u8>().read() }) {
            libc::F_UNLCK => Some(Act::Unlock),
            _ => Some(Act::Lock { waits }),
        }
    }
}

/// What becomes of a call, `original` being what the client's own file makes of it.
#[cold]
#[inline(never)]
pub fn lock(descriptor: c_int, act: Act, original: impl FnOnce() -> c_long) -> Option<c_long> {
    let number = store_of(descriptor)?;
    if act == Act::Unlock {
        let result = original();
        release(number);
        return Some(result);
    }
    match take(number, descriptor, act == Act::Lock { waits: true }) {
        Ok(true) => {
            let result = original();
            if result != 0 {
                release(number);
            }
            Some(result)
        }
        Ok(false) => None,
        Err(errno) => Some(shell::answer(Err(errno))),
    }
}

/// A descriptor is about to be closed, and with it the lock.
#[cold]
#[inline(never)]
pub fn closing(descriptor: c_int) {
    let own = holder_by(descriptor);
    if let Some(number) = HELD.iter().position(|held| held.holder.load(Ordering::SeqCst) == own) {
        release(number);
    }
}

/// The number of the store whose lock file this is.
#[inline(never)]
fn store_of(descriptor: c_int) -> Option<usize> {
    let found = directory_identity(descriptor, c"").ok()?;
    let mut kernel = directory::kernel();
    configuration::stores().iter().enumerate().position(|(number, store)| {
        store.lock == StoreLock::File
            && matching::serve_store(&mut kernel, number).is_some()
            && directory_identity(libc::AT_FDCWD, kernel.path(Place::Lock)) == Ok(found)
    })
}

/// Takes the lock on the store; `false` if none is needed, or it cannot be had for another reason than another holder.
#[inline(never)]
fn take(number: usize, descriptor: c_int, waits: bool) -> Result<bool, Errno> {
    let mut kernel = directory::kernel();
    let Some(held) = HELD.get(number) else { return Ok(false) };
    if matching::serve_store(&mut kernel, number).is_none() || is_own(held.holder.load(Ordering::SeqCst)) {
        return Ok(false);
    }
    let start = kernel.monotonic();
    loop {
        kernel.block_signals();
        let shared = kernel.shared_lock(FOR_EVER);
        if let Shared::Taken(mapping) = shared {
            held.lock.store(mapping, Ordering::SeqCst);
            held.holder.store(holder_by(descriptor), Ordering::SeqCst);
        }
        let waited = kernel.monotonic().saturating_sub(start);
        if waits && waited < LONGEST && matches!(shared, Shared::Busy) {
            let interrupted = kernel.pause(STEP);
            kernel.unblock_signals();
            if interrupted {
                // As the original, which a timer may be there to end: flock(1) has one.
                return Err(Errno(libc::EINTR));
            }
            continue;
        }
        kernel.unblock_signals();
        let (event, errno) = match shared {
            Shared::Taken(_) => ("taken", 0),
            Shared::Busy if !waits => ("blocked", libc::EAGAIN),
            Shared::Busy | Shared::Incoherent | Shared::Refused(_) => ("bypassed", 0),
            Shared::NotNeeded => return Ok(false),
        };
        record(event, errno, waited);
        return if errno == 0 { Ok(event == "taken") } else { Err(Errno(errno)) };
    }
}

fn release(number: usize) {
    if let Some(held) = HELD.get(number)
        && let found = held.holder.load(Ordering::SeqCst)
        && is_own(found)
        && held.holder.compare_exchange(found, 0, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    {
        directory::kernel().shared_drop(held.lock.load(Ordering::SeqCst));
        record("released", 0, 0);
    }
}
