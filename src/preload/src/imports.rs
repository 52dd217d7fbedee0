//! What the library takes of libc: these functions, and no others.
//!
//! The loader looks each of them up at its first call. At the start it would cost every process a thousand
//! instructions for each, and most processes call few. A call that is bound late goes through the linker's table of
//! procedures, so it is a jump of our own here; the compiler's calls go by the table of addresses, which is filled at
//! the start.
//!
//! What the compiler itself calls, to copy, to fill and to compare, is ours: a few bytes of code each.

use core::arch::{global_asm, naked_asm};
use core::ffi::{CStr, c_char, c_int, c_ulong, c_void};
use core::slice;

use libc::size_t;

#[cfg(target_arch = "x86_64")]
macro_rules! jump {
    ($name:ident) => {
        concat!("jmp ", stringify!($name), "@PLT")
    };
}
#[cfg(target_arch = "aarch64")]
macro_rules! jump {
    ($name:ident) => {
        concat!("b ", stringify!($name))
    };
}

macro_rules! imports {
    ($( $(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty; )*) => {
        $(
            $(#[$doc])*
            #[unsafe(naked)]
            pub unsafe extern "C" fn $name($($argument: $type),*) -> $result {
                naked_asm!(jump!($name))
            }
        )*
    };
}

imports! {
    /// strlen(3)
    fn strlen(text: *const c_char) -> size_t;
    /// dlsym(3), which tells its caller's library by the return address: a jump leaves that alone.
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    /// getauxval(3)
    fn getauxval(kind: c_ulong) -> c_ulong;
    /// getenv(3)
    fn getenv(name: *const c_char) -> *mut c_char;
    /// Where this thread's errno(3) is.
    fn __errno_location() -> *mut c_int;
}

/// A C string of the host's.
///
/// # Safety
/// As of [`CStr::from_ptr`], whose own call of strlen is the compiler's.
pub unsafe fn c_string<'a>(text: *const c_char) -> &'a CStr {
    // SAFETY: the caller's promise: that many bytes, and one NUL behind them.
    unsafe { CStr::from_bytes_with_nul_unchecked(slice::from_raw_parts(text.cast(), strlen(text) + 1)) }
}

// Hidden: nobody else's calls may end here.
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".hidden memcpy",
    ".globl memcpy",
    "memcpy:",
    "mov rax, rdi",
    "mov rcx, rdx",
    "rep movsb",
    "ret",
    ".hidden memset",
    ".globl memset",
    "memset:",
    "mov r8, rdi",
    "mov eax, esi",
    "mov rcx, rdx",
    "rep stosb",
    "mov rax, r8",
    "ret",
    ".hidden bcmp",
    ".globl bcmp",
    "bcmp:",
    "mov rcx, rdx",
    "xor eax, eax",
    "repe cmpsb",
    "setne al",
    "ret",
);
#[cfg(target_arch = "aarch64")]
global_asm!(
    ".hidden memcpy",
    ".globl memcpy",
    "memcpy:",
    "mov x3, x0",
    "1:",
    "subs x4, x2, #8",
    "b.lo 2f",
    "ldr x5, [x1], #8",
    "str x5, [x3], #8",
    "mov x2, x4",
    "b 1b",
    "2:",
    "cbz x2, 3f",
    "ldrb w5, [x1], #1",
    "strb w5, [x3], #1",
    "sub x2, x2, #1",
    "b 2b",
    "3:",
    "ret",
    ".hidden memset",
    ".globl memset",
    "memset:",
    "mov x3, x0",
    "dup v0.16b, w1",
    "1:",
    "subs x4, x2, #16",
    "b.lo 2f",
    "str q0, [x3], #16",
    "mov x2, x4",
    "b 1b",
    "2:",
    "cbz x2, 3f",
    "strb w1, [x3], #1",
    "sub x2, x2, #1",
    "b 2b",
    "3:",
    "ret",
    ".hidden bcmp",
    ".globl bcmp",
    "bcmp:",
    "mov w3, #0",
    "1:",
    "cbz x2, 2f",
    "ldrb w4, [x0], #1",
    "ldrb w5, [x1], #1",
    "sub x2, x2, #1",
    "subs w3, w4, w5",
    "b.eq 1b",
    "2:",
    "mov w0, w3",
    "ret",
);
