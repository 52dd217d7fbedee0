//! The owner record: who holds a lock, written beside it and never inside it.
//!
//! It is a text of fixed length, written by one write, so that a reader sees all of it or fails to parse it.
//! It must never contain a token, a path below the home directory, or anything else of the login.

use core::slice;

use crate::text::{Text, Words, copy, parse_number};
use crate::{Cycle, Identity, Time};

/// Length of a record in bytes; shorter texts are padded with newlines.
pub const RECORD_LENGTH: usize = 576;
/// Length of a boot id, as in `/proc/sys/kernel/random/boot_id`.
pub const BOOT_ID_LENGTH: usize = 36;
/// Longest host name, as in gethostname(2).
pub const HOST_LENGTH: usize = 64;

/// What the text of a record looks like: `#` stands for a number, `@` for the boot id, `%` for the host name. An
/// identity is a device, an inode, and the seconds and nanoseconds of its birth; a sibling that there is not has zeros.
/// Whoever changes this changes the number in the first line, too.
const FORM: &[u8] = b"lockspan-owner 3
left #
redirected #
coherent #
pid #
pid-namespace #
started #
since # #
guard # # # #
lock # # # #
sibling # # # #
boot @
host %
end
";

/// How many numbers there are in [`FORM`].
const NUMBERS: usize = 20;

/// Who holds a lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// The kernel that the owner runs on.
    pub boot: [u8; BOOT_ID_LENGTH],
    /// The guard file that the owner has locked.
    pub guard: Identity,
    /// Whether the owner saw a second open of the guard refused the lock. Only then does a free guard mean
    /// a dead owner.
    pub coherent: bool,
    /// The lock directory that the owner made.
    pub lock: Identity,
    /// The sibling directory that the owner made in its own view of the filesystem.
    pub sibling: Option<Identity>,
    /// How the owner came to hold it.
    pub cycle: Cycle,
    /// Whether the owner exited without removing its lock. It is then gone, but meant its lock to stay, as
    /// mkdir(1) in a script does, and nobody may take the lock over before it is stale.
    pub left: bool,
    /// Process id of the owner, in its own pid namespace.
    pub pid: u32,
    /// Inode of the owner's pid namespace; 0 when it could not be read. The next namespace may have it as soon as
    /// this one is gone.
    pub pid_namespace: u64,
    /// When the owner's process started, in clock ticks since the boot; 0 when it could not be read.
    pub started: u64,
    /// When it was taken, by the wall clock.
    pub since: Time,
    /// Host name of the owner: in a container its id or name. Padded with zeros.
    pub host: [u8; HOST_LENGTH],
}

impl Record {
    /// Whether a free guard and the directory in place prove that this owner is dead and left them.
    ///
    /// `guard` is the guard that the asker has locked, `lock` the directory that is in its way.
    pub fn proves_dead(&self, boot: Option<&[u8; BOOT_ID_LENGTH]>, guard: Identity, lock: Identity) -> bool {
        !self.left && self.coherent && self.guard == guard && boot == Some(&self.boot) && self.names(lock)
    }

    /// The same for the sibling directory in the asker's way, which may lie in a home that few can see, long
    /// after others have taken the lock over.
    pub fn proves_sibling_dead(
        &self,
        boot: Option<&[u8; BOOT_ID_LENGTH]>,
        guard: Identity,
        sibling: Identity,
    ) -> bool {
        self.sibling == Some(sibling) && sibling.is_unique() && self.proves_dead(boot, guard, self.lock)
    }

    /// Whether `lock` is beyond doubt the directory that this owner made.
    pub fn names(&self, lock: Identity) -> bool {
        lock.is_unique() && self.lock == lock
    }

    /// Host name of the owner without its padding, up to the first byte that no host name has.
    pub fn host(&self) -> &[u8] {
        self.host.split(|byte| !byte.is_ascii_graphic()).next().unwrap_or_default()
    }

    /// The text of the record.
    pub fn encode(&self) -> [u8; RECORD_LENGTH] {
        let mut buffer = [0; RECORD_LENGTH];
        self.write(&mut buffer);
        buffer
    }

    /// Writes the text of the record, for those who have no stack for two of them.
    #[inline(never)]
    pub fn write(&self, buffer: &mut [u8; RECORD_LENGTH]) {
        *buffer = [b'\n'; RECORD_LENGTH];
        let mut text = Text::new(buffer);
        let mut numbers = self.numbers().into_iter();
        for part in FORM {
            match part {
                b'#' => text.number(numbers.next().unwrap_or_default()),
                b'@' => text.bytes(&self.boot),
                b'%' => text.bytes(self.host()),
                literal => text.bytes(slice::from_ref(literal)),
            };
        }
    }

    /// Reads a record. `None` for anything that is not of its form, whoever wrote it; numbers may have zeros in front.
    #[inline(never)]
    pub fn parse(text: &[u8]) -> Option<Record> {
        if text.len() != RECORD_LENGTH {
            return None;
        }
        let mut words = Words(text);
        let mut numbers = [0; NUMBERS];
        let mut next_number = numbers.iter_mut();
        let (mut boot, mut host) = ([0; BOOT_ID_LENGTH], [0; HOST_LENGTH]);
        for part in Words(FORM) {
            let word = words.next()?;
            match part {
                b"#" => *next_number.next()? = parse_number(word)?,
                b"@" => copy(&mut boot, word)?,
                b"%" => copy(&mut host, word)?,
                literal if literal == word => {}
                _ => return None,
            }
        }
        // What is left is padding.
        if words.0.iter().any(|&byte| byte != b'\n') { None } else { Record::of(numbers, boot, host) }
    }

    /// The numbers of [`FORM`], in its order.
    fn numbers(&self) -> [u64; NUMBERS] {
        let Record { guard, lock, since, .. } = *self;
        let sibling = self.sibling.unwrap_or_default();
        [
            self.left.into(),
            (self.cycle == Cycle::Redirected).into(),
            self.coherent.into(),
            self.pid.into(),
            self.pid_namespace,
            self.started,
            since.sec.cast_unsigned(),
            since.nsec.into(),
            guard.dev,
            guard.ino,
            guard.birth.sec.cast_unsigned(),
            guard.birth.nsec.into(),
            lock.dev,
            lock.ino,
            lock.birth.sec.cast_unsigned(),
            lock.birth.nsec.into(),
            sibling.dev,
            sibling.ino,
            sibling.birth.sec.cast_unsigned(),
            sibling.birth.nsec.into(),
        ]
    }

    /// The record of these numbers, if they all are what they should be.
    fn of(numbers: [u64; NUMBERS], boot: [u8; BOOT_ID_LENGTH], host: [u8; HOST_LENGTH]) -> Option<Record> {
        let [left, redirected, coherent, pid, pid_namespace, started, sec, nsec, identities @ ..] = numbers;
        let [a, b, c, d, e, f, g, h, i, j, k, l] = identities;
        let is_flag = left.max(redirected).max(coherent) <= 1;
        let is_time = nsec.max(d).max(h).max(l) < 1_000_000_000;
        let time = |sec: u64, nsec| Time { sec: sec.cast_signed(), nsec: nsec as u32 };
        let identity = |dev, ino, sec, nsec| Identity { dev, ino, birth: time(sec, nsec) };
        let sibling = identity(i, j, k, l);
        (is_flag && is_time && pid <= u32::MAX.into()).then_some(Record {
            boot,
            guard: identity(a, b, c, d),
            coherent: coherent == 1,
            lock: identity(e, f, g, h),
            sibling: (sibling != Identity::default()).then_some(sibling),
            cycle: if redirected == 1 { Cycle::Redirected } else { Cycle::InPlace },
            left: left == 1,
            pid: pid as u32,
            pid_namespace,
            started,
            since: time(sec, nsec),
            host,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: [u8; BOOT_ID_LENGTH] = *b"0f6b2c1e-3a4d-4c5b-9e8f-0a1b2c3d4e5f";

    fn record() -> Record {
        let mut host = [0; HOST_LENGTH];
        host[..4].copy_from_slice(b"box7");
        Record {
            boot: BOOT,
            guard: Identity { dev: 1, ino: 2, birth: Time { sec: 3, nsec: 4 } },
            coherent: true,
            lock: Identity { dev: 1, ino: 5, birth: Time { sec: 6, nsec: 7 } },
            sibling: Some(Identity { dev: 8, ino: 9, birth: Time { sec: 10, nsec: 11 } }),
            cycle: Cycle::Redirected,
            left: false,
            pid: 4242,
            pid_namespace: 4_026_531_836,
            started: 170_045,
            since: Time { sec: 1_700_000_000, nsec: 999_999_999 },
            host,
        }
    }

    #[test]
    fn a_record_survives_the_round_trip() {
        let full = record();
        let short = Record { sibling: None, left: true, coherent: false, cycle: Cycle::InPlace, ..full };
        let longest = Record {
            guard: Identity {
                dev: u64::MAX,
                ino: u64::MAX,
                birth: Time { sec: i64::MAX, nsec: 999_999_999 },
            },
            lock: Identity { dev: u64::MAX, ino: u64::MAX, birth: Time { sec: i64::MAX, nsec: 999_999_999 } },
            sibling: Some(Identity {
                dev: u64::MAX,
                ino: u64::MAX,
                birth: Time { sec: i64::MAX, nsec: 999_999_999 },
            }),
            pid: u32::MAX,
            pid_namespace: u64::MAX,
            started: u64::MAX,
            since: Time { sec: i64::MAX, nsec: 999_999_999 },
            host: [b'h'; HOST_LENGTH],
            ..full
        };
        for record in [full, short, longest] {
            assert_eq!(Record::parse(&record.encode()), Some(record));
        }
    }

    #[test]
    fn anything_else_is_no_record() {
        let good = record().encode();
        assert_eq!(Record::parse(&good[..RECORD_LENGTH - 1]), None);
        assert_eq!(Record::parse(&[]), None);
        assert_eq!(Record::parse(&[0xff; RECORD_LENGTH]), None);
        // A single changed byte either changes what the record says or makes it no record; it never makes
        // a record of something that claims to be the same.
        for at in 0..good.len() {
            let mut bad = good;
            bad[at] ^= 0x55;
            assert_ne!(Record::parse(&bad), Some(record()), "byte {at}");
        }
    }

    #[test]
    fn death_is_proven_only_when_everything_fits() {
        let record = record();
        let dead = |record: Record| record.proves_dead(Some(&BOOT), record.guard, record.lock);
        assert!(dead(record));
        assert!(!dead(Record { left: true, ..record }), "the owner meant it to stay");
        assert!(!dead(Record { coherent: false, ..record }), "a free guard says nothing there");
        let no_birth = Identity { birth: Time::default(), ..record.lock };
        assert!(!dead(Record { lock: no_birth, ..record }), "inode numbers are reused");
        assert!(!record.proves_dead(None, record.guard, record.lock), "an unknown kernel");
        assert!(!record.proves_dead(Some(&[b'0'; BOOT_ID_LENGTH]), record.guard, record.lock));
        let other = Identity { ino: 77, ..record.guard };
        assert!(!record.proves_dead(Some(&BOOT), other, record.lock), "another guard");
        let successor = Identity { birth: Time { sec: 6, nsec: 8 }, ..record.lock };
        assert!(!record.proves_dead(Some(&BOOT), record.guard, successor), "a reused inode number");

        let sibling = record.sibling.expect("set above");
        assert!(record.proves_sibling_dead(Some(&BOOT), record.guard, sibling));
        assert!(!record.proves_sibling_dead(Some(&BOOT), other, sibling));
        assert!(!record.proves_sibling_dead(Some(&BOOT), record.guard, successor));
        assert!(!Record { left: true, ..record }.proves_sibling_dead(Some(&BOOT), record.guard, sibling));
    }
}
