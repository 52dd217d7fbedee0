//! System calls as the kernel takes them: no libc, no errno, no panic.
//!
//! rustix would be the well-kept choice, but its descriptors and its clock keep panics reachable, which the
//! preloaded library may not link. Each function is one system call and links its man page by its name.

use core::arch::asm;
use core::ffi::{CStr, c_int, c_long};
use core::mem::MaybeUninit;
use core::ptr;

use libc::{AT_FDCWD, timespec};
use lockspan_core::Time;
use lockspan_core::text::Text;

/// An errno.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct Errno(pub c_int);

/// Result of a system call.
pub type Result<T> = core::result::Result<T, Errno>;

macro_rules! errnos {
    ($($name:ident = $value:ident),*) => {
        impl Errno {
            $(#[doc = concat!("`", stringify!($value), "`")] pub const $name: Errno = Errno(libc::$value);)*
        }
    };
}

errnos!(
    PERM = EPERM,
    NOENT = ENOENT,
    NOMEM = ENOMEM,
    NFILE = ENFILE,
    MFILE = EMFILE,
    NOTDIR = ENOTDIR,
    ACCESS = EACCES,
    EXIST = EEXIST,
    BUSY = EBUSY,
    FAULT = EFAULT,
    FBIG = EFBIG,
    INVAL = EINVAL,
    ROFS = EROFS,
    NOSYS = ENOSYS,
    NOSPC = ENOSPC,
    IO = EIO,
    DQUOT = EDQUOT,
    WOULDBLOCK = EWOULDBLOCK
);

/// Makes a system call, and gives its result as the kernel does: an errno is negative.
///
/// # Safety
/// As the call named by `number` demands of its arguments.
pub unsafe fn raw(number: c_long, arguments: [usize; 6]) -> isize {
    let [a, b, c, d, e, f] = arguments;
    let result: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the registers are those of the kernel's calling convention; it changes rcx and r11 besides the
    // result.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above; only x0 is changed.
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a as isize => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f, options(nostack));
    }
    result
}

/// Makes a system call.
///
/// # Safety
/// As the call named by `number` demands of its arguments.
unsafe fn call(number: c_long, arguments: [usize; 6]) -> Result<usize> {
    // SAFETY: the caller's promise.
    let result = unsafe { raw(number, arguments) };
    if (-4095..0).contains(&result) { Err(Errno(-result as c_int)) } else { Ok(result.cast_unsigned()) }
}

/// What may be passed to the kernel in a register.
trait Argument {
    fn word(self) -> usize;
}

impl Argument for usize {
    fn word(self) -> usize {
        self
    }
}

impl Argument for u64 {
    fn word(self) -> usize {
        self as usize
    }
}

impl Argument for u32 {
    fn word(self) -> usize {
        self as usize
    }
}

impl Argument for c_int {
    fn word(self) -> usize {
        self as usize
    }
}

impl Argument for &CStr {
    fn word(self) -> usize {
        self.as_ptr().addr()
    }
}

impl<T> Argument for *const T {
    fn word(self) -> usize {
        self.addr()
    }
}

impl<T> Argument for *mut T {
    fn word(self) -> usize {
        self.addr()
    }
}

/// The C string at the start of a buffer, if it has a NUL.
#[inline(never)]
pub fn c_string(buffer: &[u8]) -> Option<&CStr> {
    let end = buffer.iter().position(|&byte| byte == 0)?;
    // SAFETY: ends with the first NUL.
    buffer.get(..=end).map(|bytes| unsafe { CStr::from_bytes_with_nul_unchecked(bytes) })
}

macro_rules! call {
    ($number:ident $(, $argument:expr)*) => {
        call(libc::$number, padded([$(Argument::word($argument)),*]))
    };
}

fn padded<const N: usize>(given: [usize; N]) -> [usize; 6] {
    let mut words = [0; 6];
    words.iter_mut().zip(given).for_each(|(to, from)| *to = from);
    words
}

/// An open descriptor, closed when dropped.
#[derive(Debug)]
pub struct Descriptor(c_int);

impl Descriptor {
    /// Its number.
    pub fn number(&self) -> c_int {
        self.0
    }

    /// Gives up ownership.
    pub fn into_number(self) -> c_int {
        let number = self.0;
        core::mem::forget(self);
        number
    }

    /// Takes ownership of a descriptor that nobody else closes.
    pub fn from_number(number: c_int) -> Descriptor {
        Descriptor(number)
    }
}

impl Drop for Descriptor {
    #[inline(never)]
    fn drop(&mut self) {
        // SAFETY: takes no address.
        let _ = unsafe { call!(SYS_close, self.0) };
    }
}

/// openat(2) from the working directory; `O_CLOEXEC` and `O_NOCTTY` are added.
pub fn open(path: &CStr, flags: c_int, mode: u32) -> Result<Descriptor> {
    open_at(AT_FDCWD, path, flags, mode)
}

/// openat(2); `O_CLOEXEC` and `O_NOCTTY` are added.
#[inline(never)]
pub fn open_at(at: c_int, path: &CStr, flags: c_int, mode: u32) -> Result<Descriptor> {
    let flags = flags | libc::O_CLOEXEC | libc::O_NOCTTY;
    // SAFETY: a C string.
    unsafe { call!(SYS_openat, at, path, flags, mode) }.map(|number| Descriptor(number as c_int))
}

/// mkdirat(2) from the working directory.
#[inline(never)]
pub fn mkdir(path: &CStr, mode: u32) -> Result<()> {
    // SAFETY: a C string.
    unsafe { call!(SYS_mkdirat, AT_FDCWD, path, mode) }.map(drop)
}

/// unlinkat(2) with `AT_REMOVEDIR`.
#[inline(never)]
pub fn rmdir(path: &CStr) -> Result<()> {
    // SAFETY: a C string.
    unsafe { call!(SYS_unlinkat, AT_FDCWD, path, libc::AT_REMOVEDIR) }.map(drop)
}

/// unlinkat(2) of a file.
#[inline(never)]
pub fn unlink(at: c_int, path: &CStr) -> Result<()> {
    // SAFETY: a C string.
    unsafe { call!(SYS_unlinkat, at, path, 0usize) }.map(drop)
}

/// statx(2) of a path from a directory; an empty path with `AT_EMPTY_PATH` is the directory itself.
#[inline(never)]
pub fn statx(at: c_int, path: &CStr, flags: c_int) -> Result<libc::statx> {
    let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
    let mut found = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: a C string and room for the answer.
    unsafe { call!(SYS_statx, at, path, flags, mask, found.as_mut_ptr()) }?;
    // SAFETY: all zeros is a valid value, and the kernel writes valid ones.
    Ok(unsafe { found.assume_init() })
}

/// newfstatat(2); for an empty path see [`statx`].
#[inline(never)]
pub fn stat(at: c_int, path: &CStr, flags: c_int) -> Result<libc::stat> {
    let mut found = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: a C string and room for the answer, which the kernel lays out as libc does on these targets.
    unsafe { call!(SYS_newfstatat, at, path, found.as_mut_ptr(), flags) }?;
    // SAFETY: all zeros is a valid value, and the kernel writes valid ones.
    Ok(unsafe { found.assume_init() })
}

fn timespec(time: Time) -> timespec {
    timespec { tv_sec: time.sec, tv_nsec: time.nsec.into() }
}

/// utimensat(2) of a path, a symbolic link not followed, or without a path of the open file `at`.
#[inline(never)]
pub fn set_times(at: c_int, path: Option<&CStr>, accessed: Time, modified: Time) -> Result<()> {
    let times = [timespec(accessed), timespec(modified)];
    let (path, flags) = path.map_or((0, 0), |path| (path.as_ptr().addr(), libc::AT_SYMLINK_NOFOLLOW));
    // SAFETY: a C string or NULL, and two times.
    unsafe { call!(SYS_utimensat, at, path, times.as_ptr(), flags) }.map(drop)
}

/// fchown(2). An owner of `u32::MAX` is left as it is.
#[inline(never)]
pub fn change_owner(file: &Descriptor, owner: u32, group: u32) -> Result<()> {
    // SAFETY: takes no address.
    unsafe { call!(SYS_fchown, file.0, owner, group) }.map(drop)
}

/// fchmod(2).
#[inline(never)]
pub fn change_mode(file: &Descriptor, mode: u32) -> Result<()> {
    // SAFETY: takes no address.
    unsafe { call!(SYS_fchmod, file.0, mode) }.map(drop)
}

/// prlimit(2): whether the limit on the size of files allows for one of this length.
pub fn may_write(length: usize) -> bool {
    let mut limit = libc::rlimit64 { rlim_cur: libc::RLIM64_INFINITY, rlim_max: libc::RLIM64_INFINITY };
    // SAFETY: no new limit, and room for the present one.
    let _ = unsafe { call!(SYS_prlimit64, 0usize, libc::RLIMIT_FSIZE, 0usize, &raw mut limit) };
    limit.rlim_cur >= length as u64
}

/// faccessat(2) from the working directory, for the real user.
pub fn access(path: &CStr, mode: c_int) -> Result<()> {
    // SAFETY: a C string.
    unsafe { call!(SYS_faccessat, AT_FDCWD, path, mode) }.map(drop)
}

/// readlinkat(2) from the working directory; the length of the link's text.
pub fn readlink(path: &CStr, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: a C string and room of the length given.
    unsafe { call!(SYS_readlinkat, AT_FDCWD, path, buffer.as_mut_ptr(), buffer.len()) }
}

/// read(2).
#[inline(never)]
pub fn read(file: &Descriptor, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: room of the length given.
    unsafe { call!(SYS_read, file.0, buffer.as_mut_ptr(), buffer.len()) }
}

/// pread64(2).
pub fn read_at(file: &Descriptor, buffer: &mut [u8], offset: u64) -> Result<usize> {
    // SAFETY: room of the length given.
    unsafe { call!(SYS_pread64, file.0, buffer.as_mut_ptr(), buffer.len(), offset) }
}

/// pread64(2) from the start to the end of the file or of the buffer.
pub fn read_all(file: &Descriptor, buffer: &mut [u8]) -> Result<usize> {
    let mut length = 0;
    while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match read_at(file, rest, length as u64)? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}

/// write(2).
#[inline(never)]
pub fn write(file: &Descriptor, bytes: &[u8]) -> Result<usize> {
    // SAFETY: bytes of the length given.
    unsafe { call!(SYS_write, file.0, bytes.as_ptr(), bytes.len()) }
}

/// pwrite64(2).
pub fn write_at(file: &Descriptor, bytes: &[u8], offset: usize) -> Result<usize> {
    // SAFETY: bytes of the length given.
    unsafe { call!(SYS_pwrite64, file.0, bytes.as_ptr(), bytes.len(), offset) }
}

/// write(2) of memory that need not all be there: it ends where that ends.
///
/// # Safety
/// Nobody who keeps a reference to the memory has it changed by this: it is only read.
pub unsafe fn write_from(file: &Descriptor, address: usize, length: usize) -> Result<usize> {
    // SAFETY: the kernel checks the addresses.
    unsafe { call!(SYS_write, file.0, address, length) }
}

/// fdatasync(2).
pub fn sync(file: &Descriptor) -> Result<()> {
    // SAFETY: takes no address.
    unsafe { call!(SYS_fdatasync, file.0) }.map(drop)
}

/// fcntl(2) with `F_OFD_GETLK`: the first of `count` bytes that another open file has locked, if any.
pub fn locked_byte(file: &Descriptor, first: i64, count: i64) -> Option<i64> {
    let mut range = libc::flock { l_len: count, ..byte_range(first) };
    // SAFETY: a range.
    let asked = unsafe { call!(SYS_fcntl, file.0, libc::F_OFD_GETLK, &raw mut range) };
    (asked.is_ok() && range.l_type != libc::F_UNLCK as i16).then_some(range.l_start)
}

/// ftruncate(2).
#[inline(never)]
pub fn truncate(file: &Descriptor, length: usize) -> Result<()> {
    // SAFETY: takes no address.
    unsafe { call!(SYS_ftruncate, file.0, length) }.map(drop)
}

/// flock(2), exclusive, without blocking.
#[inline(never)]
pub fn lock(file: &Descriptor) -> Result<()> {
    // SAFETY: takes no address.
    unsafe { call!(SYS_flock, file.0, libc::LOCK_EX | libc::LOCK_NB) }.map(drop)
}

/// flock(2) with `LOCK_UN`.
#[inline(never)]
pub fn unlock(file: &Descriptor) -> Result<()> {
    // SAFETY: takes no address.
    unsafe { call!(SYS_flock, file.0, libc::LOCK_UN) }.map(drop)
}

/// fcntl(2) with `F_OFD_SETLK`: locks `count` bytes of an open file, which need not be there, without blocking; `kind` is
/// `F_WRLCK`, `F_RDLCK` or `F_UNLCK`.
#[inline(never)]
pub fn lock_bytes(file: &Descriptor, kind: c_int, first: i64, count: i64) -> Result<()> {
    let mut range = libc::flock { l_type: kind as i16, l_len: count, ..byte_range(first) };
    // SAFETY: a range.
    unsafe { call!(SYS_fcntl, file.0, libc::F_OFD_SETLK, &raw mut range) }.map(drop)
}

/// The same for one byte, exclusively.
pub fn lock_byte(file: &Descriptor, byte: i64) -> Result<()> {
    lock_bytes(file, libc::F_WRLCK, byte, 1)
}

/// Gives such a byte back.
pub fn unlock_byte(file: &Descriptor, byte: i64) {
    let _ = lock_bytes(file, libc::F_UNLCK, byte, 1);
}

fn byte_range(byte: i64) -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    }
}

/// mmap(2) of a file from `start` on, private, with this access (unchanged pages are the file's own), at an address of
/// the kernel's choice; the address.
pub fn map(file: &Descriptor, start: usize, length: usize, access: c_int) -> Result<usize> {
    // SAFETY: a new mapping replaces none.
    unsafe { call!(SYS_mmap, 0usize, length, access, libc::MAP_PRIVATE, file.0, start) }
}

/// memfd_create(2): a file in memory, which no program started from here inherits.
pub fn memory_file() -> Result<Descriptor> {
    // SAFETY: a C string.
    unsafe { call!(SYS_memfd_create, c"lockspan", libc::MFD_CLOEXEC) }
        .map(|number| Descriptor(number as c_int))
}

/// linkat(2) with `AT_SYMLINK_FOLLOW`, from the working directory.
pub fn link(from: &CStr, to_at: c_int, to: &CStr) -> Result<()> {
    // SAFETY: two C strings.
    unsafe { call!(SYS_linkat, AT_FDCWD, from, to_at, to, libc::AT_SYMLINK_FOLLOW) }.map(drop)
}

/// renameat(2).
pub fn rename(from_at: c_int, from: &CStr, to_at: c_int, to: &CStr) -> Result<()> {
    // SAFETY: two C strings.
    unsafe { call!(SYS_renameat, from_at, from, to_at, to) }.map(drop)
}

/// fgetxattr(2): whether a file has an access control list, see
/// [acl(5)](https://man7.org/linux/man-pages/man5/acl.5.html).
pub fn has_access_list(file: &Descriptor) -> bool {
    // SAFETY: a C string, and no room for the value.
    unsafe { call!(SYS_fgetxattr, file.0, c"system.posix_acl_access", 0usize, 0usize) }
        .is_ok_and(|size| size > 0)
}

/// Room for a path made by [`descriptor_path`]. Bytes.
pub const DESCRIPTOR_PATH: usize = 32;

/// The path that leads to what an open descriptor of this process is of.
#[inline(never)]
pub fn descriptor_path(number: c_int, buffer: &mut [u8; DESCRIPTOR_PATH]) -> &CStr {
    let mut text = Text::new(buffer);
    text.bytes(b"/proc/self/fd/").number(number.unsigned_abs().into()).bytes(b"\0");
    c_string(buffer).unwrap_or_default()
}

/// madvise(2) with `MADV_DONTFORK`.
pub fn keep_from_children(address: usize, length: usize) -> Result<()> {
    // SAFETY: changes nothing for this process.
    unsafe { call!(SYS_madvise, address, length, libc::MADV_DONTFORK) }.map(drop)
}

/// mmap(2): new private memory, to be read and written, at an address of the kernel's choice; the address.
pub fn map_memory(length: usize) -> Result<usize> {
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping replaces none.
    unsafe { call!(SYS_mmap, 0usize, length, access, kind, -1, 0usize) }
}

/// mmap(2) with `MAP_FIXED_NOREPLACE`: as [`map_memory`], at this address. A kernel older than 4.17 may choose
/// another, which is undone and answered as `EEXIST`, the answer where the address is taken.
pub fn map_memory_at(address: usize, length: usize) -> Result<()> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: a new mapping replaces none.
    let mapped = unsafe { call!(SYS_mmap, address, length, access, kind, -1, 0usize) }?;
    if mapped == address {
        return Ok(());
    }
    // SAFETY: made just now.
    unsafe { unmap(mapped, length) }?;
    Err(Errno::EXIST)
}

/// mmap(2) with `MAP_FIXED`: part of a file, to be read and executed, instead of what is at the address.
///
/// # Safety
/// Whoever uses what is there finds the same in the file.
pub unsafe fn map_code_over(address: usize, length: usize, file: &Descriptor, offset: u64) -> Result<()> {
    let (access, kind) = (libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE | libc::MAP_FIXED);
    // SAFETY: the caller's promise.
    unsafe { call!(SYS_mmap, address, length, access, kind, file.0, offset) }.map(drop)
}

/// mprotect(2): from now on the memory can be read and executed, and no longer written.
///
/// # Safety
/// Nobody writes to the range, which is a mapping of the caller's own.
pub unsafe fn make_code(address: usize, length: usize) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { call!(SYS_mprotect, address, length, libc::PROT_READ | libc::PROT_EXEC) }.map(drop)
}

/// mremap(2) with `MREMAP_FIXED`: moves a mapping to an address, instead of what is there.
///
/// # Safety
/// Nobody uses the range by its old address, and whoever uses what is at the new one can go on with what comes.
pub unsafe fn move_over(from: usize, length: usize, to: usize) -> Result<()> {
    let how = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
    // SAFETY: the caller's promise.
    unsafe { call!(SYS_mremap, from, length, length, how, to) }.map(drop)
}

/// munmap(2).
///
/// # Safety
/// The range is a mapping of the caller's own, which nobody else knows of.
#[inline(never)]
pub unsafe fn unmap(address: usize, length: usize) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { call!(SYS_munmap, address, length) }.map(drop)
}

/// getpid(2).
#[inline(never)]
pub fn process_id() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { call!(SYS_getpid) }.unwrap_or_default() as u32
}

/// gettid(2).
#[inline(never)]
pub fn thread_id() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { call!(SYS_gettid) }.unwrap_or_default() as u32
}

/// clock_gettime(2).
#[inline(never)]
pub fn clock(id: c_int) -> Time {
    let mut now = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: room for the answer. The clocks that are asked for exist on every kernel.
    let _ = unsafe { call!(SYS_clock_gettime, id, &raw mut now) };
    Time { sec: now.tv_sec, nsec: now.tv_nsec as u32 }
}

/// Milliseconds of `CLOCK_MONOTONIC`.
#[inline(never)]
pub fn monotonic() -> u64 {
    let now = clock(libc::CLOCK_MONOTONIC);
    now.sec.unsigned_abs().wrapping_mul(1000).wrapping_add(u64::from(now.nsec / 1_000_000))
}

/// Every signal is blocked until this is dropped.
#[derive(Debug)]
pub struct BlockedSignals {
    /// The mask before, as the kernel has it; `None` if it was not changed.
    before: Option<u64>,
}

/// rt_sigprocmask(2): blocks every signal, if that can be.
#[inline(never)]
pub fn block_signals() -> BlockedSignals {
    let (all, mut before) = (u64::MAX, 0u64);
    // SAFETY: two masks of the size given.
    let blocked =
        unsafe { call!(SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const all, &raw mut before, 8usize) };
    BlockedSignals { before: blocked.is_ok().then_some(before) }
}

impl Drop for BlockedSignals {
    #[inline(never)]
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // SAFETY: a mask of the size given.
            let _ = unsafe {
                call!(SYS_rt_sigprocmask, libc::SIG_SETMASK, ptr::from_ref(before), 0usize, 8usize)
            };
        }
    }
}

/// Whether a byte of memory can be read, asked of the kernel: rt_sigprocmask(2) copies a mask, the word with the byte,
/// before it refuses to do anything with it.
///
/// With `as_path`, faccessat(2) is asked: it reads a path from the byte on, and nothing else of the word.
#[inline(never)]
pub fn readable(address: usize, as_path: bool) -> bool {
    const WORD: usize = 8;
    // The directory of a path; for rt_sigprocmask, a change that there is not.
    const FROM: c_int = AT_FDCWD;
    let (number, address) = if as_path {
        (libc::SYS_faccessat, address)
    } else {
        (libc::SYS_rt_sigprocmask, address & !(WORD - 1))
    };
    // SAFETY: the kernel checks the address, and changes nothing. faccessat takes three arguments.
    let answer = unsafe { call(number, padded([FROM.word(), address, 0, WORD])) };
    answer != Err(Errno::FAULT)
}

/// ppoll(2) of nothing: sleeps, the signals that are `blocked` being delivered meanwhile. Then it ends early, with
/// `true`.
#[inline(never)]
pub fn sleep(milliseconds: u64, blocked: Option<&BlockedSignals>) -> bool {
    let mut time = timespec {
        tv_sec: (milliseconds / 1000).cast_signed(),
        tv_nsec: (milliseconds % 1000 * 1_000_000).cast_signed(),
    };
    let before = blocked.and_then(|blocked| blocked.before.as_ref());
    let mask = before.map_or(0, |mask| ptr::from_ref(mask).addr());
    // SAFETY: no descriptors, a time, and a mask of the size given or none.
    unsafe { call!(SYS_ppoll, 0usize, 0usize, &raw mut time, mask, 8usize) }.is_err()
}

/// The host name, by uname(2), padded with zeros and cut to `N` bytes.
pub fn host_name<const N: usize>() -> [u8; N] {
    let mut host = [0; N];
    let mut names = MaybeUninit::<libc::utsname>::zeroed();
    // SAFETY: room for the answer; all zeros is a valid value too.
    let names = unsafe {
        let _ = call!(SYS_uname, names.as_mut_ptr());
        names.assume_init()
    };
    let name = names.nodename.iter().take_while(|&&byte| byte != 0);
    host.iter_mut().zip(name).for_each(|(to, from)| *to = *from as u8);
    host
}
