//! `syscall()`: what clients call through it by number.
//!
//! Node and Bun look at files with `syscall(SYS_statx)`. Numbers that are not named here go through with
//! their arguments as they are; the table's rows say what the named ones become.

use core::ffi::{c_char, c_int, c_long, c_uint, c_void};

use lockspan_lock::sys;

use crate::operations::{self, When};
use crate::shell::{self, Found};

type Word = *mut c_void;
type Arguments = [Word; 6];

/// The original, called as the caller called us.
pub trait Original: Fn(c_long, Word, Word, Word, Word, Word, Word) -> c_long {}

impl<F: Fn(c_long, Word, Word, Word, Word, Word, Word) -> c_long> Original for F {}

/// Whether a call is named below, in a few instructions: most calls are not.
#[inline(always)]
pub fn is_named(number: c_long) -> bool {
    const WORDS: usize = 8;
    const NAMED: [u64; WORDS] = {
        let mut words = [0; WORDS];
        let mut number = 0;
        while number < WORDS * 64 {
            if path_argument(number as c_long).is_some() || number as c_long == libc::SYS_io_uring_setup {
                words[number / 64] |= 1 << (number % 64);
            }
            number += 1;
        }
        words
    };
    let number = number.cast_unsigned();
    NAMED.get((number / 64) as usize).is_some_and(|word| word >> (number % 64) & 1 != 0)
}

/// What the hook does with a call that is named, and with the first of all.
#[inline(never)]
#[expect(clippy::too_many_arguments, reason = "as in the hook, so that they need not be moved")]
pub unsafe fn named(
    original: impl Original,
    number: c_long,
    a: Word,
    b: Word,
    c: Word,
    d: Word,
    e: Word,
    f: Word,
) -> c_long {
    match path_argument(number) {
        Some(argument) => {
            let path = match argument {
                PathArgument::First => a,
                PathArgument::BehindDescriptor => b,
            };
            // SAFETY: these calls take a path there.
            if unsafe { shell::may_be_lock(path.cast()) } {
                // SAFETY: as above.
                return unsafe { serve(original, number, [a, b, c, d, e, f], argument) };
            }
        }
        // SAFETY: io_uring_setup takes its parameters there.
        None if number == libc::SYS_io_uring_setup && unsafe { refuse_ring(b) } => {
            shell::set_errno(libc::ENOSYS);
            return -1;
        }
        None => {}
    }
    original(number, a, b, c, d, e, f)
}

/// Where a call has its path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PathArgument {
    First,
    BehindDescriptor,
}

impl PathArgument {
    #[inline(always)]
    fn of(self, arguments: &Arguments) -> *const c_char {
        match self {
            PathArgument::First => arguments[0].cast(),
            PathArgument::BehindDescriptor => arguments[1].cast(),
        }
    }

    fn at(self, arguments: &Arguments) -> c_int {
        match self {
            PathArgument::First => libc::AT_FDCWD,
            PathArgument::BehindDescriptor => arguments[0] as c_int,
        }
    }
}

#[inline(always)]
const fn path_argument(number: c_long) -> Option<PathArgument> {
    match number {
        libc::SYS_statx
        | libc::SYS_newfstatat
        | libc::SYS_mkdirat
        | libc::SYS_unlinkat
        | libc::SYS_utimensat
        | libc::SYS_faccessat
        | libc::SYS_faccessat2
        | libc::SYS_fchmodat
        | libc::SYS_readlinkat
        | libc::SYS_openat => Some(PathArgument::BehindDescriptor),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_mkdir
        | libc::SYS_rmdir
        | libc::SYS_stat
        | libc::SYS_lstat
        | libc::SYS_access
        | libc::SYS_chmod
        | libc::SYS_readlink
        | libc::SYS_open => Some(PathArgument::First),
        _ => None,
    }
}

#[cold]
#[inline(never)]
unsafe fn serve(
    original: impl Original,
    number: c_long,
    arguments: Arguments,
    argument: PathArgument,
) -> c_long {
    let (at, path) = (argument.at(&arguments), argument.of(&arguments));
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the arguments are those of the call that the number names.
    let answered = unsafe {
        match number {
            libc::SYS_mkdirat => operations::make(at, path, c as usize as libc::mode_t),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_mkdir => operations::make(at, path, b as usize as libc::mode_t),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_rmdir => operations::remove(at, path, libc::AT_REMOVEDIR),
            libc::SYS_unlinkat => operations::remove(at, path, c as c_int),
            libc::SYS_utimensat => operations::touch(at, path, When::Spec(c.cast())),
            _ => None,
        }
    };
    if let Some(result) = answered {
        return shell::answer(result).into();
    }
    match number {
        libc::SYS_mkdirat | libc::SYS_unlinkat | libc::SYS_utimensat => {
            return original(number, a, b, c, d, e, f);
        }
        #[cfg(target_arch = "x86_64")]
        libc::SYS_mkdir | libc::SYS_rmdir => return original(number, a, b, c, d, e, f),
        _ => {}
    }
    // SAFETY: as above.
    let seen = unsafe { operations::seen(at, path) };
    let path = seen.path.cast_mut().cast();
    let result = match argument {
        PathArgument::First => original(number, path, b, c, d, e, f),
        PathArgument::BehindDescriptor => original(number, a, path, c, d, e, f),
    };
    if let (0, Some(mtime)) = (result, seen.mtime) {
        // SAFETY: the call that the number names has filled the caller's buffer.
        unsafe {
            match number {
                libc::SYS_statx => (*e.cast::<libc::statx>()).set_mtime(mtime),
                libc::SYS_newfstatat => (*c.cast::<libc::stat>()).set_mtime(mtime),
                #[cfg(target_arch = "x86_64")]
                libc::SYS_stat | libc::SYS_lstat => (*b.cast::<libc::stat>()).set_mtime(mtime),
                _ => {}
            }
        }
    }
    result
}

/// The start of the kernel's `struct io_uring_params`.
#[repr(C)]
struct RingParameters {
    _entries: [c_uint; 2],
    flags: c_uint,
}

/// `IORING_SETUP_SQPOLL`: a ring with a submission thread, the kind in which libuv runs file operations.
const SUBMISSION_THREAD: c_uint = 1 << 1;

/// With such a ring mkdir and stat pass every hook by, while rmdir and utimensat do not: the lock would be
/// redirected by half. libuv does without the ring when it is told that the kernel has none.
#[cold]
#[inline(never)]
unsafe fn refuse_ring(parameters: Word) -> bool {
    let parameters = parameters.cast::<RingParameters>();
    // What cannot be read is left to the kernel.
    if !sys::readable(parameters.addr()) || !sys::readable(parameters.addr().wrapping_add(4)) {
        return false;
    }
    // SAFETY: the caller passes the parameters, and they can be read.
    let flags = unsafe { (&raw const (*parameters).flags).read_unaligned() };
    operations::refuses_ring(flags & SUBMISSION_THREAD != 0)
}
