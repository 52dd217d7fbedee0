//! The start of the process.

use core::ffi::c_char;

use crate::initial::Initial;
use crate::{environment, program, raw};

/// Called by the loader before the program's own constructors. What is done here is done in every process.
extern "C" fn starting(count: usize, arguments: *const *const c_char, environment: *const *const c_char) {
    let initial = Initial::new(count, arguments, environment);
    if !environment::is_privileged(initial) {
        raw::reach(&program::main(initial), initial);
    }
}

#[used]
#[unsafe(link_section = ".init_array")]
static STARTING: extern "C" fn(usize, *const *const c_char, *const *const c_char) = starting;
