//! The system calls that the main program makes without libc.
//!
//! Native clients up to 2.1.179 make mkdir, utimensat and statx by instructions of their own. Where the sites of
//! a build are known ([`lockspan_core::sites`]), the instruction that loads the call's number is replaced in
//! memory by a jump to a stub, which leads to [`entry`], and from there to what `syscall()` does
//! ([`crate::gate::raw`]).
//!
//! It is all or nothing. If one site is not as the table has it, or anything fails on the way, the program stays
//! as it is and the library does nothing in this process: a lock that is redirected by half would never be
//! removed. The event log then says `blind`, with the reason.

#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(not(target_arch = "aarch64"), path = "x86_64.rs")]
mod entry;
mod patch;

use core::ffi::CStr;

use lockspan_core::settings::{self, Mode};
use lockspan_core::sites::{self, BuildId, MACHINE, Sites};
use lockspan_core::text::Text;
use lockspan_lock::sys::{self, Errno};

use crate::environment;
use crate::events::{self, Event};
use crate::initial::Initial;
use crate::memory::Memory;
use crate::program::Program;

/// Why the raw calls of a program are not reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blind {
    /// The processor or the kernel cannot save the vector registers.
    NoVectorState,
    /// The process has other threads already, or it cannot be told.
    Threads,
    /// The program's memory is not what the table says.
    Unverified,
    /// There is a table, but it cannot be read.
    UnreadableTable,
    /// The table is damaged, or for another build.
    BadTable,
    /// The program's file cannot be found, as where the loader was started as a command.
    NoFile,
    /// There is no room for stubs within the reach of a jump.
    NoRoom,
    /// The kernel refused memory.
    Refused,
}

impl Blind {
    fn words(self) -> &'static str {
        match self {
            Blind::NoVectorState => "vector-state-cannot-be-saved",
            Blind::Threads => "not-single-threaded",
            Blind::Unverified => "program-differs-from-its-table",
            Blind::UnreadableTable => "table-cannot-be-read",
            Blind::NoFile => "program-file-not-found",
            Blind::BadTable => "table-damaged-or-of-another-build",
            Blind::NoRoom => "no-room-for-stubs",
            Blind::Refused => "memory-refused",
        }
    }
}

/// Reaches the raw calls of a program, if its sites are known.
pub fn reach(program: &Program, initial: Initial) {
    if program.is_loader() {
        return patched(program, Err(Blind::NoFile));
    }
    let Some(build_id) = program.build_id() else { return };
    if let Some(packed) = sites::builtin(build_id) {
        return patched(program, Ok(Sites::Builtin(packed)));
    }
    if initial.variable(settings::DISABLE).is_some() && environment::mode() == Mode::Off {
        return;
    }
    // Where the table of a build is that is not compiled in.
    let directory = initial.variable(c"LOCKSPAN_SITES").map_or(sites::DIRECTORY, CStr::to_bytes);
    if directory.first() != Some(&b'/') {
        return;
    }
    let mut buffer = [0; 512];
    let mut path = Text::new(&mut buffer);
    path.bytes(directory).bytes(b"/").hexadecimal_bytes(build_id).bytes(sites::SUFFIX.to_bytes_with_nul());
    let Some(path) = path.finish() else { return };
    // SAFETY: one NUL was put at the end, and there is none in a variable.
    let path = unsafe { CStr::from_bytes_with_nul_unchecked(path) };
    let file = match sys::open(path, libc::O_RDONLY | libc::O_NONBLOCK, 0) {
        Ok(file) => file,
        Err(Errno::NOENT) => return,
        // There is one, and libc's calls alone would be half of a lock.
        Err(_) if sys::stat(libc::AT_FDCWD, path, 0).is_ok() => {
            return patched(program, Err(Blind::UnreadableTable));
        }
        Err(_) => return,
    };
    with_table(&file, |text| {
        let sites = text.and_then(|text| table(text, build_id)).ok_or(Blind::BadTable);
        patched(program, sites);
    });
}

#[cold]
fn patched(program: &Program, sites: Result<Sites<'_>, Blind>) {
    if environment::mode() == Mode::Off {
        return;
    }
    let (event, detail) = match sites.and_then(|sites| patch::patch(program, &sites)) {
        Ok(()) => ("patched", "raw-system-calls"),
        Err(why) => {
            environment::turn_off();
            ("blind", why.words())
        }
    };
    events::record(Event { lock: "", event, detail, errno: 0, took: 0 });
}

/// Tables are far smaller.
const LARGEST_TABLE: usize = 1 << 20;

/// Reads a table into memory of its own for as long as `use_it` takes; `None` if that cannot be.
#[cold]
fn with_table(file: &sys::Descriptor, use_it: impl FnOnce(Option<&[u8]>)) {
    let Ok(mut memory) = Memory::new(LARGEST_TABLE) else { return use_it(None) };
    let text = memory.bytes();
    let length = sys::read_all(file, text).ok().filter(|&length| length < LARGEST_TABLE);
    use_it(length.and_then(|length| text.get(..length)));
}

fn table<'a>(text: &'a [u8], build_id: &BuildId) -> Option<Sites<'a>> {
    let table = sites::parse(text)?;
    (table.build_id == *build_id && table.machine == MACHINE).then_some(Sites::Text(table))
}
