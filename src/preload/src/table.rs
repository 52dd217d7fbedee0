//! The hooked functions, one row each. From these rows follow the hooks and the export list; a test holds
//! them against what `nm -D` shows and against the snippets in `c-tests/snippets`.
//!
//! The man page of a row is that of its name in section 2, of `realpath`, `fopen`, `opendir`, `lutimes` and
//! `euidaccess` in section 3; the names with `64` and with two underscores are what LFS64, FORTIFY and old
//! glibc make of the same calls.

use core::ffi::{c_char, c_int, c_long, c_uint, c_void};

use libc::{
    AT_FDCWD, DIR, FILE, O_CREAT, O_TRUNC, O_WRONLY, mode_t, size_t, ssize_t, stat as Stat, stat64 as Stat64,
    statx as Statx, timespec, timeval, utimbuf,
};

use crate::file_lock::Act;
use crate::hook::rows::symbols;
use crate::operations::When;

type Path = *const c_char;

symbols! {
    mkdir(path: Path, mode: mode_t) -> c_int = make(AT_FDCWD, path, mode);
    mkdirat(at: c_int, path: Path, mode: mode_t) -> c_int = make(at, path, mode);
    rmdir(path: Path) -> c_int = remove(AT_FDCWD, path, libc::AT_REMOVEDIR);
    unlinkat(at: c_int, path: Path, flags: c_int) -> c_int = remove(at, path, flags);

    utimensat(at: c_int, path: Path, times: *const timespec, flags: c_int) -> c_int = touch(at, path, When::Spec(times, flags));
    utimes(path: Path, times: *const timeval) -> c_int = touch(AT_FDCWD, path, When::Val(times));
    lutimes(path: Path, times: *const timeval) -> c_int = touch(AT_FDCWD, path, When::Val(times));
    futimesat(at: c_int, path: Path, times: *const timeval) -> c_int = touch(at, path, When::Val(times));
    utime(path: Path, times: *const utimbuf) -> c_int = touch(AT_FDCWD, path, When::Buf(times));

    stat(path: Path, buffer: *mut Stat) -> c_int = shown(AT_FDCWD, path, buffer);
    stat64(path: Path, buffer: *mut Stat64) -> c_int = shown(AT_FDCWD, path, buffer);
    lstat(path: Path, buffer: *mut Stat) -> c_int = shown(AT_FDCWD, path, buffer);
    lstat64(path: Path, buffer: *mut Stat64) -> c_int = shown(AT_FDCWD, path, buffer);
    fstatat(at: c_int, path: Path, buffer: *mut Stat, flags: c_int) -> c_int = shown(at, path, buffer);
    fstatat64(at: c_int, path: Path, buffer: *mut Stat64, flags: c_int) -> c_int = shown(at, path, buffer);
    __xstat(version: c_int, path: Path, buffer: *mut Stat) -> c_int = shown(AT_FDCWD, path, buffer);
    __xstat64(version: c_int, path: Path, buffer: *mut Stat64) -> c_int = shown(AT_FDCWD, path, buffer);
    __lxstat(version: c_int, path: Path, buffer: *mut Stat) -> c_int = shown(AT_FDCWD, path, buffer);
    __lxstat64(version: c_int, path: Path, buffer: *mut Stat64) -> c_int = shown(AT_FDCWD, path, buffer);
    __fxstatat(version: c_int, at: c_int, path: Path, buffer: *mut Stat, flags: c_int) -> c_int = shown(at, path, buffer);
    __fxstatat64(version: c_int, at: c_int, path: Path, buffer: *mut Stat64, flags: c_int) -> c_int = shown(at, path, buffer);
    statx(at: c_int, path: Path, flags: c_int, mask: c_uint, buffer: *mut Statx) -> c_int = shown(at, path, buffer);

    access(path: Path, mode: c_int) -> c_int = shown(AT_FDCWD, path);
    faccessat(at: c_int, path: Path, mode: c_int, flags: c_int) -> c_int = shown(at, path);
    euidaccess(path: Path, mode: c_int) -> c_int = shown(AT_FDCWD, path);
    chmod(path: Path, mode: mode_t) -> c_int = changes(AT_FDCWD, path);
    fchmodat(at: c_int, path: Path, mode: mode_t, flags: c_int) -> c_int = changes(at, path);
    realpath(path: Path, resolved: *mut c_char) -> *mut c_char = shown(AT_FDCWD, path);
    __realpath_chk(path: Path, resolved: *mut c_char, size: size_t) -> *mut c_char = shown(AT_FDCWD, path);
    readlink(path: Path, buffer: *mut c_char, size: size_t) -> ssize_t = shown(AT_FDCWD, path);
    readlinkat(at: c_int, path: Path, buffer: *mut c_char, size: size_t) -> ssize_t = shown(at, path);
    opendir(path: Path) -> *mut DIR = shown(AT_FDCWD, path);

    // Variadic in C. Integer arguments of variadic functions travel in the same registers on every target
    // that is supported, and the original ignores a mode that was not passed.
    open(path: Path, flags: c_int, mode: mode_t) -> c_int = opens(AT_FDCWD, path, flags);
    open64(path: Path, flags: c_int, mode: mode_t) -> c_int = opens(AT_FDCWD, path, flags);
    openat(at: c_int, path: Path, flags: c_int, mode: mode_t) -> c_int = opens(at, path, flags);
    openat64(at: c_int, path: Path, flags: c_int, mode: mode_t) -> c_int = opens(at, path, flags);
    __open_2(path: Path, flags: c_int) -> c_int = opens(AT_FDCWD, path, flags);
    __open64_2(path: Path, flags: c_int) -> c_int = opens(AT_FDCWD, path, flags);
    __openat_2(at: c_int, path: Path, flags: c_int) -> c_int = opens(at, path, flags);
    __openat64_2(at: c_int, path: Path, flags: c_int) -> c_int = opens(at, path, flags);

    // What only the credentials file needs. The lock has no use for these.
    creat(path: Path, mode: mode_t) -> c_int = opens(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC);
    creat64(path: Path, mode: mode_t) -> c_int = opens(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC);
    fopen(path: Path, mode: *const c_char) -> *mut FILE = pass;
    fopen64(path: Path, mode: *const c_char) -> *mut FILE = pass;
    close(descriptor: c_int) -> c_int = closes(descriptor);
    rename(from: Path, to: Path) -> c_int = replaces(AT_FDCWD, from, AT_FDCWD, to, 0);
    renameat(from_at: c_int, from: Path, to_at: c_int, to: Path) -> c_int = replaces(from_at, from, to_at, to, 0);
    renameat2(from_at: c_int, from: Path, to_at: c_int, to: Path, flags: c_uint) -> c_int = replaces(from_at, from, to_at, to, flags);
    unlink(path: Path) -> c_int = pass;

    // What a store with a lock file needs.
    flock(descriptor: c_int, operation: c_int) -> c_int = locks(descriptor, Act::of_flock(operation));
    // Variadic in C, as open.
    fcntl(descriptor: c_int, command: c_int, argument: *mut c_void) -> c_int = locks(descriptor, Act::of_fcntl(command, argument));
    fcntl64(descriptor: c_int, command: c_int, argument: *mut c_void) -> c_int = locks(descriptor, Act::of_fcntl(command, argument));

    syscall(number: c_long, a: *mut c_void, b: *mut c_void, c: *mut c_void, d: *mut c_void, e: *mut c_void, f: *mut c_void) -> c_long = gate;
}
