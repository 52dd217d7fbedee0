//! The main program as the loader has mapped it. Finding out about it reads nothing but its headers.

use core::slice;

use libc::{AT_PHDR, AT_PHNUM, Elf64_Phdr, PF_R, PF_X, PT_INTERP, PT_LOAD, PT_NOTE, PT_PHDR};
use lockspan_core::sites::BuildId;
use lockspan_lock::sys::{self, Descriptor};

use crate::initial::Initial;

/// The main program.
pub struct Program {
    /// What is added to the addresses that the file has.
    base: u64,
    segments: &'static [Elf64_Phdr],
}

/// The main program, as the auxiliary vector describes it.
pub fn main(initial: Initial) -> Program {
    let headers = initial.auxiliary(AT_PHDR) as *const Elf64_Phdr;
    if headers.is_null() {
        return Program { base: 0, segments: &[] };
    }
    // SAFETY: these are mapped as long as the program runs.
    let segments = unsafe { slice::from_raw_parts(headers, initial.auxiliary(AT_PHNUM) as usize) };
    let program = Program { base: 0, segments };
    let own = program.of_kind(PT_PHDR).map_or(0, |own| (headers.addr() as u64).wrapping_sub(own.p_vaddr));
    Program { base: own, segments }
}

/// Where a piece of code of the program is.
pub struct Place {
    /// Its address in memory.
    pub address: usize,
    /// Where it is in the file.
    pub offset: u64,
}

impl Program {
    /// Whether this is musl's loader, which was started as a command and leaves itself in the vector: a program has an
    /// interpreter.
    pub fn is_loader(&self) -> bool {
        self.of_kind(PT_INTERP).is_none()
    }

    fn of_kind(&self, kind: u32) -> Option<&'static Elf64_Phdr> {
        self.segments.iter().find(|segment| segment.p_type == kind)
    }

    /// The program's build-id, if it has one of the usual kind.
    pub fn build_id(&self) -> Option<&'static BuildId> {
        self.note().map(|(build_id, _)| build_id)
    }

    /// Whether this file has the program's build-id where the program has it.
    pub fn is_from(&self, file: &Descriptor) -> bool {
        let mut found = BuildId::default();
        self.note().is_some_and(|(build_id, offset)| {
            sys::read_at(file, &mut found, offset) == Ok(found.len()) && found == *build_id
        })
    }

    /// The build-id, and where it is in the file.
    fn note(&self) -> Option<(&'static BuildId, u64)> {
        let notes = self.segments.iter().filter(|segment| segment.p_type == PT_NOTE);
        notes.into_iter().find_map(|segment| {
            let loaded = |load: &&Elf64_Phdr| load.p_type == PT_LOAD && contains(load, segment);
            self.segments.iter().find(loaded)?;
            let start = self.base.wrapping_add(segment.p_vaddr) as *const u8;
            // SAFETY: the loader has mapped all of it, and nobody writes there.
            let notes = unsafe { slice::from_raw_parts(start, segment.p_memsz as usize) };
            let build_id = build_id(notes)?;
            let behind = build_id.as_ptr().addr().wrapping_sub(start.addr());
            Some((build_id, segment.p_offset.wrapping_add(behind as u64)))
        })
    }

    /// The lowest address of the program in memory.
    pub fn lowest(&self) -> Option<u64> {
        let loaded = self.segments.iter().filter(|segment| segment.p_type == PT_LOAD);
        Some(self.base.wrapping_add(loaded.map(|segment| segment.p_vaddr).min()?))
    }

    /// Where code is that has this address in the file, if all of it is mapped from there to be read and
    /// executed.
    pub fn code(&self, address: u64, length: u64) -> Option<Place> {
        const CODE: u32 = PF_R | PF_X;
        let segment = self.segments.iter().find(|segment| {
            let start = address.checked_sub(segment.p_vaddr);
            let fits = start.and_then(|start| segment.p_filesz.checked_sub(start)?.checked_sub(length));
            segment.p_type == PT_LOAD && segment.p_flags & CODE == CODE && fits.is_some()
        })?;
        Some(Place {
            address: self.base.wrapping_add(address) as usize,
            offset: segment.p_offset.wrapping_add(address - segment.p_vaddr),
        })
    }
}

fn contains(outer: &Elf64_Phdr, inner: &Elf64_Phdr) -> bool {
    let start = inner.p_vaddr.checked_sub(outer.p_vaddr);
    start.and_then(|start| outer.p_filesz.checked_sub(start)?.checked_sub(inner.p_memsz)).is_some()
}

/// Finds the note of the linker among others.
fn build_id(mut notes: &'static [u8]) -> Option<&'static BuildId> {
    const NT_GNU_BUILD_ID: u32 = 3;
    loop {
        let (&[name_length, length, kind], rest) = split_words(notes)?;
        let (name, rest) = rest.split_at_checked(aligned(name_length))?;
        let description = rest.get(..length as usize)?;
        if kind == NT_GNU_BUILD_ID && name == b"GNU\0" {
            return description.try_into().ok();
        }
        notes = rest.get(aligned(length)..)?;
    }
}

/// Names and descriptions take up whole words.
fn aligned(length: u32) -> usize {
    (length as usize).next_multiple_of(4)
}

/// The three words at the start of a note.
fn split_words(notes: &'static [u8]) -> Option<(&'static [u32; 3], &'static [u8])> {
    let (words, rest) = notes.split_first_chunk::<12>()?;
    // SAFETY: notes are aligned as words are, and any bytes are words.
    (words.as_ptr().cast::<u32>().is_aligned()).then(|| (unsafe { &*words.as_ptr().cast() }, rest))
}
