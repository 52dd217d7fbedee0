//! x86-64: what a hook does until it is known that the call concerns us.
//!
//! A hook is entered as the original would be, and most calls only pass through. So the arguments stay where the
//! caller put them, but for the look at the path, which libc's strlen takes part in.

use core::arch::naked_asm;
use core::ffi::c_char;

use super::{STRAIGHT, serve};
use crate::shell::{CREDENTIALS, LOCK, PLAUSIBLE, SLASH};

/// A hook of so many arguments whose path, the argument `$path`, decides: it may be a lock or, with `$either`, the
/// credentials file.
macro_rules! path_hook {
    ($row:expr, $arguments:expr, $path:expr, $either:expr) => {
        core::arch::naked_asm!(
            "push {row}",
            "jmp {look_at}",
            row = const $row,
            look_at = sym $crate::hook::machine::look_at::<{ $arguments }, { $path }, $either>,
        )
    };
}

/// A hook of a function that is rarely called: [`serve`] makes the whole look, see [`super::careful`].
macro_rules! careful_hook {
    ($row:expr, $look:expr) => {
        core::arch::naked_asm!(
            "mov al, {look}",
            "mov r11d, {row}",
            "jmp {slow}",
            look = const $look,
            row = const $row,
            slow = sym $crate::hook::machine::slow,
        )
    };
}

/// A hook that does nothing but call the original.
macro_rules! pass_hook {
    ($row:expr) => {
        core::arch::naked_asm!(
            "mov rax, [rip + {straight} + 8 * {row}]",
            "test rax, rax",
            "je 2f",
            "jmp rax",
            "2:",
            "mov r11d, {row}",
            "jmp {slow}",
            straight = sym $crate::hook::STRAIGHT,
            row = const $row,
            slow = sym $crate::hook::machine::slow,
        )
    };
}

/// The hook of `syscall`: most numbers have no bit in `$named`, which is this many bits long.
macro_rules! gate_hook {
    ($row:expr, $named:path, $bits:expr) => {
        core::arch::naked_asm!(
            "cmp rdi, {bits}",
            "jae 2f",
            "bt [rip + {named}], rdi",
            "jc 3f",
            "2:",
            "mov rax, [rip + {straight} + 8 * {row}]",
            "test rax, rax",
            "je 3f",
            "jmp rax",
            "3:",
            "mov al, 1",
            "mov r11d, {row}",
            "jmp {slow}",
            bits = const $bits,
            named = sym $named,
            straight = sym $crate::hook::STRAIGHT,
            row = const $row,
            slow = sym $crate::hook::machine::slow,
        )
    };
}

pub(crate) use {careful_hook, gate_hook, pass_hook, path_hook};

/// See [`crate::shell::tail`].
#[unsafe(naked)]
pub unsafe extern "C" fn tail(path: *const c_char) -> u32 {
    naked_asm!(
        "lea rax, [rdi - {lowest}]",
        "mov rcx, {span}",
        "cmp rax, rcx",
        "jae 2f",
        "push rdi",
        "call strlen@PLT",
        "pop rcx",
        "cmp rax, 4",
        // Less than four bytes: the length is the answer.
        "jb 3f",
        "mov eax, [rcx + rax - 4]",
        "3:",
        "ret",
        "2:",
        "xor eax, eax",
        "ret",
        lowest = const PLAUSIBLE.start,
        span = const PLAUSIBLE.end - PLAUSIBLE.start,
    )
}

/// Looks at the argument `PATH`, with the row on the stack, and goes on to the original, or to [`slow`].
///
/// Registers are saved by twos, which keeps the stack aligned.
#[unsafe(naked)]
pub unsafe extern "C" fn look_at<const ARGUMENTS: usize, const PATH: usize, const EITHER: bool>() {
    naked_asm!(
        ".if {arguments} > 4",
        "push r9",
        "push r8",
        ".endif",
        ".if {arguments} > 2",
        "push rcx",
        "push rdx",
        ".endif",
        "push rsi",
        "push rdi",
        ".if {path} > 0",
        "mov rdi, [rsp + 8 * {path}]",
        ".endif",
        "call {tail}",
        "pop rdi",
        "pop rsi",
        ".if {arguments} > 2",
        "pop rdx",
        "pop rcx",
        ".endif",
        ".if {arguments} > 4",
        "pop r8",
        "pop r9",
        ".endif",
        "pop r11",
        "cmp eax, {lock}",
        "je 2f",
        ".if {either}",
        "cmp eax, {credentials}",
        "je 2f",
        ".endif",
        "shr eax, 24",
        "cmp eax, {slash}",
        "je 2f",
        "lea rax, [rip + {straight}]",
        "mov rax, [rax + 8 * r11]",
        "test rax, rax",
        "je {slow}",
        "jmp rax",
        "2:",
        "mov al, 1",
        "jmp {slow}",
        arguments = const ARGUMENTS,
        path = const PATH,
        either = const EITHER as u32,
        tail = sym tail,
        lock = const LOCK,
        credentials = const CREDENTIALS,
        slash = const SLASH,
        straight = sym STRAIGHT,
        slow = sym slow,
    )
}

/// Where hooks end that have more to do, with the row in r11d, and in al what [`serve`] calls a look.
///
/// [`serve`] gets the arguments, and may change them. Then the original is called with them, or the first one is
/// the answer.
#[unsafe(naked)]
pub unsafe extern "C" fn slow() {
    naked_asm!(
        "push r11",
        "push r9",
        "push r8",
        "push rcx",
        "push rdx",
        "push rsi",
        "push rdi",
        "mov edi, r11d",
        "mov rsi, rsp",
        "movzx edx, al",
        "call {serve}",
        "pop rdi",
        "pop rsi",
        "pop rdx",
        "pop rcx",
        "pop r8",
        "pop r9",
        "pop r11",
        "test rax, rax",
        "je 2f",
        "jmp rax",
        "2:",
        "mov rax, rdi",
        "ret",
        serve = sym serve,
    )
}
