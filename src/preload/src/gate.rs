//! System calls by number: through `syscall()`, and by instructions of the host's own.
//!
//! Node and Bun look at files with `syscall(SYS_statx)`; native clients up to 2.1.179 make most of their calls
//! without libc ([`crate::raw`]). Numbers that are not named here go through with their arguments as they are.

use core::ffi::{c_char, c_int, c_long, c_uint};

use lockspan_core::Time;
use lockspan_lock::sys::{self, Errno};

use crate::credentials;
use crate::environment;
use crate::hook::Word;
use crate::operations::{self, When};
use crate::shell::{self, Found};

/// The arguments that a system call which is named here may take.
pub type Arguments = [Word; 5];

/// How long [`NAMED`] is.
pub const BITS: usize = 512;

/// A bit for each call that is named below: most calls are not.
pub static NAMED: [u64; BITS / 64] = {
    let mut words = [0; BITS / 64];
    let mut number = 0;
    while number < BITS {
        if path_argument(number as c_long).is_some() || has_own_rule(number as c_long) {
            words[number / 64] |= 1 << (number % 64);
        }
        number += 1;
    }
    words
};

/// What becomes of a call that was made by an instruction of the host's own: the same, with the kernel's kind of
/// result.
pub unsafe fn raw(number: c_long, [a, b, c, d, e, f]: [Word; 6]) -> isize {
    let mut arguments = [a, b, c, d, e];
    environment::prepare();
    // SAFETY: the host's arguments.
    let then = match unsafe { decide(number, &mut arguments) } {
        Decision::Answered(Ok(())) => return 0,
        Decision::Answered(Err(errno)) => return -(errno.0 as isize),
        Decision::Passed(then) => then,
    };
    let [a, b, c, d, e] = arguments;
    // SAFETY: the call that the host makes.
    let result = unsafe { sys::raw(number, [a, b, c, d, e, f].map(|word| word.addr())) };
    if result == 0 {
        // SAFETY: the call of these arguments has succeeded.
        unsafe { finish(number, &arguments, then) };
    }
    result
}

/// Where a call has its path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PathArgument {
    #[cfg_attr(target_arch = "aarch64", expect(dead_code, reason = "no call that this kernel has"))]
    First,
    BehindDescriptor,
}

impl PathArgument {
    fn of(self, arguments: &Arguments) -> *const c_char {
        match self {
            PathArgument::First => arguments[0].cast(),
            PathArgument::BehindDescriptor => arguments[1].cast(),
        }
    }

    fn set(self, arguments: &mut Arguments, path: *const c_char) {
        let path = path.cast_mut().cast();
        match self {
            PathArgument::First => arguments[0] = path,
            PathArgument::BehindDescriptor => arguments[1] = path,
        }
    }

    fn at(self, arguments: &Arguments) -> c_int {
        match self {
            PathArgument::First => libc::AT_FDCWD,
            PathArgument::BehindDescriptor => arguments[0] as c_int,
        }
    }
}

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

/// Whether a call has a rule of its own, and not one path that may be a lock's.
const fn has_own_rule(number: c_long) -> bool {
    number == libc::SYS_io_uring_setup || is_rename(number)
}

const fn is_rename(number: c_long) -> bool {
    match number {
        libc::SYS_renameat | libc::SYS_renameat2 => true,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_rename => true,
        _ => false,
    }
}

/// What becomes of a call.
pub enum Decision {
    /// It has been answered.
    Answered(Result<(), Errno>),
    /// The original is to be called, and this is to follow if it succeeds.
    Passed(Then),
}

/// What follows a call that has succeeded.
pub enum Then {
    /// Nothing.
    Nothing,
    /// It is to show this modification time.
    Show(Time),
}

/// What becomes of a call, named or not.
pub unsafe fn decide(number: c_long, arguments: &mut Arguments) -> Decision {
    let Some(argument) = path_argument(number) else {
        if is_rename(number) {
            // SAFETY: the arguments are a rename's.
            return unsafe { replace(number, arguments) };
        }
        // SAFETY: io_uring_setup takes its parameters there.
        return if number == libc::SYS_io_uring_setup && unsafe { refuse_ring(arguments[1]) } {
            Decision::Answered(Err(Errno::NOSYS))
        } else {
            Decision::Passed(Then::Nothing)
        };
    };
    let (at, path) = (argument.at(arguments), argument.of(arguments));
    // SAFETY: these calls take a path there.
    if !unsafe { shell::may_be_lock(path) } {
        return Decision::Passed(Then::Nothing);
    }
    let c = arguments[2];
    // SAFETY: the arguments are those of the call that the number names.
    let answered = unsafe {
        match number {
            libc::SYS_mkdirat => operations::make(at, path, c as usize as libc::mode_t),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_mkdir => operations::make(at, path, arguments[1] as usize as libc::mode_t),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_rmdir => operations::remove(at, path, libc::AT_REMOVEDIR),
            libc::SYS_unlinkat => operations::remove(at, path, c as c_int),
            libc::SYS_utimensat => operations::touch(at, path, When::Spec(c.cast(), arguments[3] as c_int)),
            _ => {
                let seen = operations::seen(at, path);
                argument.set(arguments, seen.path);
                return Decision::Passed(seen.mtime.map_or(Then::Nothing, Then::Show));
            }
        }
    };
    answered.map_or(Decision::Passed(Then::Nothing), Decision::Answered)
}

/// What becomes of a rename, which may be onto the credentials file.
unsafe fn replace(number: c_long, &[a, b, c, d, e]: &Arguments) -> Decision {
    let (from_at, from, to_at, to) = match number {
        #[cfg(target_arch = "x86_64")]
        libc::SYS_rename => (libc::AT_FDCWD, a, libc::AT_FDCWD, b),
        _ => (a as c_int, b, c as c_int, d),
    };
    let flags = if number == libc::SYS_renameat2 { e as c_uint } else { 0 };
    // SAFETY: a rename takes its paths there.
    if flags != 0 || !unsafe { shell::may_be_either(to.cast()) } {
        return Decision::Passed(Then::Nothing);
    }
    // SAFETY: as above.
    let answered = unsafe { credentials::replace(from_at, from.cast(), to_at, to.cast()) };
    answered.map_or(Decision::Passed(Then::Nothing), Decision::Answered)
}

/// Does what is to follow a call that has succeeded.
pub unsafe fn finish(number: c_long, arguments: &Arguments, then: Then) {
    match then {
        Then::Nothing => {}
        // SAFETY: the call has filled the caller's buffer.
        Then::Show(mtime) => unsafe { show(number, arguments, mtime) },
    }
}

/// Puts the modification time that this process is to see into what a call has found.
unsafe fn show(number: c_long, arguments: &Arguments, mtime: Time) {
    let [_, _, c, _, e] = *arguments;
    // SAFETY: the arguments are those of the call that the number names.
    unsafe {
        match number {
            libc::SYS_statx => (*e.cast::<libc::statx>()).set_mtime(mtime),
            libc::SYS_newfstatat => (*c.cast::<libc::stat>()).set_mtime(mtime),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_stat | libc::SYS_lstat => (*arguments[1].cast::<libc::stat>()).set_mtime(mtime),
            _ => {}
        }
    }
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
    let last = parameters.addr().wrapping_add(size_of::<RingParameters>() - 1);
    if !shell::readable(parameters.addr()) || !shell::readable(last) {
        return false;
    }
    // SAFETY: the caller passes the parameters, and they can be read.
    let flags = unsafe { (&raw const (*parameters).flags).read_unaligned() };
    operations::refuses_ring(flags & SUBMISSION_THREAD != 0)
}
