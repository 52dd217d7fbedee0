//! aarch64: what a hook does until it is known that the call concerns us; see `x86_64.rs`.

use core::arch::naked_asm;
use core::ffi::c_char;

use super::{STRAIGHT, serve};
use crate::shell::{CREDENTIALS, LOCK, PLAUSIBLE, SLASH};

/// A hook whose path, the argument `$path`, decides: it may be a lock or, with `$either`, the credentials file.
macro_rules! path_hook {
    ($row:expr, $many:expr, $path:expr, $either:expr) => {
        core::arch::naked_asm!(
            "mov w16, #{row}",
            "adr x17, {tail}",
            "b {look_at}",
            row = const $row,
            tail = sym $crate::hook::machine::tail,
            look_at = sym $crate::hook::machine::look_at::<{ $path }, $either>,
        )
    };
}

/// A hook of a function that is rarely called, whose path need not be readable.
macro_rules! careful_hook {
    ($row:expr, $path:expr) => {
        core::arch::naked_asm!(
            "mov w16, #{row}",
            "adr x17, {careful_tail}",
            "b {look_at}",
            row = const $row,
            careful_tail = sym $crate::shell::careful_tail,
            look_at = sym $crate::hook::machine::look_at::<{ $path }, true>,
        )
    };
}

/// A hook that does nothing but call the original.
macro_rules! pass_hook {
    ($row:expr) => {
        core::arch::naked_asm!(
            "mov w16, #{row}",
            "mov w17, #0",
            "b {pass}",
            row = const $row,
            pass = sym $crate::hook::machine::pass,
        )
    };
}

/// The hook of `syscall`: most numbers have no bit in `$named`, which is this many bits long.
macro_rules! gate_hook {
    ($row:expr, $named:path, $bits:expr) => {
        core::arch::naked_asm!(
            "mov w16, #{row}",
            "mov w17, #0",
            "cmp x0, #{bits}",
            "b.hs {pass}",
            "adrp x9, {named}",
            "add x9, x9, :lo12:{named}",
            "lsr x10, x0, #6",
            "ldr x9, [x9, x10, lsl #3]",
            "lsr x9, x9, x0",
            "and w17, w9, #1",
            "b {pass}",
            row = const $row,
            bits = const $bits,
            named = sym $named,
            pass = sym $crate::hook::machine::pass,
        )
    };
}

pub(crate) use {careful_hook, gate_hook, pass_hook, path_hook};

/// See [`crate::shell::tail`].
#[unsafe(naked)]
pub unsafe extern "C" fn tail(path: *const c_char) -> u32 {
    naked_asm!(
        "sub x9, x0, #{lowest}",
        "mov x10, #{span}",
        "cmp x9, x10",
        "b.hs 2f",
        "stp x0, x30, [sp, #-16]!",
        "bl strlen",
        "ldp x9, x30, [sp], #16",
        "cmp x0, #4",
        // Less than four bytes: the length is the answer.
        "b.lo 3f",
        "add x9, x9, x0",
        "ldur w0, [x9, #-4]",
        "3:",
        "ret",
        "2:",
        "mov w0, #0",
        "ret",
        lowest = const PLAUSIBLE.start,
        span = const PLAUSIBLE.end - PLAUSIBLE.start,
    )
}

/// Looks at the argument `PATH`, by the function in x17, with the row in w16, and goes on to [`pass`].
///
/// A function with a path has no more than six arguments.
#[unsafe(naked)]
pub unsafe extern "C" fn look_at<const PATH: usize, const EITHER: bool>() {
    naked_asm!(
        "stp x29, x30, [sp, #-80]!",
        "mov x29, sp",
        "stp x0, x1, [sp, #16]",
        "stp x2, x3, [sp, #32]",
        "stp x4, x5, [sp, #48]",
        "str x16, [sp, #64]",
        "ldr x0, [sp, #16 + 8 * {path}]",
        "blr x17",
        "mov w17, w0",
        "ldr x16, [sp, #64]",
        "ldp x4, x5, [sp, #48]",
        "ldp x2, x3, [sp, #32]",
        "ldp x0, x1, [sp, #16]",
        "ldp x29, x30, [sp], #80",
        "mov w9, #{lock} & 0xffff",
        "movk w9, #{lock} >> 16, lsl #16",
        "cmp w17, w9",
        "b.eq 2f",
        ".if {either}",
        "mov w9, #{credentials} & 0xffff",
        "movk w9, #{credentials} >> 16, lsl #16",
        "cmp w17, w9",
        "b.eq 2f",
        ".endif",
        "lsr w17, w17, #24",
        "cmp w17, #{slash}",
        "2:",
        "cset w17, eq",
        "b {pass}",
        path = const PATH,
        either = const EITHER as u32,
        lock = const LOCK,
        credentials = const CREDENTIALS,
        slash = const SLASH,
        pass = sym pass,
    )
}

/// Where hooks end, with the row in w16, and in w17 whether the path may concern us.
///
/// If it may, or the original is not known yet, [`serve`] gets the arguments, and may change them. Then the original
/// is called with them, or the first one is the answer.
#[unsafe(naked)]
pub unsafe extern "C" fn pass() {
    naked_asm!(
        "cbnz w17, 2f",
        "adrp x9, {straight}",
        "add x9, x9, :lo12:{straight}",
        "ldr x9, [x9, x16, lsl #3]",
        "cbz x9, 2f",
        "br x9",
        "2:",
        "stp x29, x30, [sp, #-80]!",
        "mov x29, sp",
        "stp x0, x1, [sp, #16]",
        "stp x2, x3, [sp, #32]",
        "stp x4, x5, [sp, #48]",
        // The seventh argument of syscall.
        "str x6, [sp, #64]",
        "mov w0, w16",
        "add x1, sp, #16",
        "mov w2, w17",
        "bl {serve}",
        "mov x9, x0",
        "ldr x6, [sp, #64]",
        "ldp x4, x5, [sp, #48]",
        "ldp x2, x3, [sp, #32]",
        "ldp x0, x1, [sp, #16]",
        "ldp x29, x30, [sp], #80",
        "cbz x9, 3f",
        "br x9",
        "3:",
        "ret",
        straight = sym STRAIGHT,
        serve = sym serve,
    )
}
