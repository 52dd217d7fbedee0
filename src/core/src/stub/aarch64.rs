//! aarch64: the `svc` itself becomes a branch to the stub, so that nothing has to be repeated.

use super::Code;
use crate::sites::Site;

/// The room that a stub needs at most.
pub const LARGEST: usize = 32;

const INSTRUCTION: u64 = 4;

/// The address and the bytes that send a site to its stub; `None` if that is out of a branch's reach.
pub fn replacement(site: &Site, address: u64, stub: u64) -> Option<(u64, [u8; 4])> {
    let svc = call(site, address)?;
    Some((svc, branch(svc, stub)?.to_le_bytes()))
}

/// Writes the stub of a site whose first byte is at `address`, to be run at `stub`.
///
/// The kernel changes no register but x0, so that the two which the stub needs are kept on the stack, where the
/// entry finds them.
pub fn write(buffer: &mut [u8], site: &Site, address: u64, stub: u64, entry: u64) -> Option<()> {
    let resume = call(site, address)?.checked_add(INSTRUCTION)?;
    let mut code = Code { rest: buffer };
    let mut instruction = |word: u32| code.append(&word.to_le_bytes());
    instruction(0xa9bf_7bf0)?; // stp x16, x30, [sp, #-16]!
    instruction(0x5800_00b0)?; // ldr x16, behind the last instruction and a gap
    instruction(0xd63f_0200)?; // blr x16
    instruction(0xa8c1_7bf0)?; // ldp x16, x30, [sp], #16
    instruction(branch(stub.checked_add(4 * INSTRUCTION)?, resume)?)?; // b behind the svc
    instruction(0xd503_201f)?; // nop, so that the address is aligned
    code.append(&entry.to_le_bytes())
}

/// Where a site's `svc` is.
fn call(site: &Site, address: u64) -> Option<u64> {
    address.checked_add(site.bytes().len() as u64)?.checked_sub(INSTRUCTION)
}

/// `b`: 26 bits of instructions, forwards or backwards.
fn branch(from: u64, to: u64) -> Option<u32> {
    let distance = to.cast_signed().checked_sub(from.cast_signed())?;
    let reach = -(1 << 27)..(1 << 27);
    (distance % 4 == 0 && reach.contains(&distance))
        .then_some(0x1400_0000 | ((distance >> 2) as u32 & 0x03ff_ffff))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        // mov w8, 34; mov w2, 511; svc 0
        Site::new(0x40_1000, &[0x48, 0x04, 0x80, 0x52, 0xe2, 0x3f, 0x80, 0x52, 0x01, 0, 0, 0xd4])
            .expect("a short site")
    }

    #[test]
    fn the_svc_becomes_a_branch() {
        assert_eq!(
            replacement(&site(), 0x40_1000, 0x40_1010),
            Some((0x40_1008, [2, 0, 0, 0x14])),
            "forwards"
        );
        assert_eq!(
            replacement(&site(), 0x40_1000, 0x40_1000),
            Some((0x40_1008, [0xfe, 0xff, 0xff, 0x17])),
            "backwards"
        );
        assert!(replacement(&site(), 0, 8 + (1 << 27) - 4).is_some(), "as far as it goes");
        assert_eq!(replacement(&site(), 0, 8 + (1 << 27)), None, "one further");
        assert_eq!(replacement(&site(), 0, 0x102), None, "between instructions");
    }

    #[test]
    fn the_stub_goes_on_behind_the_svc() {
        let mut code = [0xcc; LARGEST];
        write(&mut code, &site(), 0x40_1000, 0x30_0000, 0x7f00_1122_3344_5566).expect("room");
        let words: [u32; 8] = core::array::from_fn(|index| {
            u32::from_le_bytes(core::array::from_fn(|byte| code[4 * index + byte]))
        });
        // As GNU as encodes `stp x16,x30,[sp,#-16]!; ldr x16,.+20; blr x16; ldp x16,x30,[sp],#16; b; nop`.
        let (stp, ldr, blr, ldp, nop) = (0xa9bf_7bf0, 0x5800_00b0, 0xd63f_0200, 0xa8c1_7bf0, 0xd503_201f);
        // From 0x300010 to 0x40100c.
        let back = 0x1400_0000 | (0x10_0ffc >> 2);
        assert_eq!(words, [stp, ldr, blr, ldp, back, nop, 0x3344_5566, 0x7f00_1122]);
        assert_eq!(write(&mut code[..LARGEST - 1], &site(), 0, 0, 0), None, "no room");
    }
}
