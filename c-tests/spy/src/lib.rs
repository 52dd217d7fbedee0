//! A spy: stacked behind liblockspan.so, it writes a line for each call that reaches it, and passes it on.
//!
//! The lines go to the descriptor that `LOCKSPAN_SPY_FD` names, by one `write` each and without allocation.
//! It is made with redhook, so it shares nothing with the library that it watches.

use std::ffi::CStr;
use std::os::raw::{c_char, c_int};

use libc::mode_t;

/// A line of bounded length.
struct Line {
    bytes: [u8; 4096],
    length: usize,
}

impl Line {
    fn of(call: &str) -> Line {
        let mut line = Line { bytes: [0; 4096], length: 0 };
        line.put(call.as_bytes());
        line
    }

    fn put(&mut self, bytes: &[u8]) {
        let room = self.bytes.len() - 1 - self.length;
        let fitting = &bytes[..bytes.len().min(room)];
        self.bytes[self.length..][..fitting.len()].copy_from_slice(fitting);
        self.length += fitting.len();
    }

    /// # Safety
    /// `path` is a C string.
    unsafe fn path(mut self, path: *const c_char) -> Line {
        self.put(b" ");
        // SAFETY: by this function's contract.
        self.put(unsafe { CStr::from_ptr(path) }.to_bytes());
        self
    }

    fn number(mut self, number: u32) -> Line {
        // Octal: what is passed here are permissions and flags.
        self.put(b" ");
        let mut digits = [b'0'; 11];
        for (place, digit) in digits.iter_mut().rev().enumerate() {
            *digit += (number >> (3 * place) & 7) as u8;
        }
        self.put(&digits);
        self
    }

    /// Writes it out. errno stays what it was.
    fn write(mut self) {
        self.bytes[self.length] = b'\n';
        // SAFETY: a C string; the buffer's length; errno's own location.
        unsafe {
            let descriptor = libc::getenv(c"LOCKSPAN_SPY_FD".as_ptr());
            if !descriptor.is_null() {
                let errno = *libc::__errno_location();
                libc::write(libc::atoi(descriptor), self.bytes.as_ptr().cast(), self.length + 1);
                *libc::__errno_location() = errno;
            }
        }
    }
}

redhook::hook! {
    unsafe fn mkdir(path: *const c_char, mode: mode_t) -> c_int => spy_mkdir {
        Line::of("mkdir").path(path).number(mode).write();
        redhook::real!(mkdir)(path, mode)
    }
}

redhook::hook! {
    unsafe fn rmdir(path: *const c_char) -> c_int => spy_rmdir {
        Line::of("rmdir").path(path).write();
        redhook::real!(rmdir)(path)
    }
}

redhook::hook! {
    unsafe fn rename(from: *const c_char, to: *const c_char) -> c_int => spy_rename {
        Line::of("rename").path(from).path(to).write();
        redhook::real!(rename)(from, to)
    }
}

redhook::hook! {
    unsafe fn unlink(path: *const c_char) -> c_int => spy_unlink {
        Line::of("unlink").path(path).write();
        redhook::real!(unlink)(path)
    }
}

// Variadic in C: the mode travels as a third integer argument would, and is shown only where it means something.
redhook::hook! {
    unsafe fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int => spy_open {
        opened("open", path, flags, mode);
        redhook::real!(open)(path, flags, mode)
    }
}

redhook::hook! {
    unsafe fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int => spy_open64 {
        opened("open64", path, flags, mode);
        redhook::real!(open64)(path, flags, mode)
    }
}

unsafe fn opened(call: &str, path: *const c_char, flags: c_int, mode: mode_t) {
    let line = Line::of(call).path(path).number(flags as u32);
    if flags & libc::O_CREAT == 0 { line } else { line.number(mode) }.write();
}
