//! What the protocol needs of a kernel. Each method is at most one effect that another process can see, so
//! that the tests can stop a process between any two of them.

use lockspan_core::lease::Lease;
use lockspan_core::record::{BOOT_ID_LENGTH, HOST_LENGTH, Record};
use lockspan_core::{Identity, Time};

pub use crate::sys::{Errno, Result};

/// A place in or beside one config directory, for one lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Place {
    /// The lock directory inside the config directory.
    Lock,
    /// The lock directory that old clients make beside the config directory.
    Sibling,
    /// The file whose flock proves that the holder lives.
    Guard,
    /// The file that says who holds the lock.
    Record,
    /// The file that says who made a sibling lock, by the key of that lock.
    SiblingRecord(u64),
    /// The file whose flock makes removals one after another.
    Removal,
    /// The file in which newer clients describe the holder.
    UpstreamOwner,
    /// The credentials file.
    Credentials,
}

/// What a look at a place gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Stat {
    /// Which directory or file it is.
    pub identity: Identity,
    /// When it was last touched.
    pub mtime: Time,
}

/// An open, not yet locked guard file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct OpenGuard {
    /// The kernel's handle.
    pub handle: u64,
    /// Which file it is.
    pub identity: Identity,
}

/// What the lock on the credentials file is, where processes may share nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Shared {
    /// The credentials file is no mount of its own: the config directory is what is shared, or nothing is.
    NotNeeded,
    /// The lease is this process's, until it is dropped.
    Taken(u64),
    /// Somebody's lease overlaps it.
    Busy,
    /// The credentials file cannot be written.
    Refused(Errno),
    /// There, a lock that one process has is not refused to another.
    Incoherent,
}

/// What a record says of the process that writes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Owner {
    /// The kernel that it runs on; `None` where that cannot be read: then nothing is proven of it.
    pub boot: Option<[u8; BOOT_ID_LENGTH]>,
    /// Inode of its pid namespace, or 0.
    pub pid_namespace: u64,
    /// Inode of its time namespace, or 0.
    pub time_namespace: u64,
    /// When it started, in clock ticks since the boot, or 0.
    pub started: u64,
    /// Host name, padded with zeros.
    pub host: [u8; HOST_LENGTH],
}

/// The times to set, as [utimensat(2)](https://man7.org/linux/man-pages/man2/utimensat.2.html) takes them.
/// `nsec` may be `UTIME_NOW` or `UTIME_OMIT`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Times {
    /// Access time.
    pub accessed: Time,
    /// Modification time.
    pub modified: Time,
}

impl Times {
    /// The present time.
    pub const NOW: Times = {
        let now = Time { sec: 0, nsec: libc::UTIME_NOW as u32 };
        Times { accessed: now, modified: now }
    };
}

/// Whether the host's signal handlers may run during a sleep, and jump out of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signals {
    /// Nothing is half done.
    Delivered,
    /// Something is.
    Blocked,
}

/// The kernel, as seen by one process for one lock of one config directory.
pub trait Kernel {
    /// Process id of the caller, asked anew, since a forked child must not take itself for its parent.
    fn pid(&mut self) -> u32;
    /// What a record says of the caller.
    fn owner(&mut self) -> Owner;
    /// Whether the process of the caller's pid namespace with this number lives that started then (0 = whenever it
    /// did); one that only waits to be reaped does not. Where that cannot be told it does.
    fn is_alive(&mut self, pid: u32, started: u64) -> bool;
    /// Wall clock.
    fn wall(&mut self) -> Time;
    /// Milliseconds of a clock that never steps.
    fn monotonic(&mut self) -> u64;
    /// Sleeps. The only call during which the host's signal handlers may run, if they are delivered; then it
    /// returns early.
    fn sleep(&mut self, milliseconds: u64, signals: Signals);
    /// Thread id of the caller.
    fn thread(&mut self) -> u32;

    /// mkdir(2).
    fn mkdir(&mut self, place: Place, mode: u32) -> Result<()>;
    /// rmdir(2).
    fn rmdir(&mut self, place: Place) -> Result<()>;
    /// statx(2), without following a symbolic link.
    fn stat(&mut self, place: Place) -> Result<Stat>;
    /// Sets the times of exactly this directory, through a descriptor; `ENOENT` if the place leads to another
    /// one.
    fn touch(&mut self, place: Place, identity: Identity, times: Times) -> Result<()>;
    /// Gives something that the library made in the config directory to that directory's owner and group, as
    /// far as the caller may.
    fn give_to_owner(&mut self, place: Place);
    /// unlink(2).
    fn unlink(&mut self, place: Place) -> Result<()>;
    /// Whether the caller may write there.
    fn writable(&mut self, place: Place) -> bool;

    /// Reads a record; `None` if there is no whole one.
    fn read_record(&mut self, place: Place) -> Option<Record>;
    /// Replaces a record by one write.
    fn write_record(&mut self, place: Place, record: &Record) -> Result<()>;

    /// Opens the guard file, made first if it is missing.
    fn guard_open(&mut self) -> Result<OpenGuard>;
    /// Tries to lock an open guard without blocking, and closes what is not needed to keep it. `None` if
    /// another process has it. The lock lasts until [`Kernel::guard_drop`] or the end of this process, and is
    /// passed to no child.
    fn guard_lock(&mut self, guard: OpenGuard) -> Result<Option<u64>>;
    /// Whether a fresh open of the guard file is refused the lock at this moment.
    fn guard_refused(&mut self) -> bool;
    /// Gives a locked guard back.
    fn guard_drop(&mut self, guard: u64);

    /// Takes a lease of the credentials file for this lock if it is a mount of its own, without blocking. It lasts
    /// until it has run out, [`Kernel::shared_drop`] or the end of this process, and is passed to no child.
    fn shared_lock(&mut self, lease: Lease) -> Shared;
    /// Gives that back.
    fn shared_drop(&mut self, shared: u64);

    /// Tries without blocking to become the one process that removes a lock directory; `None` if another one
    /// is at it.
    fn removal_lock(&mut self) -> Result<Option<u64>>;
    /// Ends that.
    fn removal_unlock(&mut self, removal: u64);
}
