//! x86-64: where the stubs lead.

use core::arch::x86_64::{__cpuid, __cpuid_count};
use core::arch::{asm, naked_asm};
use core::ffi::c_long;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::gate;
use crate::hook::Word;

/// Which parts of the vector state are saved, as XSAVE takes it.
static SAVED: AtomicU32 = AtomicU32::new(0);

/// x87, SSE, AVX, and the three parts of AVX-512: what compiled code and libc's string functions may change. Not
/// the protection keys, and not the tiles, which are large and which nobody here touches.
const WANTED: u32 = 0b1110_0111;

/// Room for these parts. The processor says where each lies; see [`prepare`].
const AREA: usize = 2816;

/// Finds out how the vector state is saved; whether it can be.
pub fn prepare() -> bool {
    const OSXSAVE: u32 = 1 << 27;
    const STATE: u32 = 0xd;
    if __cpuid(0).eax < STATE || __cpuid(1).ecx & OSXSAVE == 0 {
        return false;
    }
    let enabled: u32;
    // SAFETY: the kernel has enabled XSAVE, and with it XGETBV; register 0 is always there.
    unsafe { asm!("xgetbv", in("ecx") 0, out("eax") enabled, out("edx") _, options(nomem, nostack)) };
    let saved = enabled & WANTED;
    SAVED.store(saved, Ordering::Relaxed);
    (2..8).filter(|part| saved >> part & 1 != 0).all(|part| {
        let part = __cpuid_count(STATE, part);
        part.ebx.saturating_add(part.eax) as usize <= AREA
    })
}

/// What the host had in its registers. The order is that in which [`enter`] pushes them, backwards.
#[repr(C)]
struct Frame {
    /// The call's number, then its result.
    rax: isize,
    rdi: Word,
    rsi: Word,
    rdx: Word,
    r10: Word,
    r8: Word,
    r9: Word,
}

/// Where every stub leads, with the call's number and arguments in their registers and in rcx where to go on.
///
/// Leaves all registers as the kernel would: the result in rax, rcx as it is, the flags in r11, and everything
/// else as it was. The 128 bytes below the stack pointer are the host's, too.
#[unsafe(naked)]
pub unsafe extern "C" fn enter() {
    naked_asm!(
        "lea rsp, [rsp - 128]",
        "pushfq",
        "pop r11",
        // As the kernel has it: forwards, and without alignment checks.
        "push 2",
        "popfq",
        "push rbp",
        "push r11",
        "push rcx",
        "push r9",
        "push r8",
        "push r10",
        "push rdx",
        "push rsi",
        "push rdi",
        "push rax",
        "mov rbp, rsp",
        "sub rsp, {area}",
        "and rsp, -64",
        // The header of the area must be zero where XSAVE does not write it.
        "xor eax, eax",
        "xor edx, edx",
        "mov [rsp + 512], rax",
        "mov [rsp + 520], rax",
        "mov [rsp + 528], rax",
        "mov [rsp + 536], rax",
        "mov [rsp + 544], rax",
        "mov [rsp + 552], rax",
        "mov [rsp + 560], rax",
        "mov [rsp + 568], rax",
        "mov eax, [rip + {saved}]",
        "xsave64 [rsp]",
        "mov rdi, rbp",
        "call {serve}",
        "mov eax, [rip + {saved}]",
        "xor edx, edx",
        "xrstor64 [rsp]",
        "mov rsp, rbp",
        "pop rax",
        "pop rdi",
        "pop rsi",
        "pop rdx",
        "pop r10",
        "pop r8",
        "pop r9",
        "pop rcx",
        "pop r11",
        "pop rbp",
        "push r11",
        "popfq",
        "lea rsp, [rsp + 128]",
        "jmp rcx",
        area = const AREA,
        saved = sym SAVED,
        serve = sym serve,
    )
}

unsafe extern "C" fn serve(frame: &mut Frame) {
    let Frame { rax, rdi, rsi, rdx, r10, r8, r9 } = *frame;
    // SAFETY: the call that the host makes, with its arguments.
    frame.rax = unsafe { gate::raw(rax as c_long, [rdi, rsi, rdx, r10, r8, r9]) };
}

/// New code at this address is seen by the processor.
pub fn written(_address: usize, _length: usize) {}
