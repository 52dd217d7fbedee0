//! The owner record: who holds a lock, written beside it and never inside it.
//!
//! It is a text of fixed length, written by one write, so that a reader sees all of it or fails to parse it.
//! It must never contain a token, a path below the home directory, or anything else of the login.

use crate::text::{Text, copy, parse_number};
use crate::{Cycle, Identity, Time};

/// Length of a record in bytes; shorter texts are padded with newlines.
pub const RECORD_LENGTH: usize = 576;
/// Length of a boot id, as in `/proc/sys/kernel/random/boot_id`.
pub const BOOT_ID_LENGTH: usize = 36;
/// Longest host name, as in gethostname(2).
pub const HOST_LENGTH: usize = 64;

const FIRST_LINE: &[u8] = b"lockspan-owner 2";
const LAST_LINE: &[u8] = b"end";

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

    /// Host name of the owner without its padding.
    pub fn host(&self) -> &[u8] {
        self.host.split(|&byte| byte == 0).next().unwrap_or_default()
    }

    /// The text of the record.
    pub fn encode(&self) -> [u8; RECORD_LENGTH] {
        let mut text_buffer = [b'\n'; RECORD_LENGTH];
        let mut text = Text::new(&mut text_buffer);
        text.bytes(FIRST_LINE);
        text.bytes(b"\nstate ").bytes(if self.left { b"left" } else { b"held" });
        text.bytes(b"\ncycle ").bytes(match self.cycle {
            Cycle::Redirected => b"redirected",
            Cycle::InPlace => b"in-place",
        });
        text.bytes(b"\nboot ").bytes(&self.boot);
        identity(text.bytes(b"\nguard "), self.guard);
        text.bytes(b"\nflock ").bytes(if self.coherent { b"coherent" } else { b"incoherent" });
        identity(text.bytes(b"\nlock "), self.lock);
        if let Some(sibling) = self.sibling {
            identity(text.bytes(b"\nsibling "), sibling);
        }
        text.bytes(b"\npid ").number(u64::from(self.pid));
        text.bytes(b"\npid-namespace ").number(self.pid_namespace);
        text.bytes(b"\nstarted ").number(self.started);
        time(text.bytes(b"\nsince "), self.since);
        text.bytes(b"\nhost ").bytes(self.host());
        text.bytes(b"\n").bytes(LAST_LINE).bytes(b"\n");
        text_buffer
    }

    /// Reads a record. `None` for anything that [`Record::encode`] would not have written, whoever wrote it.
    pub fn parse(text: &[u8]) -> Option<Record> {
        if text.len() != RECORD_LENGTH {
            return None;
        }
        let lines = &mut { text };
        field(lines, FIRST_LINE)?.is_empty().then_some(())?;
        let left = one_of(field(lines, b"state ")?, b"left", b"held")?;
        let cycle = match one_of(field(lines, b"cycle ")?, b"redirected", b"in-place")? {
            true => Cycle::Redirected,
            false => Cycle::InPlace,
        };
        let boot = *field(lines, b"boot ")?.first_chunk::<BOOT_ID_LENGTH>()?;
        let guard = parse_identity(field(lines, b"guard ")?)?;
        let coherent = one_of(field(lines, b"flock ")?, b"coherent", b"incoherent")?;
        let lock = parse_identity(field(lines, b"lock ")?)?;
        let sibling = match field(lines, b"sibling ") {
            Some(sibling) => Some(parse_identity(sibling)?),
            None => None,
        };
        let pid = u32::try_from(number(lines, b"pid ")?).ok()?;
        let pid_namespace = number(lines, b"pid-namespace ")?;
        let started = number(lines, b"started ")?;
        let since = parse_time(field(lines, b"since ")?)?;
        let name = field(lines, b"host ")?;
        field(lines, LAST_LINE)?.is_empty().then_some(())?;
        if lines.iter().any(|&byte| byte != b'\n') {
            return None;
        }
        let mut host = [0; HOST_LENGTH];
        copy(&mut host, name)?;
        Some(Record {
            boot,
            guard,
            coherent,
            lock,
            sibling,
            cycle,
            left,
            pid,
            pid_namespace,
            started,
            since,
            host,
        })
    }
}

#[inline(never)]
fn identity(text: &mut Text, identity: Identity) {
    text.number(identity.dev).bytes(b" ").number(identity.ino).bytes(b" ");
    time(text, identity.birth);
}

#[inline(never)]
fn time(text: &mut Text, time: Time) {
    // Birth times and the wall clock do not lie before 1970.
    text.number(time.sec.max(0).unsigned_abs()).bytes(b" ").number(u64::from(time.nsec));
}

/// What follows the name in the next line, which is used up if it has that name.
#[inline(never)]
fn field<'a>(lines: &mut &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let length = lines.iter().position(|&byte| byte == b'\n')?;
    let (line, rest) = lines.split_at_checked(length)?;
    let value = line.strip_prefix(name)?;
    *lines = rest.get(1..)?;
    Some(value)
}

/// The number behind the name in the next line, as above.
#[inline(never)]
fn number(lines: &mut &[u8], name: &[u8]) -> Option<u64> {
    parse_number(field(lines, name)?)
}

/// Whether a word is the one (true) or the other (false).
fn one_of(word: &[u8], one: &[u8], other: &[u8]) -> Option<bool> {
    if word == one { Some(true) } else { (word == other).then_some(false) }
}

#[inline(never)]
fn parse_identity(text: &[u8]) -> Option<Identity> {
    let mut parts = text.splitn(3, |&byte| byte == b' ');
    Some(Identity {
        dev: parse_number(parts.next()?)?,
        ino: parse_number(parts.next()?)?,
        birth: parse_time(parts.next()?)?,
    })
}

#[inline(never)]
fn parse_time(text: &[u8]) -> Option<Time> {
    let mut parts = text.splitn(2, |&byte| byte == b' ');
    let sec = i64::try_from(parse_number(parts.next()?)?).ok()?;
    let nsec = u32::try_from(parse_number(parts.next()?)?).ok()?;
    (nsec < 1_000_000_000).then_some(Time { sec, nsec })
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
