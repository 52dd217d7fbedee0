//! When a lock directory counts as stale. The clients decide for themselves; these are the bounds within
//! which every measured client decides (docs: `src/ARCHITECTURE.md`, "Staleness").

use crate::Time;

/// proper-lockfile raises any smaller threshold to this one, so that no client can have called a younger
/// lock stale: milliseconds.
pub const SMALLEST_THRESHOLD: i64 = 2_000;

/// The threshold of every measured client before 2.1.181, and proper-lockfile's default: milliseconds.
pub const COMMON_THRESHOLD: i64 = 10_000;

/// The threshold of clients that describe the holder in a file beside the lock (2.1.181 and later):
/// milliseconds.
pub const DESCRIBED_THRESHOLD: i64 = 60_000;

/// Whether a lock last touched at `mtime` may have been called stale by some client.
pub fn may_be_stale(mtime: Time, now: Time) -> bool {
    now.millis_since(mtime) >= SMALLEST_THRESHOLD
}

/// Whether the heartbeat of a lock last touched at `mtime` still runs.
pub fn beats(mtime: Time, now: Time) -> bool {
    now.millis_since(mtime) < COMMON_THRESHOLD
}

/// Whether a live holder's lock must be shown as fresh, because the holder's own kind of client allows it
/// more time than the one that looks may know of.
///
/// `described` says that the holder wrote [`crate::names::UPSTREAM_OWNER`], as only clients with the long
/// threshold do.
pub fn show_as_fresh(mtime: Time, now: Time, described: bool) -> bool {
    described && now.millis_since(mtime) < DESCRIBED_THRESHOLD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds() {
        let at = |sec| Time { sec, nsec: 0 };
        assert!(!may_be_stale(at(100), at(101)));
        assert!(may_be_stale(at(100), at(102)));
        assert!(!may_be_stale(at(200), at(100)), "a lock from the future is not stale");
        assert!(beats(at(100), at(109)) && !beats(at(100), at(110)));
        assert!(show_as_fresh(at(100), at(130), true));
        assert!(!show_as_fresh(at(100), at(130), false), "a holder of the 10 s kind is stale at 10 s");
        assert!(!show_as_fresh(at(100), at(160), true));
    }

    #[test]
    fn milliseconds_between() {
        let early = Time { sec: 1, nsec: 900_000_000 };
        let late = Time { sec: 3, nsec: 100_000_000 };
        assert_eq!(late.millis_since(early), 1200);
        assert_eq!(early.millis_since(late), -1200);
    }
}
