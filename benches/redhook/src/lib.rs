//! What the same hooks cost when they are made with redhook: each looks at the end of its path and passes the call on.
//!
//! A peer in the benchmarks, for nothing else. `syscall` is not hooked: redhook finds the real functions under a lock
//! that itself calls `syscall`.

use std::ffi::CStr;
use std::os::raw::{c_char, c_int};

use libc::mode_t;

/// The least that such a library has to ask: can this path be a lock's?
///
/// # Safety
/// `path` is a C string.
unsafe fn matches(path: *const c_char) -> bool {
    // SAFETY: by this function's contract.
    unsafe { CStr::from_ptr(path) }.to_bytes().ends_with(b".lock")
}

/// A hook that does nothing where a path does not match, and would do something where it does.
macro_rules! look_and_pass_on {
    ($real:ident($path:ident $(, $argument:ident: $type:ty)*) as $hook:ident) => {
        redhook::hook! {
            unsafe fn $real($path: *const c_char $(, $argument: $type)*) -> c_int => $hook {
                if matches($path) {
                    // Anything that the optimiser must keep.
                    std::hint::black_box($path);
                }
                redhook::real!($real)($path $(, $argument)*)
            }
        }
    };
}

// Variadic in C: the mode travels as a third integer argument would.
look_and_pass_on!(open(path, flags: c_int, mode: mode_t) as hooked_open);
look_and_pass_on!(stat(path, status: *mut libc::stat) as hooked_stat);
look_and_pass_on!(access(path, mode: c_int) as hooked_access);
look_and_pass_on!(mkdir(path, mode: mode_t) as hooked_mkdir);
look_and_pass_on!(rmdir(path) as hooked_rmdir);
look_and_pass_on!(rename(path, to: *const c_char) as hooked_rename);

redhook::hook! {
    unsafe fn openat(directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int => hooked_openat {
        if matches(path) {
            std::hint::black_box(path);
        }
        redhook::real!(openat)(directory, path, flags, mode)
    }
}

redhook::hook! {
    unsafe fn close(descriptor: c_int) -> c_int => hooked_close {
        redhook::real!(close)(descriptor)
    }
}
