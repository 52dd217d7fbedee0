//! What this process holds of one lock: plain atomics, so that any thread may ask at any time, also inside a
//! signal handler, and nobody ever waits.
//!
//! Every word carries the process id: a forked child finds its parent's words and knows that they are not its
//! own. Nothing here asks the kernel.

use core::sync::atomic::{AtomicU64, Ordering, fence};
use lockspan_core::{Cycle, Identity, Time};

use crate::kernel::Stat;

/// A held lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// The locked guard, if there is one.
    pub guard: Option<u64>,
    /// The lock directory that was made.
    pub lock: Identity,
    /// The sibling directory that was made.
    pub sibling: Option<Identity>,
    /// How the lock came to be held.
    pub cycle: Cycle,
}

/// A lease that this process has of the credentials file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OwnLease {
    /// The kernel's handle, never 0.
    pub handle: u64,
    /// Where it ends, see [`lockspan_core::lease`].
    pub end: u64,
}

/// The state of one lock in this process.
#[derive(Debug, Default)]
pub struct Slot {
    /// Process id, generation and phase; see [`Word`].
    word: AtomicU64,
    /// The thread that is changing it.
    thread: AtomicU64,
    /// Process id and the cycle by which this process uses the lock, also while it only waits for it.
    user: AtomicU64,
    /// Since when, in monotonic milliseconds, the guard was seen busy with no lock directory; 0 = not seen.
    absent_since: AtomicU64,
    /// The directory that the client was last shown while it did not hold the lock, and when that was touched.
    shown: AtomicIdentity,
    shown_mtime: AtomicU64,
    guard: AtomicU64,
    /// The lease of the credentials file, where that is all that is shared, or 0, and its end. They are no part of a
    /// [`Held`]: a heartbeat renews them, while another thread may give the lock back.
    shared: AtomicU64,
    shared_end: AtomicU64,
    lock: AtomicIdentity,
    sibling: AtomicIdentity,
    /// The sibling that a new client made while it held the lock.
    nested: AtomicIdentity,
    flags: AtomicU64,
}

/// The right to change a slot, which only one thread has at a time.
#[derive(Debug)]
#[must_use = "a claim that is dropped leaves the slot unusable"]
pub struct Claim<'a> {
    slot: &'a Slot,
    word: Word,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Word(u64);

const FREE: u64 = 0;
const CHANGING: u64 = 1;
const HELD: u64 = 2;
const PHASE: u64 = 3;
const PROCESS: u64 = 0xffff_ffff << 32;

impl Word {
    fn phase_for(self, pid: u32) -> u64 {
        if self.0 & PROCESS == u64::from(pid) << 32 { self.0 & PHASE } else { FREE }
    }

    /// The next word: another generation, so that a reader sees that something changed.
    fn next(self, pid: u32, phase: u64) -> Word {
        let generation = (self.0 & !PROCESS & !PHASE).wrapping_add(PHASE + 1) & !PROCESS;
        Word(u64::from(pid) << 32 | generation | phase)
    }
}

const HAS_GUARD: u64 = 1;
const HAS_SIBLING: u64 = 2;
const IS_REDIRECTED: u64 = 4;

impl Slot {
    /// A slot that holds nothing.
    pub const fn new() -> Slot {
        Slot {
            word: AtomicU64::new(0),
            thread: AtomicU64::new(0),
            user: AtomicU64::new(0),
            absent_since: AtomicU64::new(0),
            shown: AtomicIdentity::new(),
            shown_mtime: AtomicU64::new(0),
            guard: AtomicU64::new(0),
            shared: AtomicU64::new(0),
            shared_end: AtomicU64::new(0),
            lock: AtomicIdentity::new(),
            sibling: AtomicIdentity::new(),
            nested: AtomicIdentity::new(),
            flags: AtomicU64::new(0),
        }
    }

    /// Starts to take the lock. `None` if this process holds it or another of its threads is changing it.
    ///
    /// A thread that is changing it itself slept in its call, and a signal handler came in between: it may have
    /// jumped out of that call, which then never goes on. The older claim is void.
    pub fn claim(&self, pid: u32, thread: u32) -> Option<Claim<'_>> {
        let word = Word(self.word.load(Ordering::Acquire));
        match word.phase_for(pid) {
            FREE => self.change(pid, thread, word),
            CHANGING if self.thread.load(Ordering::Relaxed) == thread.into() => {
                self.change(pid, thread, word)
            }
            _ => None,
        }
    }

    /// Starts to give exactly this lock back. `None` if this process does not hold it any more, or another thread
    /// was first: it may even have taken the lock again, which must not be given back for the one before.
    pub fn claim_held(&self, pid: u32, thread: u32, held: &Held) -> Option<Claim<'_>> {
        let (present, word) = self.read(pid)?;
        if present == *held { self.change(pid, thread, word) } else { None }
    }

    fn change(&self, pid: u32, thread: u32, word: Word) -> Option<Claim<'_>> {
        let next = word.next(pid, CHANGING);
        self.word.compare_exchange(word.0, next.0, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        fence(Ordering::Release);
        self.thread.store(thread.into(), Ordering::Relaxed);
        Some(Claim { slot: self, word: next })
    }

    /// What this process holds.
    pub fn held(&self, pid: u32) -> Option<Held> {
        self.read(pid).map(|(held, _)| held)
    }

    /// What this process holds, and the word under which it was read: a claim from that very word proves
    /// that nothing changed in between.
    fn read(&self, pid: u32) -> Option<(Held, Word)> {
        let word = Word(self.word.load(Ordering::Acquire));
        if word.phase_for(pid) != HELD {
            return None;
        }
        let flags = self.flags.load(Ordering::Relaxed);
        let held = Held {
            guard: (flags & HAS_GUARD != 0).then(|| self.guard.load(Ordering::Relaxed)),
            lock: self.lock.load(),
            sibling: (flags & HAS_SIBLING != 0).then(|| self.sibling.load()),
            cycle: if flags & IS_REDIRECTED != 0 { Cycle::Redirected } else { Cycle::InPlace },
        };
        fence(Ordering::Acquire);
        (self.word.load(Ordering::Relaxed) == word.0).then_some((held, word))
    }

    /// Whether any process of this address space's line ever used the lock: one load, no system call.
    pub fn was_used(&self) -> bool {
        self.user.load(Ordering::Relaxed) != 0
    }

    /// Whether the process that this one was forked from held the lock then.
    pub fn was_held_by_parent(&self, pid: u32) -> bool {
        let word = self.word.load(Ordering::Acquire);
        word & PHASE == HELD && word & PROCESS != u64::from(pid) << 32
    }

    /// By which cycle this process uses the lock, from its first attempt until it gives the lock back.
    pub fn user(&self, pid: u32) -> Option<Cycle> {
        let user = self.user.load(Ordering::Relaxed);
        match (user >> 32 == u64::from(pid), user & PHASE) {
            (true, 1) => Some(Cycle::Redirected),
            (true, 2) => Some(Cycle::InPlace),
            _ => None,
        }
    }

    /// Notes that this process uses the lock.
    pub fn set_user(&self, pid: u32, cycle: Cycle) {
        let cycle = match cycle {
            Cycle::Redirected => 1,
            Cycle::InPlace => 2,
        };
        self.user.store(u64::from(pid) << 32 | cycle, Ordering::Relaxed);
    }

    /// Notes the lease with which the lock is about to be held.
    pub fn set_shared(&self, lease: Option<OwnLease>) {
        self.shared_end.store(lease.map_or(0, |lease| lease.end), Ordering::Relaxed);
        self.shared.store(lease.map_or(0, |lease| lease.handle), Ordering::Release);
    }

    /// The lease of this process, which holds the lock.
    pub fn shared(&self) -> Option<OwnLease> {
        let handle = self.shared.load(Ordering::Acquire);
        (handle != 0).then(|| OwnLease { handle, end: self.shared_end.load(Ordering::Relaxed) })
    }

    /// Puts a renewed lease in the place of the present one; returns the handle of the one that is to be dropped: the
    /// new one if another thread has given the lock back.
    pub fn renew_shared(&self, present: OwnLease, new: OwnLease) -> u64 {
        // First the end: with the old handle and the new end a renewal is too early, and nothing else.
        self.shared_end.store(new.end, Ordering::Relaxed);
        match self.shared.compare_exchange(present.handle, new.handle, Ordering::Release, Ordering::Relaxed) {
            Ok(old) => old,
            Err(_) => new.handle,
        }
    }

    /// The handle of the lease, which is the caller's to drop.
    pub fn take_shared(&self) -> Option<u64> {
        Some(self.shared.swap(0, Ordering::AcqRel)).filter(|&lease| lease != 0)
    }

    /// Notes the sibling that this process made while it held the lock in place.
    pub fn set_nested(&self, sibling: Identity) {
        self.nested.store(sibling);
    }

    /// The sibling that was last noted so.
    pub fn nested(&self) -> Identity {
        self.nested.load()
    }

    /// Notes what the client was shown of a lock that it does not hold.
    pub fn set_shown(&self, stat: &Stat) {
        self.shown.store(stat.identity);
        self.shown_mtime.store(pack(stat.mtime), Ordering::Relaxed);
    }

    /// Whether the client was last shown exactly this directory with this modification time.
    pub fn was_shown(&self, stat: &Stat) -> bool {
        self.shown.load() == stat.identity && self.shown_mtime.load(Ordering::Relaxed) == pack(stat.mtime)
    }

    /// Notes that the guard is busy while there is no lock directory; returns since when, in the monotonic
    /// milliseconds given.
    pub fn absent(&self, now: u64) -> u64 {
        match self.absent_since.load(Ordering::Relaxed) {
            0 => {
                self.absent_since.store(now.max(1), Ordering::Relaxed);
                now
            }
            since => since,
        }
    }

    /// Notes that the guard is free or the lock directory there.
    pub fn present(&self) {
        self.absent_since.store(0, Ordering::Relaxed);
    }
}

impl Claim<'_> {
    /// Whether nothing has voided the claim while its thread slept.
    pub fn is_valid(&self) -> bool {
        self.slot.word.load(Ordering::Relaxed) == self.word.0
    }

    /// The lock is held now.
    pub fn hold(self, pid: u32, held: &Held) {
        let slot = self.slot;
        let mut flags = 0;
        if let Some(guard) = held.guard {
            flags |= HAS_GUARD;
            slot.guard.store(guard, Ordering::Relaxed);
        }
        if let Some(sibling) = held.sibling {
            flags |= HAS_SIBLING;
            slot.sibling.store(sibling);
        }
        if held.cycle == Cycle::Redirected {
            flags |= IS_REDIRECTED;
        }
        slot.lock.store(held.lock);
        slot.flags.store(flags, Ordering::Relaxed);
        slot.word.store(self.word.next(pid, HELD).0, Ordering::Release);
    }

    /// The lock is not held.
    pub fn free(self, pid: u32) {
        self.slot.word.store(self.word.next(pid, FREE).0, Ordering::Release);
    }

    /// The lock was given back: this process does not use it any more.
    pub fn end(self, pid: u32) {
        self.slot.user.store(0, Ordering::Relaxed);
        self.free(pid);
    }
}

/// Nanoseconds since the epoch, which last until the year 2554.
fn pack(time: Time) -> u64 {
    time.sec.cast_unsigned().wrapping_mul(1_000_000_000).wrapping_add(time.nsec.into())
}

#[derive(Debug, Default)]
struct AtomicIdentity {
    dev: AtomicU64,
    ino: AtomicU64,
    sec: AtomicU64,
    nsec: AtomicU64,
}

impl AtomicIdentity {
    const fn new() -> AtomicIdentity {
        AtomicIdentity {
            dev: AtomicU64::new(0),
            ino: AtomicU64::new(0),
            sec: AtomicU64::new(0),
            nsec: AtomicU64::new(0),
        }
    }

    fn store(&self, identity: Identity) {
        self.dev.store(identity.dev, Ordering::Relaxed);
        self.ino.store(identity.ino, Ordering::Relaxed);
        self.sec.store(identity.birth.sec.cast_unsigned(), Ordering::Relaxed);
        self.nsec.store(u64::from(identity.birth.nsec), Ordering::Relaxed);
    }

    fn load(&self) -> Identity {
        Identity {
            dev: self.dev.load(Ordering::Relaxed),
            ino: self.ino.load(Ordering::Relaxed),
            birth: Time {
                sec: self.sec.load(Ordering::Relaxed).cast_signed(),
                nsec: self.nsec.load(Ordering::Relaxed) as u32,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(ino: u64) -> Held {
        let identity = Identity { dev: 1, ino, birth: Time { sec: 5, nsec: 6 } };
        Held { guard: Some(7), lock: identity, sibling: None, cycle: Cycle::Redirected }
    }

    #[test]
    fn one_claim_at_a_time() {
        let slot = Slot::new();
        let claim = slot.claim(10, 1).unwrap();
        assert!(slot.claim(10, 2).is_none(), "another thread is changing it");
        assert!(slot.held(10).is_none());
        claim.hold(10, &held(3));
        assert_eq!(slot.held(10), Some(held(3)));
        assert!(slot.claim(10, 1).is_none(), "this process holds it");
        assert!(slot.claim_held(10, 1, &held(4)).is_none(), "that one was given back before");
        let claim = slot.claim_held(10, 1, &held(3)).unwrap();
        assert!(slot.claim_held(10, 2, &held(3)).is_none(), "another thread was first");
        claim.end(10);
        let abandoned = slot.claim(10, 1).unwrap();
        let claim = slot.claim(10, 1).expect("a handler jumped out of this thread's call");
        assert!(claim.is_valid() && !abandoned.is_valid());
    }

    #[test]
    fn a_renewed_lease_is_given_back_once() {
        let slot = Slot::new();
        let lease = |handle| OwnLease { handle, end: handle * 100 };
        slot.set_shared(Some(lease(8)));
        assert_eq!(slot.renew_shared(lease(8), lease(9)), 8);
        assert_eq!(slot.shared(), Some(lease(9)));
        assert_eq!(slot.take_shared(), Some(9));
        assert_eq!(slot.renew_shared(lease(9), lease(10)), 10, "another thread was first");
        assert_eq!((slot.take_shared(), slot.shared()), (None, None));
    }

    #[test]
    fn a_forked_child_starts_with_nothing() {
        let slot = Slot::new();
        slot.set_user(10, Cycle::Redirected);
        slot.claim(10, 1).unwrap().hold(10, &held(3));
        assert!(slot.held(11).is_none() && slot.claim_held(11, 2, &held(3)).is_none());
        assert!(slot.was_held_by_parent(11) && !slot.was_held_by_parent(10));
        assert_eq!((slot.user(10), slot.user(11)), (Some(Cycle::Redirected), None));
        let claim = slot.claim(11, 2).expect("the parent's hold does not bar the child");
        claim.free(11);
    }
}
