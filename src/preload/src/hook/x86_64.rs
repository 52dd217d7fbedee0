//! x86-64: what a hook does until it is known that the call concerns us.
//!
//! A hook is entered as the original would be, and most calls only pass through. So the arguments stay where the
//! caller put them, but for the look at the path, which libc's strlen takes part in.

use core::arch::naked_asm;
use core::ffi::c_char;

use super::{STRAIGHT, serve};
use crate::shell::{CREDENTIALS, LOCK, PLAUSIBLE, SLASH, SMALLEST_PAGE, careful_tail};

/// A hook whose path, the argument `$path`, decides: it may be a lock or, with `$either`, the credentials file. With
/// `$many` there are more than four arguments.
macro_rules! path_hook {
    ($row:expr, $many:expr, $path:expr, $either:expr) => {
        core::arch::naked_asm!(
            "push {row}",
            "jmp {look_at}",
            row = const $row,
            look_at = sym $crate::hook::machine::look_at::<{ $many }, { $path }, $either>,
        )
    };
}

/// A hook of a function that is rarely called, whose path need not be readable.
macro_rules! careful_hook {
    ($row:expr, $path:expr) => {
        core::arch::naked_asm!(
            "lea r11, [rip + {straight} + 8 * {row}]",
            "push rsi",
            ".if {path} == 0",
            "lea rsi, [rdi - 4]",
            ".elseif {path} == 1",
            "lea rsi, [rsi - 4]",
            ".elseif {path} == 3",
            "lea rsi, [rcx - 4]",
            ".else",
            ".error \"no function has its path there\"",
            ".endif",
            "jmp {look_carefully}",
            straight = sym $crate::hook::STRAIGHT,
            row = const $row,
            path = const $path,
            look_carefully = sym $crate::hook::machine::look_carefully,
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
        "shr rax, {span}",
        "jnz 2f",
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
        span = const (PLAUSIBLE.end - PLAUSIBLE.start).ilog2(),
    )
}

/// Looks at the argument `PATH`, with the row on the stack, and goes on to the original, or to [`slow`].
///
/// Registers are saved by twos, which keeps the stack aligned.
#[unsafe(naked)]
pub unsafe extern "C" fn look_at<const MANY: bool, const PATH: usize, const EITHER: bool>() {
    naked_asm!(
        ".if {many}",
        "push r9",
        "push r8",
        ".endif",
        "push rcx",
        "push rdx",
        "push rsi",
        "push rdi",
        ".if {path} > 0",
        "mov rdi, [rsp + 8 * {path}]",
        ".endif",
        "call {tail}",
        "pop rdi",
        "pop rsi",
        "pop rdx",
        "pop rcx",
        ".if {many}",
        "pop r8",
        "pop r9",
        ".endif",
        "pop r11",
        "jmp {go_on}",
        many = const MANY as u32,
        path = const PATH,
        tail = sym tail,
        go_on = sym go_on::<EITHER>,
    )
}

/// Goes on to the original, or to [`slow`], with the row in r11 and in eax what [`tail`] says.
#[unsafe(naked)]
unsafe extern "C" fn go_on<const EITHER: bool>() {
    naked_asm!(
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
        either = const EITHER as u32,
        lock = const LOCK,
        credentials = const CREDENTIALS,
        slash = const SLASH,
        straight = sym STRAIGHT,
        slow = sym slow,
    )
}

/// Looks at the path that begins four bytes after rsi, and need not be readable, and goes on to the original, or to
/// [`slow`]. r11 is where the row's part of [`STRAIGHT`] is; the argument that was in rsi is on the stack.
///
/// The kernel is asked once whether the four bytes before the path and the first four of it can be read. Then the path is
/// searched for its end as far as its page goes, and most are none of ours by their last byte. All else is for
/// [`careful_tail`]: paths in two pages or next to memory that cannot be read, the first call of each function, and every
/// call where nobody may go straight. Once a row of this kind may, it stays so: see [`super::watch`].
///
/// The last four bytes of a shorter path have some of before it; whatever matches is looked at as a whole later.
#[unsafe(naked)]
pub unsafe extern "C" fn look_carefully() {
    naked_asm!(
        "cmp qword ptr [r11], 0",
        "push r11",
        "push rcx",
        "push rdi",
        "je 4f",
        // As in `sys::readable`.
        "movq xmm1, rdx",
        "xor edx, edx",
        "or edi, -1",
        "lea r10d, [rdx + 8]",
        "lea eax, [rdx + {sigprocmask}]",
        "syscall",
        "movq rdx, xmm1",
        // EFAULT, or nothing: the address was 0, which is no mask.
        "cmp eax, -{invalid}",
        "jne 4f",
        // The place in the page, counted from its end; rsi + 4 is that end.
        "lea rdi, [rsi + 4]",
        "mov rcx, rdi",
        "or rcx, -{page}",
        "sub rsi, rcx",
        "pxor xmm0, xmm0",
        "2:",
        "add rcx, 16",
        "jg 5f",
        "movdqu xmm1, [rsi + rcx + 4 - 16]",
        "pcmpeqb xmm1, xmm0",
        "pmovmskb eax, xmm1",
        "bsf eax, eax",
        "jz 2b",
        "add rax, rcx",
        "movzx ecx, byte ptr [rsi + rax + 4 - 16 - 1]",
        "mov rdi, {last_bytes}",
        "bt rdi, rcx",
        "jc 3f",
        "pop rdi",
        "pop rcx",
        "pop r11",
        "pop rsi",
        "jmp [r11]",
        "3:",
        "mov eax, [rsi + rax + 4 - 16 - 4]",
        "jmp 6f",
        "4:",
        "lea rdi, [rsi + 4]",
        "5:",
        "push r9",
        "push r8",
        "push rdx",
        "call {careful_tail}",
        "pop rdx",
        "pop r8",
        "pop r9",
        "6:",
        "pop rdi",
        "pop rcx",
        "pop r11",
        "pop rsi",
        // The row.
        "lea r10, [rip + {straight}]",
        "sub r11, r10",
        "shr r11d, 3",
        "jmp {go_on}",
        sigprocmask = const libc::SYS_rt_sigprocmask,
        invalid = const libc::EINVAL,
        page = const SMALLEST_PAGE,
        // A bit for each last byte, of its number modulo 64.
        last_bytes = const 1_u64 << (LOCK >> 24 & 63) | 1 << (CREDENTIALS >> 24 & 63) | 1 << (SLASH & 63),
        careful_tail = sym careful_tail,
        straight = sym STRAIGHT,
        go_on = sym go_on::<true>,
    )
}

/// Where hooks end that have more to do, with the row in r11d, and in al whether the path may concern us.
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
