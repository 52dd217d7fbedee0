//! Whether code could make directories by calls of its own, found out without decoding it all.
//!
//! May be wrong in one direction only: it must not miss a call whose number is loaded shortly before it.

use lockspan_core::sites::{LONGEST, Machine};
use memchr::memmem;

use super::calls::Found;
use super::{names, x86_64};

/// Whether these bytes have the instruction that makes a call, and shortly before it the load of a number by which
/// a directory is made.
pub fn makes_directory(machine: Machine, code: &[u8]) -> bool {
    let call: &[u8] = match machine {
        Machine::X86_64 => &[0x0f, 0x05],
        Machine::Aarch64 => &[0x01, 0x00, 0x00, 0xd4],
    };
    memmem::find_iter(code, call).any(|place| {
        let end = place.saturating_add(call.len());
        let window = code.get(end.saturating_sub(LONGEST)..end).unwrap_or_default();
        match machine {
            Machine::X86_64 => has_number(window) && (0..window.len()).any(|start| is_loaded(window, start)),
            // mov w8 or x8, #34
            Machine::Aarch64 => window
                .windows(4)
                .filter_map(|bytes| bytes.first_chunk())
                .any(|&bytes| u32::from_le_bytes(bytes) & 0x7fff_ffff == 0x5280_0448),
        }
    })
}

/// Whether the number is there as four bytes, or pushed as one.
fn has_number(window: &[u8]) -> bool {
    window.windows(4).any(|bytes| matches!(bytes, [83, 0, 0, 0] | [2, 1, 0, 0]))
        || window.windows(2).any(|bytes| bytes == [0x6a, 83])
}

/// Whether the call in which this ends has the number, if instructions begin there.
fn is_loaded(window: &[u8], start: usize) -> bool {
    let mut found = Found::default();
    x86_64::read(window.get(start..).unwrap_or_default(), 0, &mut found);
    found
        .calls
        .iter()
        .filter_map(|call| call.number.as_ref().ok())
        .any(|number| names::makes_directory(Machine::X86_64, number.value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_of_all_kinds_are_hints() {
        for load in [
            &[0xb8, 83, 0, 0, 0][..],               // mov eax, 83
            &[0xb8, 2, 1, 0, 0],                    // mov eax, 258
            &[0x48, 0xc7, 0xc0, 83, 0, 0, 0],       // mov rax, 83
            &[0x48, 0xb8, 83, 0, 0, 0, 0, 0, 0, 0], // movabs rax, 83
            &[0x6a, 83, 0x58],                      // push 83; pop rax
            &[0xb8, 83, 0, 0, 0, 0x75, 8],          // mov eax, 83; jne
        ] {
            let code = [&[0x90, 0x48, 0x0f], load, &[0x31, 0xf6, 0x0f, 0x05, 0xc3]].concat();
            assert!(makes_directory(Machine::X86_64, &code), "{load:x?}");
        }
        // mov x8, #34; svc #0
        let code = [0x48, 0x04, 0x80, 0xd2, 1, 0, 0, 0xd4];
        assert!(makes_directory(Machine::Aarch64, &code));
        assert!(!makes_directory(Machine::X86_64, &code));
    }

    #[test]
    fn other_loads_are_none() {
        for code in [
            &[0xb8, 82, 0, 0, 0, 0x0f, 5][..],               // mov eax, 82
            &[0xb9, 83, 0, 0, 0, 0xb8, 1, 0, 0, 0, 0x0f, 5], // mov ecx, 83; mov eax, 1
            &[0xb8, 83, 0, 0, 0, 0x89, 0xf8, 0x0f, 5],       // mov eax, 83; mov eax, edi
            &[0x0f, 5],
        ] {
            assert!(!makes_directory(Machine::X86_64, code), "{code:x?}");
        }
    }
}
