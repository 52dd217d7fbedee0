//! What surrounds every hook: the look at the path, the call of the original, errno.
//!
//! Nothing here may know what a path means; that is for [`crate::operations`].

use core::ffi::{c_char, c_int};

use lockspan_core::Time;

/// The addresses that may hold a path. Pointers outside are left to the kernel, which answers EFAULT.
#[cfg(target_arch = "x86_64")]
const PLAUSIBLE: core::ops::Range<usize> = 4096..0x7fff_ffff_f000;
/// The top byte of an address may carry a tag.
#[cfg(not(target_arch = "x86_64"))]
const PLAUSIBLE: core::ops::Range<usize> = 4096..usize::MAX - 4096;

/// Whether a path can be that of a lock: all of them end in `lock`, and a slash may follow. No system call,
/// no allocation.
///
/// A path at an address that is neither plainly wrong nor readable faults here instead of in the kernel.
#[inline(never)]
pub unsafe fn may_be_lock(path: *const c_char) -> bool {
    // SAFETY: the caller's path.
    unsafe { tail(path) }.is_some_and(|tail| tail == *b"lock" || tail[3] == b'/')
}

/// Whether a path can be that of a lock or of the credentials file, as above.
#[inline(never)]
pub unsafe fn may_be_either(path: *const c_char) -> bool {
    // SAFETY: the caller's path.
    unsafe { tail(path) }.is_some_and(|tail| tail == *b"lock" || tail == *b"json" || tail[3] == b'/')
}

/// The last four bytes of a path.
#[inline(always)]
unsafe fn tail(path: *const c_char) -> Option<[u8; 4]> {
    if !PLAUSIBLE.contains(&path.addr()) {
        return None;
    }
    // SAFETY: the caller hands a path to a function that takes a C string.
    let length = unsafe { libc::strlen(path) };
    if length < 4 {
        return None;
    }
    // SAFETY: the last four bytes of a string of at least four.
    Some(unsafe { path.add(length - 4).cast::<[u8; 4]>().read() })
}

/// Turns a result of the kernel's kind, zero or an errno, into the C one. Nothing may follow it in a hook:
/// errno is set by the last act.
pub fn answer(result: Result<(), lockspan_lock::sys::Errno>) -> c_int {
    match result {
        Ok(()) => 0,
        Err(errno) => {
            set_errno(errno.0);
            -1
        }
    }
}

/// Sets errno. Nothing may follow it in a hook.
pub fn set_errno(errno: c_int) {
    // SAFETY: the C library's own location of this thread's errno.
    unsafe { *libc::__errno_location() = errno };
}

/// A buffer in which a look at a file is returned.
pub trait Found {
    /// Replaces the modification time.
    fn set_mtime(&mut self, time: Time);
}

impl Found for libc::stat {
    fn set_mtime(&mut self, time: Time) {
        self.st_mtime = time.sec;
        self.st_mtime_nsec = time.nsec.into();
    }
}

impl Found for libc::stat64 {
    fn set_mtime(&mut self, time: Time) {
        self.st_mtime = time.sec;
        self.st_mtime_nsec = time.nsec.into();
    }
}

impl Found for libc::statx {
    fn set_mtime(&mut self, time: Time) {
        self.stx_mtime.tv_sec = time.sec;
        self.stx_mtime.tv_nsec = time.nsec;
    }
}

/// Makes the hooks out of the table's rows. A row is
///
/// ```text
/// symbol(arguments) -> result = operation;
/// ```
///
/// - `pass`: the original is called.
/// - `shown(at, path)`: the original is called, with the path that this process is to see instead of `path`.
/// - `shown(at, path, buffer)`: the same, and the modification time in `buffer` is what it is to see.
/// - `opens(at, path, flags)`: as `shown`, and it may be the credentials file, whose opening may be answered.
/// - `closes`: the original is called, after what may end a write of the credentials file.
/// - `replaces(from_at, from, to_at, to, flags)`: a rename, which may be onto the credentials file.
/// - `gate`: `syscall()`, which has its own file.
/// - `operation(at, path, ...)`: a function of [`crate::operations`] answers, or the original is called.
macro_rules! symbols {
    ($( $symbol:ident ( $($argument:ident : $type:ty),* ) -> $result:ty = $operation:ident $(($($operand:tt)*))? ;)*) => {
        $(
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $symbol($($argument: $type),*) -> $result {
                static REAL: $crate::real::Real = $crate::real::Real::new();
                type Function = unsafe extern "C" fn($($type),*) -> $result;
                const NAME: &core::ffi::CStr =
                    match core::ffi::CStr::from_bytes_with_nul(concat!(stringify!($symbol), "\0").as_bytes()) {
                        Ok(name) => name,
                        Err(_) => panic!("a symbol has no NUL in it"),
                    };
                const ABSENT: extern "C" fn() = <$result as $crate::real::Absent>::ABSENT;
                let original = |$($argument: $type),*| {
                    let address = REAL.address(NAME, ABSENT);
                    // SAFETY: the function of this name has this signature, or fails whatever it is given;
                    // it is called as we were.
                    unsafe { core::mem::transmute::<usize, Function>(address)($($argument),*) }
                };
                $crate::shell::symbols!(@ original ($($argument),*) $operation $(($($operand)*))?)
            }
        )*
    };
    (@ $original:ident ($($argument:ident),*) pass) => { $original($($argument),*) };
    (@ $original:ident ($($argument:ident),*) opens($at:ident, $path:ident, $flags:expr)) => {{
        let mut $path = $path;
        // SAFETY: the caller passed a path.
        if unsafe { $crate::shell::may_be_either($path) } {
            // SAFETY: as above.
            let opened = unsafe { $crate::credentials::opened($at, $path, $flags) };
            if opened.path.is_null() {
                return opened.descriptor;
            }
            $path = opened.path;
        }
        $original($($argument),*)
    }};
    (@ $original:ident ($descriptor:ident) closes) => {{
        /// The first time, and while a write is staged.
        #[cold]
        #[inline(never)]
        unsafe extern "C" fn looked_at(descriptor: core::ffi::c_int) -> core::ffi::c_int {
            if $crate::credentials::staged::any()
                && let Err(errno) = $crate::credentials::staged::closing(descriptor)
            {
                // Without the original, which could be cancelled with this on its stack.
                drop(lockspan_lock::sys::Descriptor::from_number(descriptor));
                return $crate::shell::answer(Err(errno));
            }
            let address = REAL.address(NAME, ABSENT);
            $crate::credentials::staged::CLOSE.set(address, $crate::credentials::staged::any);
            // SAFETY: as the original is called above.
            unsafe { core::mem::transmute::<usize, Function>(address)(descriptor) }
        }
        // It is called out of line, or by a jump.
        let _ = $original;
        match $crate::credentials::staged::CLOSE.get() {
            // SAFETY: as the original is called above.
            Some(address) => unsafe { core::mem::transmute::<usize, Function>(address.get())($descriptor) },
            // SAFETY: takes no address.
            None => unsafe { looked_at($descriptor) },
        }
    }};
    (@ $original:ident ($number:ident $(, $argument:ident)*) gate) => {
        match REAL.known() {
            // The arguments stay where the caller put them: this is a look at a table and a jump.
            // SAFETY: as the original is called above.
            Some(address) if !$crate::gate::is_named($number) => unsafe {
                core::mem::transmute::<usize, Function>(address.get())($number $(, $argument)*)
            },
            // SAFETY: the caller's arguments, as they are.
            _ => unsafe { $crate::gate::named($original, $number $(, $argument)*) },
        }
    };
    (@ $original:ident ($($argument:ident),*) shown($at:ident, $path:ident)) => {{
        let mut $path = $path;
        // SAFETY: the caller passed a path.
        if unsafe { $crate::shell::may_be_lock($path) } {
            // SAFETY: as above.
            $path = unsafe { $crate::operations::seen_path($at, $path) };
        }
        $original($($argument),*)
    }};
    (@ $original:ident ($($argument:ident),*) shown($at:ident, $path:ident, $buffer:ident)) => {{
        // SAFETY: the caller passed a path.
        if unsafe { $crate::shell::may_be_lock($path) } {
            // SAFETY: as above.
            let seen = unsafe { $crate::operations::seen($at, $path) };
            let $path = seen.path;
            // Not the closure: called twice, it would not be inlined where it matters.
            let address = REAL.address(NAME, ABSENT);
            // SAFETY: as the original is called above.
            let result = unsafe { core::mem::transmute::<usize, Function>(address)($($argument),*) };
            if let (0, Some(mtime)) = (result, seen.mtime) {
                // SAFETY: the original has filled the caller's buffer.
                $crate::shell::Found::set_mtime(unsafe { &mut *$buffer }, mtime);
            }
            return result;
        }
        $original($($argument),*)
    }};
    (@ $original:ident ($($argument:ident),*) replaces($from_at:ident, $from:ident, $to_at:ident, $to:ident, $flags:tt)) => {{
        // SAFETY: the caller passed a path.
        if $flags == 0 && unsafe { $crate::shell::may_be_either($to) } {
            // SAFETY: as above, and another one.
            return match unsafe { $crate::credentials::replace($from_at, $from, $to_at, $to) } {
                $crate::credentials::Replaced::Answered(result) => $crate::shell::answer(result),
                $crate::credentials::Replaced::Passed(seen) => {
                    // Not the closure: called twice, it would not be inlined where it matters.
                    let address = REAL.address(NAME, ABSENT);
                    // SAFETY: as the original is called above.
                    let result = unsafe { core::mem::transmute::<usize, Function>(address)($($argument),*) };
                    if let (0, Some(seen)) = (result, seen) {
                        seen.remember();
                    }
                    result
                }
            };
        }
        $original($($argument),*)
    }};
    (@ $original:ident ($($argument:ident),*) $operation:ident($at:ident, $path:ident, $($operand:tt)*)) => {{
        // SAFETY: the caller passed a path.
        if unsafe { $crate::shell::may_be_lock($path) } {
            // SAFETY: as above, and what else the function takes.
            let answered = unsafe { $crate::operations::$operation($at, $path, $($operand)*) };
            if let Some(result) = answered {
                return $crate::shell::answer(result);
            }
        }
        $original($($argument),*)
    }};
}
pub(crate) use symbols;
