//! The [`Kernel`] of a running system, by raw system calls only.
//!
//! Functions that are wanted in several places are kept out of their callers: those have a path on their stack, behind
//! which every variable takes three bytes more to reach.
//!
//! It must not call libc or allocate, and keeps no descriptor open for longer than the protocol's own call.
//!
//! **How the guard is held.** A locked descriptor would have to survive a host that closes descriptors which
//! it does not know, and would be inherited by forked children, so that a dead holder's lock lives on in them.
//! So the guard is held by a *mapping* of the file: the mapping keeps the open file description, and with it
//! the flock, alive after the descriptor is closed, `MADV_DONTFORK` keeps it out of children, and exec and
//! death end it. Where a filesystem maps another file than the one opened (overlayfs), the lock does not
//! last; the coherence check, which is made after the descriptor is closed, notices it, and the guard then
//! proves nothing.

use core::ffi::CStr;

use libc::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_DIRECTORY, O_RDONLY, O_RDWR};
use lockspan_core::lease::Lease;
use lockspan_core::names::{
    GATE, GUARD_SUFFIX, LOCK_SUFFIX, LOCKS, LockNames, RECORD_SUFFIX, REMOVAL, SIBLING_RECORD,
    SIBLING_SUFFIX, STATE, STATE_DIR, UPSTREAM_OWNER,
};
use lockspan_core::record::{BOOT_ID_LENGTH, RECORD_LENGTH, Record};
use lockspan_core::text::{Text, Words, copy, parse_number, trim_start};
use lockspan_core::{Identity, Time};

use crate::kernel::{Errno, Kernel, OpenGuard, Owner, Place, Result, Shared, Signals, Stat, Times};
use crate::sys::{self, BlockedSignals, Descriptor};

/// `PATH_MAX`, with the terminating NUL.
pub const PATH_MAX: usize = 4096;

/// What is mapped of a guard file, or of the credentials file; never read or written.
const MAPPED: usize = 4096;

/// Where that starts: behind the end of any credentials, which would otherwise be in a debugger's dumps.
const MAPPED_FROM: usize = 1 << 20;

/// How our own files are opened: a symbolic link or a FIFO in their place must lead nowhere.
const OPEN: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK;

/// One lock of one config directory.
///
/// The one large thing on the stack of a call: it is made where it is used and never moved, since threads may
/// have as little as `PTHREAD_STACK_MIN`.
#[derive(Debug)]
pub struct Linux {
    path: [u8; PATH_MAX],
    directory_length: usize,
    names: LockNames,
    /// While all signals are blocked.
    signals: Option<BlockedSignals>,
}

impl Linux {
    /// A lock of a config directory that is not known yet. No constant, which would be copied.
    #[inline(always)]
    #[expect(clippy::new_without_default, reason = "there is nothing default about it")]
    pub fn new() -> Linux {
        Linux { path: [0; PATH_MAX], directory_length: 0, names: LOCKS[0], signals: None }
    }

    /// The buffer for the config directory's real path, whose length [`Linux::serve`] is told.
    pub fn path_buffer(&mut self) -> &mut [u8; PATH_MAX] {
        &mut self.path
    }

    /// Serves the lock `names` of the config directory whose path has this length in the buffer. `None` if the
    /// path is too long for the lock's own path to exist.
    pub fn serve(&mut self, length: usize, names: &LockNames) -> Option<()> {
        let longest = STATE.len() + (names.state.len() + GUARD_SUFFIX.len()).max(SIBLING_RECORD.len() + 16);
        // A NUL behind it.
        if length.checked_add(longest)?.checked_add(1)? > PATH_MAX {
            return None;
        }
        self.directory_length = length;
        self.names = *names;
        Some(())
    }

    /// Serves the lock `names` of the config directory with this real path; `None` as above.
    pub fn serve_path(&mut self, directory: &[u8], names: &LockNames) -> Option<()> {
        copy(&mut self.path, directory)?;
        self.serve(directory.len(), names)
    }

    /// Whether the lock served is a gate, which no client knows of.
    pub fn is_gate(&self) -> bool {
        self.names.title == GATE
    }

    /// Blocks all signals until [`Linux::unblock_signals`]: a handler that jumps out of a call of ours would
    /// leave a half-made step behind.
    pub fn block_signals(&mut self) {
        self.signals = Some(sys::block_signals());
    }

    /// Sleeps while the blocked signals are delivered; whether one was.
    pub fn pause(&mut self, milliseconds: u64) -> bool {
        sys::sleep(milliseconds, self.signals.as_ref())
    }

    /// Restores the caller's signal mask.
    pub fn unblock_signals(&mut self) {
        self.signals = None;
    }

    /// The path of a place, absolute if the config directory's is.
    #[inline(never)]
    pub fn path(&mut self, place: Place) -> &CStr {
        let LockNames { stem, state, credentials, .. } = self.names;
        let mut digits = [0; 16];
        let (start, name, end): (&[u8], &[u8], &[u8]) = match place {
            Place::Lock if self.is_gate() => (STATE, stem, LOCK_SUFFIX),
            Place::Lock => (b"/", stem, LOCK_SUFFIX),
            Place::Sibling => (b"", b"", SIBLING_SUFFIX),
            Place::Guard => (STATE, state, GUARD_SUFFIX),
            Place::Record => (STATE, state, RECORD_SUFFIX),
            Place::SiblingRecord(key) => {
                Text::new(&mut digits).hexadecimal(key);
                (STATE, SIBLING_RECORD, &digits)
            }
            Place::Removal => (STATE, REMOVAL, b""),
            Place::UpstreamOwner => (b"/", UPSTREAM_OWNER, b""),
            Place::Credentials => (b"/", credentials, b""),
        };
        self.with(start, name, end)
    }

    /// The path of the config directory.
    #[inline(never)]
    pub fn directory(&mut self) -> &CStr {
        self.with(b"", b"", b"")
    }

    /// The path of the state directory in it.
    fn state(&mut self) -> &CStr {
        self.with(b"/", STATE_DIR, b"")
    }

    /// The path of the config directory, and these parts.
    #[inline(never)]
    fn with(&mut self, start: &[u8], name: &[u8], end: &[u8]) -> &CStr {
        let mut text = Text::new(self.path.get_mut(self.directory_length..).unwrap_or_default());
        text.bytes(start).bytes(name).bytes(end).bytes(b"\0");
        sys::c_string(&self.path).unwrap_or_default()
    }

    /// Opens a file of ours in the state directory; made first, with its directory, if it is missing.
    ///
    /// Both are opened without following a symbolic link, and given away through their descriptors: whoever owns
    /// the config directory must not lead a root process elsewhere.
    fn open_or_create(&mut self, place: Place) -> Result<Descriptor> {
        let state = self.state_directory()?;
        let name = self.name(place);
        match open_existing(&state, name, place) {
            Err(Errno::NOENT) => {}
            other => return other,
        }
        let directory = sys::stat(AT_FDCWD, self.directory(), 0)?;
        let mode = directory.st_mode & 0o666;
        let name = self.name(place);
        match sys::open_at(state.number(), name, O_RDWR | libc::O_CREAT | libc::O_EXCL | OPEN, mode) {
            Ok(file) => {
                give(&file, &directory, mode);
                Ok(file)
            }
            // Another process made it just now.
            Err(Errno::EXIST) => open_existing(&state, name, place),
            Err(errno) => Err(errno),
        }
    }

    fn state_directory(&mut self) -> Result<Descriptor> {
        const STATE: i32 = O_RDONLY | O_DIRECTORY | libc::O_NOFOLLOW;
        match sys::open(self.state(), STATE, 0) {
            Err(Errno::NOENT) => {}
            other => return other,
        }
        let directory = sys::stat(AT_FDCWD, self.directory(), 0)?;
        let mode = directory.st_mode & 0o777;
        let made = sys::mkdir(self.state(), mode);
        let state = sys::open(self.state(), STATE, 0)?;
        if made.is_ok() {
            give(&state, &directory, mode);
        }
        Ok(state)
    }

    /// The name of a file of ours in the state directory.
    fn name(&mut self, place: Place) -> &CStr {
        let start = self.directory_length + STATE.len();
        self.path(place);
        self.path.get(start..).and_then(sys::c_string).unwrap_or_default()
    }

    /// Whether the credentials file is a mount of its own.
    ///
    /// A kernel older than 5.8 does not say so. There it counts as one if it lies on another filesystem than its
    /// directory.
    pub fn credentials_are_mounted(&mut self) -> bool {
        let Ok(file) = sys::statx(AT_FDCWD, self.path(Place::Credentials), AT_SYMLINK_NOFOLLOW) else {
            return false;
        };
        if u32::from(file.stx_mode) & libc::S_IFMT != libc::S_IFREG {
            return false;
        }
        const MOUNT_ROOT: u64 = libc::STATX_ATTR_MOUNT_ROOT as u64;
        if file.stx_attributes_mask & MOUNT_ROOT != 0 {
            return file.stx_attributes & MOUNT_ROOT != 0;
        }
        sys::statx(AT_FDCWD, self.directory(), 0).is_ok_and(|directory| {
            (directory.stx_dev_major, directory.stx_dev_minor) != (file.stx_dev_major, file.stx_dev_minor)
        })
    }

    /// The identity of an open file of ours, which must be [`plain`].
    fn identity_of(file: &Descriptor) -> Result<Identity> {
        let (stat, plain) = look(file.number(), c"", AT_EMPTY_PATH)?;
        if plain { Ok(stat.identity) } else { Err(Errno::INVAL) }
    }
}

fn open_existing(state: &Descriptor, name: &CStr, place: Place) -> Result<Descriptor> {
    match sys::open_at(state.number(), name, O_RDWR | OPEN, 0) {
        // flock needs no write permission.
        Err(Errno::ACCESS) if matches!(place, Place::Guard | Place::Removal) => {
            sys::open_at(state.number(), name, O_RDONLY | OPEN, 0)
        }
        other => other,
    }
}

/// Gives what was just made to the owner of the config directory, as far as the caller may, with exactly this
/// mode: a root container beside one with uid 1000 must not lock that one out.
fn give(made: &Descriptor, directory: &libc::stat, mode: u32) {
    if sys::change_owner(made, directory.st_uid, directory.st_gid).is_err() {
        // Without the right to give it away the group at least, if the caller is in it.
        let _ = sys::change_owner(made, u32::MAX, directory.st_gid);
    }
    // umask has cut the mode. Failing leaves a file that only the caller can use, and others without a guard.
    let _ = sys::change_mode(made, mode);
}

/// statx(2), with newfstatat's words where statx is refused (a kernel before 4.11, an old seccomp profile).
/// The second part is whether it is [`plain`].
fn look(at: i32, path: &CStr, flags: i32) -> Result<(Stat, bool)> {
    let flags = flags | AT_SYMLINK_NOFOLLOW;
    match sys::statx(at, path, flags) {
        Ok(found) => {
            let birth = if found.stx_mask & libc::STATX_BTIME != 0 {
                Time { sec: found.stx_btime.tv_sec, nsec: found.stx_btime.tv_nsec }
            } else {
                Time::default()
            };
            let dev = u64::from(found.stx_dev_major) << 32 | u64::from(found.stx_dev_minor);
            let mtime = Time { sec: found.stx_mtime.tv_sec, nsec: found.stx_mtime.tv_nsec };
            let identity = Identity { dev, ino: found.stx_ino, birth };
            Ok((Stat { identity, mtime }, plain(found.stx_mode.into(), found.stx_nlink)))
        }
        Err(Errno::NOSYS | Errno::PERM) => {
            let found = sys::stat(at, path, flags)?;
            let identity = Identity { dev: found.st_dev, ino: found.st_ino, birth: Time::default() };
            let mtime = Time { sec: found.st_mtime, nsec: found.st_mtime_nsec as u32 };
            Ok((Stat { identity, mtime }, plain(found.st_mode, found.st_nlink as u32)))
        }
        Err(errno) => Err(errno),
    }
}

/// Whether it is a regular file without a second name: with one it may be somebody else's file, to which whoever shares
/// the directory has made a hard link.
fn plain(mode: u32, names: u32) -> bool {
    mode & libc::S_IFMT == libc::S_IFREG && names < 2
}

/// Which directory a path leads to, links followed, relative to the descriptor `at` (or `AT_FDCWD`). An empty
/// path is `at` itself.
///
/// # Errors
/// The kernel's.
pub fn directory_identity(at: i32, path: &CStr) -> Result<Identity> {
    let found = sys::stat(at, path, AT_EMPTY_PATH)?;
    Ok(Identity { dev: found.st_dev, ino: found.st_ino, birth: Time::default() })
}

fn read_file(path: &CStr, buffer: &mut [u8]) -> Result<usize> {
    sys::read(&sys::open(path, O_RDONLY | OPEN, 0)?, buffer)
}

/// The state of a process, or of the caller, and when it started, in clock ticks since the boot (0 where that is not
/// told), from `stat` in [proc(5)](https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html).
#[inline(never)]
fn process_state(pid: Option<u32>) -> Result<(u8, u64)> {
    const STATE: usize = 3;
    const STARTED: usize = 22;
    let mut path = [0; 32];
    let mut text = Text::new(&mut path);
    match pid {
        Some(pid) => text.bytes(b"/proc/").number(pid.into()).bytes(b"/stat\0"),
        None => text.bytes(b"/proc/self/stat\0"),
    };
    let path = text.finish().and_then(sys::c_string).ok_or(Errno::INVAL)?;
    let mut stat = [0; 512];
    let length = read_file(path, &mut stat)?;
    // "pid (name) state …": the name may have anything in it, but ends with the last bracket.
    let fields =
        stat.get(..length).and_then(|stat| stat.rsplit(|&byte| byte == b')').next()).unwrap_or_default();
    let mut fields = Words(trim_start(fields));
    let state = fields.next().and_then(<[u8]>::first).copied().unwrap_or_default();
    let started = fields.nth(STARTED - STATE - 1).and_then(parse_number).unwrap_or_default();
    Ok((state, started))
}

/// Keeps an open file, with its locks, until [`drop_kept`] or the end of this process; see the module's head.
fn keep(file: &Descriptor) -> Result<u64> {
    let mapping = sys::map(file, MAPPED_FROM, MAPPED, libc::PROT_NONE)?;
    if let Err(errno) = sys::keep_from_children(mapping, MAPPED) {
        drop_kept(mapping as u64);
        return Err(errno);
    }
    Ok(mapping as u64)
}

/// Locks the bytes of a lease, or those of other lanes, of which there may be none.
#[inline(never)]
fn lock_lease(file: &Descriptor, kind: i32, leases: u64, lease: Lease) -> Result<()> {
    match lease.end.saturating_sub(lease.start) {
        // To fcntl that would be all that follows.
        0 => Ok(()),
        count => sys::lock_bytes(file, kind, (leases + lease.start).cast_signed(), count.cast_signed()),
    }
}

fn drop_kept(mapping: u64) {
    // SAFETY: the address is that of a mapping made by `keep` in this process, which nobody else knows of.
    let _ = unsafe { sys::unmap(mapping as usize, MAPPED) };
}

impl Kernel for Linux {
    fn pid(&mut self) -> u32 {
        sys::process_id()
    }

    fn owner(&mut self) -> Owner {
        let mut boot = [0; BOOT_ID_LENGTH];
        let read = read_file(c"/proc/sys/kernel/random/boot_id", &mut boot);
        let pid_namespace = sys::stat(AT_FDCWD, c"/proc/self/ns/pid", 0).map_or(0, |found| found.st_ino);
        let boot = (read == Ok(BOOT_ID_LENGTH)).then_some(boot);
        let time_namespace = sys::stat(AT_FDCWD, c"/proc/self/ns/time", 0).map_or(0, |found| found.st_ino);
        let started = process_state(None).map_or(0, |(_, started)| started);
        Owner { boot, pid_namespace, time_namespace, started, host: sys::host_name() }
    }

    fn is_alive(&mut self, pid: u32, started: u64) -> bool {
        match process_state(Some(pid)) {
            Ok((state, since)) => {
                !matches!(state, b'Z' | b'X') && (started == 0 || since == 0 || since == started)
            }
            Err(Errno::NOENT) => false,
            Err(_) => true,
        }
    }

    fn wall(&mut self) -> Time {
        sys::clock(libc::CLOCK_REALTIME)
    }

    fn monotonic(&mut self) -> u64 {
        sys::monotonic()
    }

    fn sleep(&mut self, milliseconds: u64, signals: Signals) {
        let mask = match signals {
            Signals::Delivered => self.signals.as_ref(),
            Signals::Blocked => None,
        };
        sys::sleep(milliseconds, mask);
    }

    fn thread(&mut self) -> u32 {
        sys::thread_id()
    }

    fn mkdir(&mut self, place: Place, mode: u32) -> Result<()> {
        sys::mkdir(self.path(place), mode)
    }

    fn rmdir(&mut self, place: Place) -> Result<()> {
        sys::rmdir(self.path(place))
    }

    fn stat(&mut self, place: Place) -> Result<Stat> {
        look(AT_FDCWD, self.path(place), 0).map(|(stat, _)| stat)
    }

    fn touch(&mut self, place: Place, identity: Identity, times: Times) -> Result<()> {
        match sys::open(self.path(place), O_RDONLY | O_DIRECTORY | OPEN, 0) {
            Ok(directory) => {
                if look(directory.number(), c"", AT_EMPTY_PATH)?.0.identity != identity {
                    return Err(Errno::NOENT);
                }
                sys::set_times(directory.number(), None, times.accessed, times.modified)
            }
            Err(Errno::NOENT) => Err(Errno::NOENT),
            // No descriptor to be had, or no right to open it: by its path, as without the library.
            Err(_) => {
                if self.stat(place)?.identity != identity {
                    return Err(Errno::NOENT);
                }
                sys::set_times(AT_FDCWD, Some(self.path(place)), times.accessed, times.modified)
            }
        }
    }

    fn give_to_owner(&mut self, place: Place) {
        let Ok(directory) = sys::stat(AT_FDCWD, self.directory(), 0) else { return };
        let Ok(made) = sys::open(self.path(place), O_RDONLY | O_DIRECTORY | OPEN, 0) else { return };
        if sys::stat(made.number(), c"", AT_EMPTY_PATH).is_ok_and(|made| made.st_uid != directory.st_uid) {
            // Without the right to do so it stays the caller's, as it would without the library.
            let _ = sys::change_owner(&made, directory.st_uid, directory.st_gid);
        }
    }

    fn unlink(&mut self, place: Place) -> Result<()> {
        sys::unlink(AT_FDCWD, self.path(place))
    }

    fn writable(&mut self, place: Place) -> bool {
        sys::access(self.path(place), libc::W_OK).is_ok()
    }

    #[inline(never)]
    fn read_record(&mut self, place: Place) -> Option<Record> {
        // One byte more than a record, so that a longer file is noticed.
        let mut buffer = [0; RECORD_LENGTH + 1];
        let length = read_file(self.path(place), &mut buffer).ok()?;
        Record::parse(buffer.get(..length)?)
    }

    #[inline(never)]
    fn write_record(&mut self, place: Place, record: &Record) -> Result<()> {
        if !sys::may_write(RECORD_LENGTH) {
            // The write would bring the host a signal.
            return Err(Errno::FBIG);
        }
        let file = self.open_or_create(place)?;
        Self::identity_of(&file)?;
        let mut text = [0; RECORD_LENGTH];
        record.write(&mut text);
        let written = sys::write(&file, &text)?;
        // Cuts what is not ours, after a short write too: half a record is none.
        sys::truncate(&file, written)
    }

    fn guard_open(&mut self) -> Result<OpenGuard> {
        let file = self.open_or_create(Place::Guard)?;
        let identity = Self::identity_of(&file)?;
        Ok(OpenGuard { handle: u64::from(file.into_number().unsigned_abs()), identity })
    }

    #[inline(never)]
    fn guard_lock(&mut self, guard: OpenGuard) -> Result<Option<u64>> {
        // The descriptor that `guard_open` gave up; it is closed on return.
        let file = Descriptor::from_number(guard.handle as i32);
        match sys::lock(&file) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(errno) => return Err(errno),
        }
        keep(&file).map(Some)
    }

    #[inline(never)]
    fn shared_lock(&mut self, lease: Lease) -> Shared {
        if !self.credentials_are_mounted() {
            return Shared::NotNeeded;
        }
        let leases = self.names.leases;
        let path = self.path(Place::Credentials);
        let locked = sys::open(path, O_RDWR | OPEN, 0).and_then(|file| {
            lock_lease(&file, libc::F_WRLCK, leases, lease)?;
            lock_lease(&file, libc::F_RDLCK, leases, lease.others())?;
            keep(&file)
        });
        let lasting = locked.and_then(|mapping| {
            // As for the guard, what counts is that it lasts when the descriptor is closed.
            match sys::open(path, O_RDWR | OPEN, 0)
                .and_then(|file| lock_lease(&file, libc::F_WRLCK, leases, lease))
            {
                Err(Errno::WOULDBLOCK | Errno::ACCESS) => Ok(mapping),
                other => {
                    drop_kept(mapping);
                    Err(other.err().unwrap_or(Errno::INVAL))
                }
            }
        });
        match lasting {
            Ok(mapping) => Shared::Taken(mapping),
            // Who cannot look for want of a descriptor or of memory is not to take it for free.
            Err(Errno::WOULDBLOCK | Errno::MFILE | Errno::NFILE | Errno::NOMEM) => Shared::Busy,
            Err(errno @ (Errno::ROFS | Errno::ACCESS | Errno::PERM)) => Shared::Refused(errno),
            Err(_) => Shared::Incoherent,
        }
    }

    fn shared_drop(&mut self, shared: u64) {
        self.guard_drop(shared);
    }

    fn guard_refused(&mut self) -> bool {
        sys::open(self.path(Place::Guard), O_RDONLY | OPEN, 0)
            .is_ok_and(|file| sys::lock(&file) == Err(Errno::WOULDBLOCK))
    }

    fn guard_drop(&mut self, guard: u64) {
        drop_kept(guard);
    }

    fn removal_lock(&mut self) -> Result<Option<u64>> {
        let file = self.open_or_create(Place::Removal)?;
        match sys::lock(&file) {
            Ok(()) => Ok(Some(u64::from(file.into_number().unsigned_abs()))),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    fn removal_unlock(&mut self, removal: u64) {
        let file = Descriptor::from_number(removal as i32);
        // Closing is not enough if another thread has forked meanwhile.
        let _ = sys::unlock(&file);
    }
}
