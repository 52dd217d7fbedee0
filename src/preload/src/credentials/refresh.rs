//! The refresh gate, for clients that take no lock but read their credentials again before they refresh: the first one
//! that opens an expired file goes on, and the others wait until it has been replaced.
//!
//! It must never be on a client's way that takes a lock of its own, and nobody waits for longer than a bound: whoever
//! opened the file first need not be about to refresh it.

use core::sync::atomic::{AtomicBool, Ordering};

use lockspan_core::Cycle;
use lockspan_core::expiry::is_expired;
use lockspan_core::names::LOCKS;
use lockspan_core::pair::fingerprint;
use lockspan_lock::kernel::{Kernel, Place, Signals};
use lockspan_lock::linux::Linux;
use lockspan_lock::protocol::{self, Asked, Blocked, Patience};
use lockspan_lock::slot::Slot;
use lockspan_lock::sys;

use super::content::Content;
use super::{OPEN, record};
use crate::operations;
use crate::operations::undisturbed;

/// How long a refresh is waited for. Milliseconds.
const LONGEST: u64 = 20_000;

/// Between two looks at the file. Milliseconds.
const STEP: u64 = 20;

const AT_ONCE: Patience = Patience { total: 0, step: STEP, absent: 200 };

/// Whether this process takes a lock of its own.
static REFUSED: AtomicBool = AtomicBool::new(false);

/// A process takes a lock for a store that has a gate: two kinds of lock would wait for each other.
pub fn refuse() {
    if !REFUSED.swap(true, Ordering::Relaxed) {
        record("gate-refused", "client-takes-a-lock", 0);
    }
}

/// A process opens the file of a gate to read it, `kernel` serving that gate's lock.
#[cold]
#[inline(never)]
pub fn wait(kernel: &mut Linux, slot: &Slot, member: &[u8]) {
    let start = kernel.monotonic();
    let pid = kernel.pid();
    let mut first = None;
    // A program may read the file, and have a child of its own refresh it.
    while !REFUSED.load(Ordering::Relaxed) && !slot.was_held_by_parent(pid) {
        let now = kernel.wall().millis_since(Default::default()).unsigned_abs();
        let Ok(file) = sys::open(kernel.path(Place::Credentials), libc::O_RDONLY | OPEN, 0) else { return };
        let Ok(content) = Content::read(&file, 0) else { return };
        drop(file);
        let found = fingerprint(content.bytes());
        if !is_expired(content.bytes(), member, now) {
            // Whoever holds the gate has done what it was for.
            undisturbed(kernel, |kernel| protocol::remove(kernel, slot, Asked::Lock));
            return;
        }
        drop(content);
        if *first.get_or_insert(found) != found {
            return;
        }
        match undisturbed(kernel, |kernel| protocol::take(kernel, slot, Cycle::InPlace, 0o700, AT_ONCE)) {
            Ok(_) => return record("gate", "first", 0),
            Err(Blocked::Held | Blocked::HeldElsewhere | Blocked::Foreign) => {}
            Err(_) => return,
        }
        if kernel.monotonic().saturating_sub(start) > LONGEST {
            // A gate that nobody is proven to have left, as where flock does not work, becomes stale like a lock.
            protocol::look(kernel, slot, Asked::Lock);
            undisturbed(kernel, |kernel| protocol::remove(kernel, slot, Asked::Lock));
            return record("bypassed", "gate-waited-too-long", 0);
        }
        kernel.sleep(STEP, Signals::Delivered);
    }
}

/// This process has replaced the file of the store with this number, whose gate `kernel` serves.
pub fn done(kernel: &mut Linux, number: usize) {
    if let Some(slot) = operations::slot(LOCKS.len() + number) {
        protocol::remove(kernel, slot, Asked::Lock);
    }
}
