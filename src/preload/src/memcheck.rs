//! Whether valgrind's memcheck looks on.
//!
//! It would complain of what the machine's part of a hook does to a path ([`crate::hook::machine`]): to look as far as
//! a page goes, and to ask the kernel about eight bytes of which not all have a value. Where it looks on, nobody goes
//! straight, and whether a path can be read is asked as memcheck has it.
//!
//! The question is one of valgrind's client requests: instructions that do nothing, which valgrind knows.
//! <https://valgrind.org/docs/manual/manual-core-adv.html#manual-core-adv.clientreq>

use core::arch::asm;

/// `VALGRIND_CHECK_MEM_IS_ADDRESSABLE` of an address and a length, to which memcheck answers 0, and nobody else
/// anything. A request may have five arguments; this one has two.
static REQUEST: [usize; 3] = [0x4d43_0004, 0, 0];

/// Whether this program is run by memcheck.
#[cold]
#[inline(never)]
pub fn is_running() -> bool {
    let mut answer = 1_usize;
    // SAFETY: without valgrind, a register is rotated by 128 bits and another is exchanged with itself.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") &raw const REQUEST,
            inout("rdx") answer,
            options(readonly, nostack),
        );
    }
    // SAFETY: without valgrind, a register is rotated by 128 bits and another is combined with itself.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!(
            "ror x12, x12, #3",
            "ror x12, x12, #13",
            "ror x12, x12, #51",
            "ror x12, x12, #61",
            "orr x10, x10, x10",
            in("x4") &raw const REQUEST,
            inout("x3") answer,
            options(readonly, nostack),
        );
    }
    answer == 0
}
