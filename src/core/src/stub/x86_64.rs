//! x86-64: the instruction that loads the call's number becomes a jump to the stub.
//!
//! Only that instruction is replaced. The others stay, so that a jump between it and the `syscall` still makes
//! the plain call, and nothing has to be moved but what the stub repeats.

use super::Code;
use crate::sites::{LONGEST, Site};

/// The room that a stub needs at most.
pub const LARGEST: usize = (LONGEST + TAIL).next_multiple_of(16);

/// The bytes of a stub behind what it repeats of the site.
const TAIL: usize = 23;

const SYSCALL: usize = 2;

/// The address and the bytes that send a site to its stub; `None` if that is out of a jump's reach.
pub fn replacement(site: &Site, address: u64, stub: u64) -> Option<(u64, [u8; 5])> {
    // jmp rel32, as long as the mov that it replaces.
    let behind = address.checked_add(5)?;
    let distance = i32::try_from(stub.cast_signed().checked_sub(behind.cast_signed())?).ok()?;
    let [a, b, c, d] = distance.to_le_bytes();
    (site.bytes().len() >= 5 + SYSCALL).then_some((address, [0xe9, a, b, c, d]))
}

/// Writes the stub of a site whose first byte is at `address`. It means the same at any address, and may change
/// rcx and r11, as the kernel does.
pub fn write(buffer: &mut [u8], site: &Site, address: u64, _stub: u64, entry: u64) -> Option<()> {
    let length = site.bytes().len();
    let resume = address.checked_add(length as u64)?;
    let mut code = Code { rest: buffer };
    code.append(site.bytes().get(..length.checked_sub(SYSCALL)?)?)?;
    let [a, b, c, d, e, f, g, h] = entry.to_le_bytes();
    let [i, j, k, l, m, n, o, p] = resume.to_le_bytes();
    let tail: [u8; TAIL] = [
        0x49, 0xbb, a, b, c, d, e, f, g, h, // mov r11, entry
        // mov rcx, resume: what the kernel leaves there, and where the entry goes on.
        0x48, 0xb9, i, j, k, l, m, n, o, p, //
        0x41, 0xff, 0xe3, // jmp r11
    ];
    code.append(&tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        Site::new(0x40_1000, &[0xb8, 83, 0, 0, 0, 0x31, 0xf6, 0x0f, 0x05]).expect("a short site")
    }

    #[test]
    fn the_jump_leads_to_the_stub() {
        assert_eq!(
            replacement(&site(), 0x40_1000, 0x40_1005),
            Some((0x40_1000, [0xe9, 0, 0, 0, 0])),
            "right behind"
        );
        assert_eq!(
            replacement(&site(), 0x40_1000, 0x30_0000),
            Some((0x40_1000, [0xe9, 0xfb, 0xef, 0xef, 0xff])),
            "backwards"
        );
        assert!(replacement(&site(), 0x40_1005, 0x40_100a + i32::MAX as u64).is_some(), "as far as it goes");
        assert_eq!(replacement(&site(), 0x40_1005, 0x40_100b + i32::MAX as u64), None, "one further");
    }

    #[test]
    fn the_stub_repeats_the_loads() {
        let mut code = [0xcc; LARGEST];
        write(&mut code, &site(), 0x40_1000, 0, 0x7f00_1122_3344_5566).expect("room");
        let expected: &[u8] = &[
            0xb8, 83, 0, 0, 0, 0x31, 0xf6, // mov eax, 83; xor esi, esi
            0x49, 0xbb, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0, 0x7f, // mov r11, entry
            0x48, 0xb9, 0x09, 0x10, 0x40, 0, 0, 0, 0, 0, // mov rcx, behind the syscall
            0x41, 0xff, 0xe3, // jmp r11
            0xcc,
        ];
        assert_eq!(code.get(..expected.len()), Some(expected));
        assert_eq!(write(&mut code[..expected.len() - 2], &site(), 0, 0, 0), None, "no room");
    }
}
