//! What this process has last seen of a credentials file, to tell who is about to undo somebody else's refresh.
//!
//! Only a hash is kept, never a token.

use core::sync::atomic::{AtomicU64, Ordering};

use lockspan_core::pair::Generation;
use lockspan_lock::linux::Linux;
use lockspan_lock::sys;

use super::refresh;
use crate::directory;
use crate::matching::Whose;

/// What this process, or one that it was forked from, has last seen: the generation (0 = none), of which credentials
/// file, and when, in monotonic milliseconds.
static SEEN: AtomicU64 = AtomicU64::new(0);
static SEEN_OF: AtomicU64 = AtomicU64::new(0);
static SEEN_AT: AtomicU64 = AtomicU64::new(0);

/// For how long that counts. A refresh takes less; after it a client may have read the file where we do not see
/// it, and its log-out must go through.
const REMEMBERED: u64 = 120_000;

/// Which generation of which credentials file.
#[derive(Clone, Copy)]
pub struct Seen {
    generation: Generation,
    of: u64,
    /// The number of the store that had a gate, which is open from now on.
    gate: Option<usize>,
}

impl Seen {
    /// `kernel`'s credentials file, in which this generation was found.
    pub fn read(kernel: &mut Linux, generation: Generation) -> Seen {
        Seen { generation, of: directory::credentials_key(kernel), gate: None }
    }

    /// The same, where this process puts it there.
    pub fn put(kernel: &mut Linux, whose: Whose, generation: Generation) -> Seen {
        Seen { gate: whose.gate(), ..Seen::read(kernel, generation) }
    }

    /// From now on this process has seen it: it has read it, or put it there. `kernel` serves it.
    pub fn remember(self, kernel: &mut Linux) {
        self.note();
        if let Some(number) = self.gate {
            refresh::done(kernel, number);
        }
    }

    /// The same, where nothing is served any more.
    pub fn remember_put(self) {
        self.note();
        if let Some(number) = self.gate {
            refresh::serve_done(number);
        }
    }

    fn note(self) {
        SEEN_AT.store(sys::monotonic(), Ordering::Relaxed);
        SEEN_OF.store(self.of, Ordering::Relaxed);
        SEEN.store(self.generation, Ordering::Relaxed);
    }
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
