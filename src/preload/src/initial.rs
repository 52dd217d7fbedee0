//! What the kernel gave the process at its start: the environment and, behind it, the auxiliary vector.
//!
//! glibc passes the arguments of `main` to constructors, too, and from them all of it can be reached. To ask libc
//! would have two functions looked up in every process. musl passes nothing: there libc is asked.

use core::ffi::{CStr, c_char, c_ulong};

use crate::{environment, imports};

/// How far above the caller's frame the arguments may lie: between the two there is only the loader.
const NEAR: usize = 1 << 20;

/// Where it is, if that is known.
#[derive(Clone, Copy)]
pub struct Initial(Option<Place>);

#[derive(Clone, Copy)]
struct Place {
    /// Texts, and NULL behind them.
    environment: *const *const c_char,
    /// Pairs of a kind and a value; the last one is of kind 0.
    auxiliary: *const [c_ulong; 2],
}

impl Initial {
    /// Later than at the start.
    pub const UNKNOWN: Initial = Initial(None);

    /// Takes what a constructor was passed, if these can only be the arguments of `main`, in the one thread that there
    /// is at the start.
    pub fn new(count: usize, arguments: *const *const c_char, environment: *const *const c_char) -> Initial {
        let above = arguments.addr().wrapping_sub((&raw const count).addr());
        let is_main = above < NEAR && count < NEAR && arguments.wrapping_add(count + 1) == environment;
        if !is_main {
            return Initial::UNKNOWN;
        }
        let mut end = environment;
        // SAFETY: the kernel's list.
        while unsafe { !(*end).is_null() } {
            end = end.wrapping_add(1);
        }
        Initial(Some(Place { environment, auxiliary: end.wrapping_add(1).cast() }))
    }

    /// The value of a variable.
    pub fn variable(self, name: &CStr) -> Option<&'static CStr> {
        let Some(Place { environment: mut entry, .. }) = self.0 else { return environment::variable(name) };
        loop {
            // SAFETY: the kernel's list of C strings, which end with the process.
            unsafe {
                let mut text = *entry;
                if text.is_null() {
                    return None;
                }
                let mut name = name.to_bytes().iter();
                // The end of a text is no byte of a name.
                while name.as_slice().first() == Some(&text.cast::<u8>().read()) {
                    name.next();
                    text = text.add(1);
                }
                if name.as_slice().is_empty() && text.cast::<u8>().read() == b'=' {
                    return Some(imports::c_string(text.add(1)));
                }
                entry = entry.add(1);
            }
        }
    }

    /// What the auxiliary vector says of this; 0 if nothing.
    pub fn auxiliary(self, kind: c_ulong) -> c_ulong {
        let Some(Place { auxiliary: mut pair, .. }) = self.0 else {
            // SAFETY: has no precondition.
            return unsafe { imports::getauxval(kind) };
        };
        loop {
            // SAFETY: the kernel's list, of which the end was not seen yet.
            match unsafe { *pair } {
                [found, value] if found == kind => return value,
                [0, _] => return 0,
                _ => pair = pair.wrapping_add(1),
            }
        }
    }
}
