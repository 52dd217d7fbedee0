//! The [`Kernel`] of a running system, by raw system calls only.
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
use lockspan_core::names::{
    CREDENTIALS, LockNames, REMOVAL, SIBLING_RECORD, SIBLING_SUFFIX, STATE_DIR, UPSTREAM_OWNER,
};
use lockspan_core::record::{BOOT_ID_LENGTH, RECORD_LENGTH};
use lockspan_core::text::Text;
use lockspan_core::{Identity, Time};

use crate::kernel::{Errno, Kernel, OpenGuard, Owner, Place, Result, Stat, Times};
use crate::sys::{self, Descriptor};

/// `PATH_MAX`, with the terminating NUL.
pub const PATH_MAX: usize = 4096;

/// What is mapped of a guard file; never read or written.
const MAPPED: usize = 4096;

/// How our own files are opened: a symbolic link or a FIFO in their place must lead nowhere.
const OPEN: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK;

/// One lock of one config directory.
#[derive(Debug)]
pub struct Linux {
    path: [u8; PATH_MAX],
    directory_length: usize,
    names: &'static LockNames,
}

impl Linux {
    /// The lock `names` of the config directory with this real path. `None` if the path is too long for the
    /// lock's own path to exist.
    pub fn new(directory: &[u8], names: &'static LockNames) -> Option<Linux> {
        let mut path = [0; PATH_MAX];
        let longest = names.guard.len().max(names.record.len()).max(SIBLING_RECORD.len() + 16);
        // A slash before the name, a NUL after it.
        if directory.len().checked_add(longest)?.checked_add(2)? > PATH_MAX {
            return None;
        }
        path.get_mut(..directory.len())?.iter_mut().zip(directory).for_each(|(to, from)| *to = *from);
        Some(Linux { path, directory_length: directory.len(), names })
    }

    /// The path of a place, absolute if the config directory's is.
    pub fn path(&mut self, place: Place) -> &CStr {
        let names = self.names;
        match place {
            Place::Lock => self.inside(names.lock),
            Place::Sibling => self.with(b"", SIBLING_SUFFIX, b""),
            Place::Guard => self.inside(names.guard),
            Place::Record => self.inside(names.record),
            Place::SiblingRecord(key) => {
                let mut digits = [0; 16];
                Text::new(&mut digits).hexadecimal(key);
                self.with(b"/", SIBLING_RECORD, &digits)
            }
            Place::Removal => self.inside(REMOVAL),
            Place::UpstreamOwner => self.inside(UPSTREAM_OWNER),
            Place::Credentials => self.inside(CREDENTIALS),
        }
    }

    fn inside(&mut self, name: &[u8]) -> &CStr {
        self.with(b"/", name, b"")
    }

    fn directory(&mut self) -> &CStr {
        self.with(b"", b"", b"")
    }

    fn with(&mut self, separator: &[u8], name: &[u8], end: &[u8]) -> &CStr {
        let tail = separator.iter().chain(name).chain(end).chain(&[0]);
        self.path.iter_mut().skip(self.directory_length).zip(tail).for_each(|(to, from)| *to = *from);
        CStr::from_bytes_until_nul(&self.path).unwrap_or_default()
    }

    /// Opens a file of ours in the state directory; made first, with its directory, if it is missing.
    fn open_or_create(&mut self, place: Place) -> Result<Descriptor> {
        match self.open_existing(place) {
            Err(Errno::NOENT) => {}
            other => return other,
        }
        let directory = sys::stat(AT_FDCWD, self.directory(), 0)?;
        let mode = directory.st_mode & 0o777;
        match sys::mkdir(self.inside(STATE_DIR), mode) {
            Ok(()) => give(self.inside(STATE_DIR), &directory, mode),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        let mode = mode & 0o666;
        match sys::open(self.path(place), O_RDWR | libc::O_CREAT | libc::O_EXCL | OPEN, mode) {
            Ok(file) => {
                give(self.path(place), &directory, mode);
                Ok(file)
            }
            // Another process made it just now.
            Err(Errno::EXIST) => self.open_existing(place),
            Err(errno) => Err(errno),
        }
    }

    fn open_existing(&mut self, place: Place) -> Result<Descriptor> {
        match sys::open(self.path(place), O_RDWR | OPEN, 0) {
            // flock needs no write permission.
            Err(Errno::ACCESS) if matches!(place, Place::Guard | Place::Removal) => {
                sys::open(self.path(place), O_RDONLY | OPEN, 0)
            }
            other => other,
        }
    }

    /// The identity of an open file of ours, which must be a regular one.
    fn identity_of(file: &Descriptor) -> Result<Identity> {
        let (stat, mode) = look(file.number(), c"", AT_EMPTY_PATH)?;
        if mode & libc::S_IFMT == libc::S_IFREG { Ok(stat.identity) } else { Err(Errno::INVAL) }
    }
}

/// Gives what was made at `path` to the owner of the config directory, as far as the caller may, with exactly
/// this mode: a root container beside one with uid 1000 must not lock that one out.
fn give(path: &CStr, directory: &libc::stat, mode: u32) {
    if sys::chown(path, directory.st_uid, directory.st_gid).is_err() {
        // Without the right to give it away the group at least, if the caller is in it.
        let _ = sys::chown(path, u32::MAX, directory.st_gid);
    }
    // umask has cut the mode. Failing leaves a file that only the caller can use, and others without a guard.
    let _ = sys::chmod(path, mode);
}

/// statx(2), with newfstatat's words where statx is refused (a kernel before 4.11, an old seccomp profile).
/// The second part is the mode.
fn look(at: i32, path: &CStr, flags: i32) -> Result<(Stat, u32)> {
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
            Ok((Stat { identity, mtime }, found.stx_mode.into()))
        }
        Err(Errno::NOSYS | Errno::PERM) => {
            let found = sys::stat(at, path, flags)?;
            let identity = Identity { dev: found.st_dev, ino: found.st_ino, birth: Time::default() };
            let mtime = Time { sec: found.st_mtime, nsec: found.st_mtime_nsec as u32 };
            Ok((Stat { identity, mtime }, found.st_mode))
        }
        Err(errno) => Err(errno),
    }
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

impl Kernel for Linux {
    fn pid(&mut self) -> u32 {
        sys::process_id()
    }

    fn owner(&mut self) -> Owner {
        let mut boot = [0; BOOT_ID_LENGTH];
        let read = read_file(c"/proc/sys/kernel/random/boot_id", &mut boot);
        let pid_namespace = sys::stat(AT_FDCWD, c"/proc/self/ns/pid", 0).map_or(0, |found| found.st_ino);
        let boot = (read == Ok(BOOT_ID_LENGTH)).then_some(boot);
        Owner { boot, pid_namespace, host: sys::host_name() }
    }

    fn wall(&mut self) -> Time {
        sys::clock(libc::CLOCK_REALTIME)
    }

    fn monotonic(&mut self) -> u64 {
        let now = sys::clock(libc::CLOCK_MONOTONIC);
        now.sec.unsigned_abs().wrapping_mul(1000).wrapping_add(u64::from(now.nsec / 1_000_000))
    }

    fn sleep(&mut self, milliseconds: u64) {
        sys::sleep(milliseconds);
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
        let directory = sys::open(self.path(place), O_RDONLY | O_DIRECTORY | OPEN, 0)?;
        if look(directory.number(), c"", AT_EMPTY_PATH)?.0.identity != identity {
            return Err(Errno::NOENT);
        }
        sys::set_times(&directory, times.accessed, times.modified)
    }

    fn give_to_owner(&mut self, place: Place) {
        if let (Ok(directory), Ok(made)) = (
            sys::stat(AT_FDCWD, self.directory(), 0),
            sys::stat(AT_FDCWD, self.path(place), AT_SYMLINK_NOFOLLOW),
        ) && directory.st_uid != made.st_uid
        {
            // Without the right to do so it stays the caller's, as it would without the library.
            let _ = sys::chown(self.path(place), directory.st_uid, directory.st_gid);
        }
    }

    fn unlink(&mut self, place: Place) -> Result<()> {
        sys::unlink(self.path(place))
    }

    fn writable(&mut self, place: Place) -> bool {
        sys::access(self.path(place), libc::W_OK).is_ok()
    }

    fn read_record(&mut self, place: Place) -> Option<[u8; RECORD_LENGTH]> {
        // One byte more than a record, so that a longer file is noticed.
        let mut buffer = [0; RECORD_LENGTH + 1];
        let length = read_file(self.path(place), &mut buffer).ok()?;
        if length == RECORD_LENGTH { buffer.first_chunk().copied() } else { None }
    }

    fn write_record(&mut self, place: Place, record: &[u8; RECORD_LENGTH]) -> Result<()> {
        let file = self.open_or_create(place)?;
        Self::identity_of(&file)?;
        let written = sys::write(&file, record)?;
        // Cuts what is not ours, after a short write too: half a record is none.
        sys::truncate(&file, written)
    }

    fn guard_open(&mut self) -> Result<OpenGuard> {
        let file = self.open_or_create(Place::Guard)?;
        let identity = Self::identity_of(&file)?;
        Ok(OpenGuard { handle: u64::from(file.into_number().unsigned_abs()), identity })
    }

    fn guard_lock(&mut self, guard: OpenGuard) -> Result<Option<u64>> {
        // The descriptor that `guard_open` gave up; it is closed on return.
        let file = Descriptor::from_number(guard.handle as i32);
        match sys::lock(&file) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(errno) => return Err(errno),
        }
        let mapping = sys::map(&file, MAPPED)?;
        if let Err(errno) = sys::keep_from_children(mapping, MAPPED) {
            self.guard_drop(mapping as u64);
            return Err(errno);
        }
        Ok(Some(mapping as u64))
    }

    fn guard_refused(&mut self) -> bool {
        sys::open(self.path(Place::Guard), O_RDONLY | OPEN, 0)
            .is_ok_and(|file| sys::lock(&file) == Err(Errno::WOULDBLOCK))
    }

    fn guard_drop(&mut self, guard: u64) {
        // SAFETY: the address is that of a mapping made by `guard_lock` in this process, which nobody else
        // knows of.
        let _ = unsafe { sys::unmap(guard as usize, MAPPED) };
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
