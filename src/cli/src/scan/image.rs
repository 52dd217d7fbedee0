//! What a scan needs to know of a program file: where its code is, where its functions begin, its build-id.
//!
//! Goes by the program headers alone, because section headers may be stripped. Must not panic, whatever the
//! file holds.

use lockspan_core::sites::{BuildId, Machine};
use object::elf::{
    EM_AARCH64, EM_X86_64, FileHeader64, NT_GNU_BUILD_ID, PF_X, PT_GNU_EH_FRAME, PT_INTERP, PT_LOAD, PT_NOTE,
    ProgramHeader64,
};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, ReadRef};

/// A part of the file, and where it is in memory, as the file has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    /// Where it begins in memory.
    pub address: u64,
    /// Where it begins in the file.
    pub offset: u64,
    /// How many bytes it has in the file.
    pub size: u64,
}

/// What the program headers say.
#[derive(Debug)]
pub struct Image {
    /// What machine it is for.
    pub machine: Machine,
    /// Its build-id, whatever its length.
    pub build_id: Option<Vec<u8>>,
    /// Whether it asks for a dynamic loader.
    pub interpreter: bool,
    /// Its code, in the order of the addresses.
    pub code: Vec<Extent>,
    /// The table of where its functions begin.
    pub functions: Option<Extent>,
}

const DAMAGED: &str = "is a damaged ELF program";

impl Image {
    /// Reads the headers.
    ///
    /// # Errors
    /// Why this is no program that can be scanned.
    pub fn read<'data, R: ReadRef<'data>>(file: R) -> Result<Image, &'static str> {
        let Ok(header) = FileHeader64::<Endianness>::parse(file) else {
            return Err("is no 64-bit ELF program");
        };
        let endian = header.endian().map_err(|_| DAMAGED)?;
        let machine = match (header.e_machine(endian), endian) {
            (EM_X86_64, Endianness::Little) => Machine::X86_64,
            (EM_AARCH64, Endianness::Little) => Machine::Aarch64,
            _ => return Err("is for a kind of processor that there is no library for"),
        };
        let headers = header.program_headers(endian, file).map_err(|_| DAMAGED)?;
        let mut image =
            Image { machine, build_id: None, interpreter: false, code: Vec::new(), functions: None };
        for segment in headers {
            match segment.p_type(endian) {
                PT_INTERP => image.interpreter = true,
                PT_GNU_EH_FRAME => image.functions = Some(extent(segment, endian)),
                PT_NOTE if image.build_id.is_none() => image.build_id = build_id(segment, endian, file),
                PT_LOAD if segment.p_flags(endian) & PF_X != 0 && segment.p_filesz(endian) != 0 => {
                    image.code.push(extent(segment, endian));
                }
                _ => {}
            }
        }
        let length = file.len().map_err(|()| DAMAGED)?;
        if is_sound(&image.code, length) { Ok(image) } else { Err(DAMAGED) }
    }

    /// The build-id, if it has the length that tables are named by.
    pub fn usual_build_id(&self) -> Option<BuildId> {
        self.build_id.as_deref()?.try_into().ok()
    }
}

impl Extent {
    /// Its bytes.
    ///
    /// # Errors
    /// The file does not have them.
    pub fn bytes<'data, R: ReadRef<'data>>(&self, file: R) -> Result<&'data [u8], &'static str> {
        file.read_bytes_at(self.offset, self.size).map_err(|()| DAMAGED)
    }
}

fn extent(segment: &ProgramHeader64<Endianness>, endian: Endianness) -> Extent {
    Extent {
        address: segment.p_vaddr(endian),
        offset: segment.p_offset(endian),
        size: segment.p_filesz(endian),
    }
}

fn build_id<'data, R: ReadRef<'data>>(
    segment: &ProgramHeader64<Endianness>,
    endian: Endianness,
    file: R,
) -> Option<Vec<u8>> {
    let mut notes = segment.notes(endian, file).ok()??;
    while let Ok(Some(note)) = notes.next() {
        if note.name() == b"GNU" && note.n_type(endian) == NT_GNU_BUILD_ID {
            return Some(note.desc().to_vec());
        }
    }
    None
}

/// Whether the code lies in the file and in memory as a linker would lay it: in order, apart, and with no byte of
/// the file in use twice over, so that a small file cannot ask for endless work.
fn is_sound(code: &[Extent], length: u64) -> bool {
    let (mut behind, mut total) = (0, 0u64);
    code.iter().all(|extent| {
        let in_order = extent.address >= behind;
        let ends = (
            extent.address.checked_add(extent.size),
            extent.offset.checked_add(extent.size),
            total.checked_add(extent.size),
        );
        let (Some(end), Some(file_end), Some(sum)) = ends else { return false };
        (behind, total) = (end, sum);
        in_order && file_end <= length && sum <= length
    })
}

#[cfg(test)]
mod tests {
    use super::super::example::Example;
    use super::*;

    #[test]
    fn the_headers_of_a_program_are_read() {
        let image = Image::read(&*Example::default().bytes()).expect("a program");
        assert_eq!(image.machine, Machine::X86_64);
        assert_eq!(image.usual_build_id(), Some([7; 20]));
        assert!(image.interpreter && image.functions.is_some());
        assert_eq!(image.code.len(), 1);
    }

    #[test]
    fn code_out_of_order_or_outside_the_file_is_damage() {
        let extent = |address, offset, size| Extent { address, offset, size };
        assert!(is_sound(&[extent(0x1000, 0, 10), extent(0x2000, 10, 10)], 20));
        assert!(!is_sound(&[extent(0x1000, 0, 10), extent(0x1009, 10, 10)], 20));
        assert!(!is_sound(&[extent(0x1000, 0, 15), extent(0x2000, 0, 15)], 20));
        assert!(!is_sound(&[extent(0x1000, 11, 10)], 20));
        assert!(!is_sound(&[extent(u64::MAX, 0, 10)], 20));
        assert!(!is_sound(&[extent(0, u64::MAX, 10)], 20));
    }

    #[test]
    fn no_damage_to_the_headers_makes_it_panic() {
        let whole = Example::default().bytes();
        for length in 0..whole.len() {
            let _ = Image::read(&whole[..length]);
        }
        for place in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = whole.clone();
                damaged[place] = value;
                if let Ok(image) = Image::read(&*damaged) {
                    assert!(image.code.iter().all(|extent| extent.bytes(&*damaged).is_ok()));
                }
            }
        }
    }
}
