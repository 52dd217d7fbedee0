//! The raw sites of a build: where a program makes system calls by an instruction of its own, which no
//! preloaded function can see.
//!
//! A table of sites belongs to one build, named by its GNU build-id. `lockspan scan` writes it, as text:
//!
//! ```text
//! lockspan-sites 1
//! machine x86_64
//! build-id 052ef6d8cef1bef39149a31808f3d579db450889
//! # what follows a # is for people
//! site 22ab1234 b85300000031f60f05
//! end 1
//! ```
//!
//! A site has the address at which its bytes begin, as the program file has it (a position-independent program
//! is moved as a whole), and the bytes themselves, both in hexadecimal. They begin with the instruction that
//! loads the call's number, end with the one that makes the call, and have nothing in between but instructions
//! that load registers and mean the same at any address. Sites come in the order of their addresses and do not
//! overlap; the number in the last line is how many there are, so that a table cut short is not taken for a
//! whole one. Only calls that are [`wanted`] are in a table, and all of those.
//!
//! The tables of the clients' builds are compiled in ([`builtin`]); another one is looked for as
//! `BUILD-ID.sites` in the directory [`DIRECTORY`].
//!
//! Nothing here knows what a program's memory holds. Who patches must compare every byte.

use core::ffi::CStr;

mod numbers;
mod text;

pub use numbers::{Machine, number, wanted};
pub use text::{BuildId, LONGEST, Site, Table, parse};

// MACHINE's tables, packed by build.rs: BUILDS, RUNS, SITES and BYTES.
include!(concat!(env!("OUT_DIR"), "/sites.rs"));

/// The machine that this is compiled for, by the kernel's name of it.
pub const MACHINE: &[u8] = Machine::HERE.name();

/// Where tables are that are not compiled in, unless `LOCKSPAN_SITES` names another directory.
pub const DIRECTORY: &[u8] = b"/var/lib/lockspan";

/// What a table's file name has behind the build-id.
pub const SUFFIX: &CStr = c".sites";

/// A build whose sites are compiled in.
struct Build {
    id: BuildId,
    /// Its part of `RUNS`.
    start: u16,
    end: u16,
}

/// Sites that follow each other.
#[derive(Debug)]
struct Run {
    /// Where in `SITES` they begin, in little-endian order: alignment would cost a byte for each run.
    start: [u8; 2],
    count: u8,
}

/// The sites of a build.
#[derive(Clone, Debug)]
pub enum Sites<'a> {
    /// Compiled in.
    Builtin(Packed),
    /// Read from a file.
    Text(Table<'a>),
}

impl Iterator for Sites<'_> {
    type Item = Site;

    #[inline(never)]
    fn next(&mut self) -> Option<Site> {
        match self {
            Sites::Builtin(packed) => packed.next(),
            Sites::Text(table) => table.next(),
        }
    }
}

/// The sites of a client's build, if this is one.
pub fn builtin(build_id: &BuildId) -> Option<Packed> {
    // Every process asks, and almost none has to compare all of it.
    let start = build_id.first_chunk::<8>();
    let build = BUILDS.iter().find(|build| build.id.first_chunk() == start && build.id == *build_id)?;
    let runs = RUNS.get(usize::from(build.start)..usize::from(build.end))?;
    Some(Packed { runs, sites: &[], left: 0, behind: 0 })
}

/// The builds whose sites are compiled in.
pub fn builds() -> impl Iterator<Item = &'static BuildId> {
    BUILDS.iter().map(|build| &build.id)
}

/// Sites as build.rs packs them. Builds have most of their sites in common, in runs, which are stored once; of a site
/// its distance from the end of the one before, as a LEB128, and which of the sites of `BYTES` its bytes are.
#[derive(Clone, Debug)]
pub struct Packed {
    runs: &'static [Run],
    /// What is left of `SITES` from the present run's next site on, and how many of them belong to the run.
    sites: &'static [u8],
    left: u8,
    behind: u64,
}

impl Iterator for Packed {
    type Item = Site;

    fn next(&mut self) -> Option<Site> {
        if self.left == 0 {
            let (run, rest) = self.runs.split_first()?;
            self.runs = rest;
            self.sites = SITES.get(usize::from(u16::from_le_bytes(run.start))..)?;
            self.left = run.count;
        }
        self.left = self.left.checked_sub(1)?;
        let distance = leb128(&mut self.sites)?;
        let (&index, rest) = self.sites.split_first()?;
        self.sites = rest;
        let mut bytes = BYTES.as_slice();
        for _ in 0..index {
            split(&mut bytes)?;
        }
        let site = Site::new(self.behind.wrapping_add(distance), split(&mut bytes)?)?;
        self.behind = site.end();
        Some(site)
    }
}

/// Takes the next bytes of a site, which their length precedes.
fn split(bytes: &mut &'static [u8]) -> Option<&'static [u8]> {
    let (&length, rest) = bytes.split_first()?;
    let (site, rest) = rest.split_at_checked(length.into())?;
    *bytes = rest;
    Some(site)
}

fn leb128(bytes: &mut &[u8]) -> Option<u64> {
    let (mut number, mut shift) = (0, 0);
    loop {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
        shift = (shift + 7) & 63;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "lockspan-sites 1\nmachine x86_64\nbuild-id 000102030405060708090a0b0c0d0e0f10111213\n\
        # a comment\nsite 401000 b8530000000f05\nsite 401007 b84c01000031d20f05\nend 2\n";

    #[test]
    fn a_table_is_read() {
        let mut table = parse(GOOD.as_bytes()).expect("a good table");
        assert_eq!(table.machine, b"x86_64");
        assert_eq!(table.build_id.first_chunk(), Some(&[0, 1, 2]));
        let first = table.next().expect("a site");
        assert_eq!((first.address, first.end()), (0x40_1000, 0x40_1007));
        assert_eq!(first.bytes(), [0xb8, 83, 0, 0, 0, 0x0f, 5]);
        assert_eq!(table.next().map(|site| site.address), Some(0x40_1007));
        assert_eq!(table.next(), None);
        assert_eq!(table.next(), None);
    }

    #[test]
    fn a_damaged_table_is_refused() {
        for (from, to) in [
            ("sites 1", "sites 2"),
            ("end 2", "end 3"),
            ("end 2\n", "end 2"),
            ("end 2\n", ""),
            ("end 2\n", "end 2\nsite 500000 b8530000000f05\n"),
            ("401007", "401006"),
            ("401000 b8", "401000 b"),
            ("401000 b8", "401000  b8"),
            ("401000 b8", "401000 B8"),
            ("401000", "g01000"),
            ("401000", "10000000000000000"),
            ("0f05\nend", "0f05 1\nend"),
            ("1213\n", "12\n"),
            ("1213\n", "121314\n"),
            ("# a comment", "a comment"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            assert!(parse(GOOD.replace(from, to).as_bytes()).is_none(), "{from} -> {to}");
        }
        let long = "00".repeat(LONGEST + 1);
        assert!(parse(GOOD.replace("b8530000000f05", &long).as_bytes()).is_none());
    }

    #[test]
    fn what_is_compiled_in_is_in_order_and_wanted() {
        for build in builds() {
            let mut behind = 0;
            for site in builtin(build).expect("a build of the list") {
                assert!(site.address >= behind);
                behind = site.end();
                assert!(number(&site).is_some_and(wanted), "{site:x?}");
            }
            assert_ne!(behind, 0);
        }
        assert!(builtin(&BuildId::default()).is_none());
    }
}
