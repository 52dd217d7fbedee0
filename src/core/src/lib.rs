//! What lockspan decides, without doing anything: which paths are a lock, what an owner record proves,
//! when a lock counts as stale, what a setting means.
//!
//! This crate must stay `no_std`, without `unsafe`, without I/O and without a reachable panic: the preloaded
//! library is built from it.
#![no_std]
#![forbid(unsafe_code)]

pub mod config;
pub mod expiry;
pub mod hash;
pub mod lease;
pub mod names;
pub mod pair;
pub mod path;
pub mod record;
pub mod settings;
pub mod sites;
pub mod stale;
pub mod stub;
pub mod text;

/// Names a directory or file beyond doubt for as long as this kernel runs.
///
/// An inode number alone does not: it is reused as soon as it is free, so that a foreign successor's lock
/// directory can carry the dead owner's number. The birth time tells them apart; where the filesystem has
/// none, `birth` is zero and nothing is ever proven by this identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Identity {
    /// Device, as `st_dev` (major and minor packed by the caller; compared, never interpreted).
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Birth time, or zero where [statx(2)](https://man7.org/linux/man-pages/man2/statx.2.html) gives none.
    pub birth: Time,
}

impl Identity {
    /// Whether this identity can prove anything (see the type's own description).
    pub fn is_unique(&self) -> bool {
        self.birth != Time::default()
    }
}

/// A time since the epoch, or a span, in seconds and nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Time {
    /// Whole seconds.
    pub sec: i64,
    /// Nanoseconds, 0 to 999,999,999.
    pub nsec: u32,
}

impl Time {
    /// How much later `self` is than `earlier`, in milliseconds; negative when it is earlier.
    #[inline(never)]
    pub fn millis_since(self, earlier: Time) -> i64 {
        let sec = self.sec.saturating_sub(earlier.sec).saturating_mul(1000);
        let nsec = (i64::from(self.nsec) - i64::from(earlier.nsec)) / 1_000_000;
        sec.saturating_add(nsec)
    }
}

/// Who holds a lock, and through which of a client's two habits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Cycle {
    /// An old client: its mkdir of the sibling lock was turned into the in-dir lock **and** the sibling.
    Redirected,
    /// A new client: it took the in-dir lock by that lock's own path.
    InPlace,
}
