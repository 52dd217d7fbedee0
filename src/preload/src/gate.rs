//! `syscall()`: what clients call through it by number.
//!
//! Node and Bun look at files with `syscall(SYS_statx)`. Numbers that are not named here go through with
//! their arguments as they are; the table's rows say what the named ones become.

use core::ffi::{c_char, c_int, c_long, c_uint, c_void};

use lockspan_lock::sys;

use crate::operations::{self, When};
use crate::shell::{self, Found};

type Arguments = [*mut c_void; 6];

/// What the hook does, with the original given as a closure, so that it is called as the caller called us.
#[inline(always)]
pub unsafe fn gate(
    original: impl FnOnce(
        c_long,
        *mut c_void,
        *mut c_void,
        *mut c_void,
        *mut c_void,
        *mut c_void,
        *mut c_void,
    ) -> c_long,
    number: c_long,
    arguments: Arguments,
) -> c_long {
    if let Some(path) = path_argument(number) {
        // SAFETY: these calls take a path there.
        if unsafe { shell::may_be_lock(path.of(&arguments)) } {
            // SAFETY: as above.
            return unsafe { serve(original, number, arguments, path) };
        }
    } else if number == libc::SYS_io_uring_setup {
        // SAFETY: this call takes its parameters there.
        if unsafe { refuse_ring(&arguments) } {
            shell::set_errno(libc::ENOSYS);
            return -1;
        }
    }
    let [a, b, c, d, e, f] = arguments;
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
fn path_argument(number: c_long) -> Option<PathArgument> {
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
    original: impl FnOnce(
        c_long,
        *mut c_void,
        *mut c_void,
        *mut c_void,
        *mut c_void,
        *mut c_void,
        *mut c_void,
    ) -> c_long,
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
    unsafe {
        operations::shown(at, path, |path, mtime| {
            let path = path.cast_mut().cast();
            let result = match argument {
                PathArgument::First => original(number, path, b, c, d, e, f),
                PathArgument::BehindDescriptor => original(number, a, path, c, d, e, f),
            };
            if let (0, Some(mtime)) = (result, mtime) {
                match number {
                    libc::SYS_statx => (*e.cast::<libc::statx>()).set_mtime(mtime),
                    libc::SYS_newfstatat => (*c.cast::<libc::stat>()).set_mtime(mtime),
                    #[cfg(target_arch = "x86_64")]
                    libc::SYS_stat | libc::SYS_lstat => (*b.cast::<libc::stat>()).set_mtime(mtime),
                    _ => {}
                }
            }
            result
        })
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
unsafe fn refuse_ring(arguments: &Arguments) -> bool {
    let parameters = arguments[1].cast::<RingParameters>();
    // What cannot be read is left to the kernel.
    if !sys::readable(parameters.addr()) || !sys::readable(parameters.addr().wrapping_add(4)) {
        return false;
    }
    // SAFETY: the caller passes the parameters, and they can be read.
    let flags = unsafe { (&raw const (*parameters).flags).read_unaligned() };
    operations::refuses_ring(flags & SUBMISSION_THREAD != 0)
}
