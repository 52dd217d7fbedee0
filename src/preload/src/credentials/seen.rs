//! What this process has last seen of a credentials file, to tell who is about to undo somebody else's refresh.
//!
//! Only a hash is kept, never a token.

use core::sync::atomic::{AtomicU64, Ordering};

use lockspan_core::pair::Generation;
use lockspan_lock::linux::Linux;
use lockspan_lock::sys;

use crate::directory;

/// What this process, or one that it was forked from, has last seen: the generation (0 = none), of which credentials
/// file, and when, in monotonic milliseconds.
static SEEN: AtomicU64 = AtomicU64::new(0);
static SEEN_OF: AtomicU64 = AtomicU64::new(0);
static SEEN_AT: AtomicU64 = AtomicU64::new(0);

/// For how long that counts. A refresh takes less; after it a client may have read the file where we do not see
/// it, and its log-out must go through.
const REMEMBERED: u64 = 120_000;

/// From now on this process has seen this in `kernel`'s credentials file: it has read it, or put it there.
pub fn remember(kernel: &mut Linux, generation: Generation) {
    SEEN_AT.store(sys::monotonic(), Ordering::Relaxed);
    SEEN_OF.store(directory::credentials_key(kernel), Ordering::Relaxed);
    SEEN.store(generation, Ordering::Relaxed);
}

/// The generation that this process knows of `kernel`'s credentials file, if any.
pub fn last(kernel: &mut Linux) -> Option<Generation> {
    let seen = SEEN.load(Ordering::Relaxed);
    let age = sys::monotonic().saturating_sub(SEEN_AT.load(Ordering::Relaxed));
    let counts = age < REMEMBERED && SEEN_OF.load(Ordering::Relaxed) == directory::credentials_key(kernel);
    Some(seen).filter(|&seen| seen != 0 && counts)
}

/// Nothing is known any more: the process writes to the file in a way that does not show what it knows.
pub fn forget() {
    SEEN.store(0, Ordering::Relaxed);
}
