//! How old the lock of a file is that is all that processes share: its holder has a **lease**, a span of time.
//!
//! Far behind the end of the file each byte stands for a millisecond. Who takes the lock locks the bytes of the next
//! [`LENGTH`] milliseconds; its heartbeat locks those from the end of that lease to the end of a new one, and gives the
//! bytes before back. So the kernel itself refuses who comes while a lease runs, and one that has run out is in nobody's
//! way: the lock has an age, although nothing is written.
//!
//! Milliseconds are those of the monotonic clock, which each kernel and each time namespace counts for itself. So each
//! has a **lane** of its own. Nobody can tell how old a lease in another lane is: it never counts as run out.

use crate::record::BOOT_ID_LENGTH;
use crate::{pair, stale};

/// How long a lease runs, unless it is renewed: as long as the clients' own rule waits that have the most patience.
/// Milliseconds.
pub const LENGTH: u64 = stale::DESCRIBED_THRESHOLD.unsigned_abs();

/// How many bytes the leases of one lock need.
pub const REGION: u64 = 1 << 60;

/// The bytes of one lane, for 34 years without a restart.
const LANE: u64 = 1 << 40;

/// How long the present lease must have run before it is renewed. Who takes the lock, and asks for all of a lease,
/// cannot pass between the old end and the new one, unless it looked at its clock so long before; and then it knows
/// that it was stopped. Milliseconds.
const SOONEST: u64 = stale::SMALLEST_THRESHOLD.unsigned_abs();

/// Some bytes of a region, counted from its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Lease {
    /// The first one.
    pub start: u64,
    /// Behind the last one.
    pub end: u64,
}

impl Lease {
    /// The lease of who takes the lock at this time of a kernel's clock in a time namespace. Who cannot tell its kernel
    /// takes all there is, for ever.
    pub fn new(boot: Option<&[u8; BOOT_ID_LENGTH]>, time_namespace: u64, now: u64) -> Lease {
        let Some(boot) = boot else { return Lease { start: 0, end: REGION } };
        let hash = pair::fingerprint(boot) ^ time_namespace.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let start = at(hash % REGION, now);
        Lease { start, end: start + LENGTH }
    }

    /// The lanes behind this one, which are locked, too, but for reading: who has a lease in one of them is excluded, and
    /// who has the same lane is not. Between two lanes it is always the holder in the one before that sees to it.
    pub fn others(self) -> Lease {
        Lease { start: at(self.end - 1, LANE - 1) + 1, end: REGION }
    }
}

/// Whether a lease with this end has not run out yet.
pub fn runs(end: u64, now: u64) -> bool {
    end == REGION || at(end, now) < end
}

/// What is to be locked at a heartbeat, by the holder of a lease with this end; `None` if it is too early, or the lease
/// needs no renewal.
pub fn renewal(end: u64, now: u64) -> Option<Lease> {
    let lease = Lease { start: end, end: at(end, now) + LENGTH };
    (end != REGION && lease.end >= end + SOONEST).then_some(lease)
}

/// This time in the lane that a byte lies in.
fn at(byte: u64, now: u64) -> u64 {
    (byte & !(LANE - 1)) | (now & (LANE - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: [u8; BOOT_ID_LENGTH] = *b"2f1c2b1e-0000-4000-8000-123456789abc";
    const OTHER: [u8; BOOT_ID_LENGTH] = *b"2f1c2b1e-0000-4000-8000-123456789abd";

    fn overlap(one: Lease, other: Lease) -> bool {
        one.start < other.end && other.start < one.end
    }

    /// Whether the kernel refuses one of the two what the other has.
    fn exclude(one: Lease, other: Lease) -> bool {
        overlap(one, other) || overlap(one.others(), other) || overlap(one, other.others())
    }

    #[test]
    fn a_lease_excludes_until_it_has_run_out() {
        let now = 5_000_000;
        let taken = Lease::new(Some(&BOOT), 1, now);
        let later = |after| Lease::new(Some(&BOOT), 1, now + after);
        assert!(exclude(taken, later(0)) && exclude(taken, later(LENGTH - 1)));
        assert!(!exclude(taken, later(LENGTH)));
        assert!(runs(taken.end, now + LENGTH - 1) && !runs(taken.end, now + LENGTH));
    }

    #[test]
    fn a_renewal_excludes_as_the_whole_lease_would() {
        let now = 5_000_000;
        let taken = Lease::new(Some(&BOOT), 1, now);
        assert_eq!(renewal(taken.end, now + SOONEST - 1), None);
        let beat = now + 5_000;
        let renewed = renewal(taken.end, beat).expect("time for it");
        assert!(!overlap(taken, renewed), "both are held for a moment");
        // From the moment at which the new one alone is held, by whoever looked at its clock in time.
        for after in [beat - SOONEST, beat, beat + LENGTH - 1] {
            assert!(exclude(renewed, Lease::new(Some(&BOOT), 1, after)), "{after}");
        }
        assert!(!exclude(renewed, Lease::new(Some(&BOOT), 1, beat + LENGTH)));
    }

    #[test]
    fn another_clock_is_excluded_for_ever() {
        let taken = Lease::new(Some(&BOOT), 1, 5_000_000);
        for after in [0, LENGTH, 1 << 39] {
            for other in [
                Lease::new(Some(&OTHER), 1, after),
                Lease::new(Some(&BOOT), 2, after),
                Lease::new(None, 1, after),
            ] {
                assert!(exclude(taken, other), "{taken:?} {other:?}");
            }
        }
        let unknown = Lease::new(None, 0, 5_000_000);
        assert!(runs(unknown.end, u64::MAX) && renewal(unknown.end, u64::MAX).is_none());
    }

    #[test]
    fn every_lease_lies_in_the_region() {
        for namespace in 0..1000 {
            let lease = Lease::new(Some(&BOOT), namespace, LANE - 1);
            assert!(lease.start < lease.end && lease.end <= REGION + LENGTH, "{lease:?}");
            assert_eq!(Lease::new(Some(&BOOT), namespace, 1000).others().start % LANE, 0);
        }
    }
}
