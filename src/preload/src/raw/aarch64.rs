//! aarch64: where the stubs lead.

use core::arch::{asm, naked_asm};
use core::ffi::c_long;

use crate::gate;
use crate::hook::Word;

/// The vector registers are always there. Of SVE's longer ones a system call keeps no more than these.
pub fn prepare() -> bool {
    true
}

/// What the host had in its first registers, in the order in which [`enter`] stores them.
#[repr(C)]
struct Frame {
    /// x0 to x8. The first one is the result in the end, the last one the call's number.
    x: [Word; 9],
}

/// Where every stub leads, with the call's number and arguments in their registers.
///
/// Leaves all registers as the kernel would: the result in x0, and everything else as it was. x16 and x30 are the
/// stub's to restore.
#[unsafe(naked)]
pub unsafe extern "C" fn enter() {
    naked_asm!(
        "sub sp, sp, #704",
        "stp x0, x1, [sp]",
        "stp x2, x3, [sp, #16]",
        "stp x4, x5, [sp, #32]",
        "stp x6, x7, [sp, #48]",
        "stp x8, x9, [sp, #64]",
        "stp x10, x11, [sp, #80]",
        "stp x12, x13, [sp, #96]",
        "stp x14, x15, [sp, #112]",
        "stp x17, x18, [sp, #128]",
        "mrs x9, nzcv",
        "stp x30, x9, [sp, #144]",
        "mrs x9, fpcr",
        "mrs x10, fpsr",
        "stp x9, x10, [sp, #160]",
        "stp q0, q1, [sp, #192]",
        "stp q2, q3, [sp, #224]",
        "stp q4, q5, [sp, #256]",
        "stp q6, q7, [sp, #288]",
        "stp q8, q9, [sp, #320]",
        "stp q10, q11, [sp, #352]",
        "stp q12, q13, [sp, #384]",
        "stp q14, q15, [sp, #416]",
        "stp q16, q17, [sp, #448]",
        "stp q18, q19, [sp, #480]",
        "stp q20, q21, [sp, #512]",
        "stp q22, q23, [sp, #544]",
        "stp q24, q25, [sp, #576]",
        "stp q26, q27, [sp, #608]",
        "stp q28, q29, [sp, #640]",
        "stp q30, q31, [sp, #672]",
        "mov x0, sp",
        "bl {serve}",
        "ldp q0, q1, [sp, #192]",
        "ldp q2, q3, [sp, #224]",
        "ldp q4, q5, [sp, #256]",
        "ldp q6, q7, [sp, #288]",
        "ldp q8, q9, [sp, #320]",
        "ldp q10, q11, [sp, #352]",
        "ldp q12, q13, [sp, #384]",
        "ldp q14, q15, [sp, #416]",
        "ldp q16, q17, [sp, #448]",
        "ldp q18, q19, [sp, #480]",
        "ldp q20, q21, [sp, #512]",
        "ldp q22, q23, [sp, #544]",
        "ldp q24, q25, [sp, #576]",
        "ldp q26, q27, [sp, #608]",
        "ldp q28, q29, [sp, #640]",
        "ldp q30, q31, [sp, #672]",
        "ldp x9, x10, [sp, #160]",
        "msr fpcr, x9",
        "msr fpsr, x10",
        "ldp x30, x9, [sp, #144]",
        "msr nzcv, x9",
        "ldp x17, x18, [sp, #128]",
        "ldp x14, x15, [sp, #112]",
        "ldp x12, x13, [sp, #96]",
        "ldp x10, x11, [sp, #80]",
        "ldp x8, x9, [sp, #64]",
        "ldp x6, x7, [sp, #48]",
        "ldp x4, x5, [sp, #32]",
        "ldp x2, x3, [sp, #16]",
        "ldp x0, x1, [sp]",
        "add sp, sp, #704",
        "ret",
        serve = sym serve,
    )
}

unsafe extern "C" fn serve(frame: &mut Frame) {
    let [a, b, c, d, e, f, _, _, number] = frame.x;
    // SAFETY: the call that the host makes, with its arguments.
    let result = unsafe { gate::raw(number.addr() as c_long, [a, b, c, d, e, f]) };
    let [first, ..] = &mut frame.x;
    *first = result as Word;
}

/// New code at this address is seen by the processor: the caches of data and of instructions are not kept the same
/// by themselves.
pub fn written(address: usize, length: usize) {
    let sizes: usize;
    // SAFETY: tells the sizes of the caches' lines.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) sizes, options(nomem, nostack)) };
    let (data, instructions) = (4 << (sizes >> 16 & 15), 4 << (sizes & 15));
    let end = address + length;
    let mut line = address & !(data - 1);
    while line < end {
        // SAFETY: only writes back what is there.
        unsafe { asm!("dc cvau, {}", in(reg) line, options(nostack)) };
        line += data;
    }
    // SAFETY: waits until that is done.
    unsafe { asm!("dsb ish", options(nostack)) };
    let mut line = address & !(instructions - 1);
    while line < end {
        // SAFETY: only makes the processor fetch again.
        unsafe { asm!("ic ivau, {}", in(reg) line, options(nostack)) };
        line += instructions;
    }
    // SAFETY: waits until that is done.
    unsafe { asm!("dsb ish", "isb", options(nostack)) };
}
