//! The library: whether it is there, whether it is allowed to work, and whether it sees a program's calls.

use std::path::Path;

use lockspan_core::settings::Mode;
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, ReadCache};

use super::{Outcome, Subject, fault, skipped};
use crate::reach::{self, Here, Reach};
use crate::scan::table;
use crate::{program, run};

pub fn settings(_: &Subject<'_>) -> Outcome {
    match crate::settings::mode() {
        Ok(_) => Ok(String::new()),
        Err(inert) => fault(inert.to_string(), inert.advice()),
    }
}

pub fn active(_: &Subject<'_>) -> Outcome {
    match crate::settings::mode() {
        Ok(Mode::Redirect) => Ok(String::new()),
        Ok(Mode::Observe) => fault(
            "LOCKSPAN_MODE=observe: the library only writes down what it would do",
            "unset LOCKSPAN_MODE",
        ),
        Ok(Mode::Off) => fault(
            "LOCKSPAN_DISABLE or LOCKSPAN_MODE turns the library off",
            "unset LOCKSPAN_DISABLE LOCKSPAN_MODE",
        ),
        Err(_) => skipped("the settings cannot be followed"),
    }
}

pub fn installed(_: &Subject<'_>) -> Outcome {
    const SPLIT: [char; 2] = [' ', ':'];
    let preload = std::env::var("LD_PRELOAD").unwrap_or_default();
    let named = preload.split(SPLIT).find(|entry| entry.ends_with("liblockspan.so"));
    if let Some(named) = named {
        return if Path::new(named).exists() {
            Ok(format!("{named}, in LD_PRELOAD"))
        } else {
            fault(
                format!("LD_PRELOAD names {named}, which is not there; the loader goes on without it"),
                format!("install liblockspan.so as {named}"),
            )
        };
    }
    match run::library::find() {
        Ok(library) => Ok(format!("{}, by `lockspan run`", library.display())),
        Err(why) => fault(why.to_string(), "scripts/build, then install target/release/liblockspan.so there"),
    }
}

pub fn reach(subject: &Subject<'_>) -> Outcome {
    let Some(name) = subject.options.command.first() else { return skipped("no command given") };
    let judged = program::find(name)
        .and_then(|program| program::check(&program).map(|()| program))
        .and_then(|program| program::executable(&program));
    let program = match judged {
        Ok(program) => program,
        Err(why) => {
            return fault(
                why.to_string(),
                "use a build that can be served, or give it a token of its own: claude setup-token",
            );
        }
    };
    let tables = table::directory().map_err(|error| super::Problem::Skipped(error.to_string()))?;
    let here = Here { tables: &tables, saves_vectors: reach::saves_vectors() };
    let how = match reach::reach(&program, &here) {
        Ok(Reach::Libc) => "through libc",
        Ok(Reach::Patched) => "by its own instructions, which the library takes over",
        Ok(Reach::Blind(why)) => return fault(why, "use a build that can be served"),
        Err(error) => return skipped(format!("{error:#}")),
    };
    Ok(format!(
        "{} ({}) makes its locks {how}",
        program.display(),
        libc_kind(&program).unwrap_or("libc unknown")
    ))
}

/// Which libc a program asks for, by its loader.
fn libc_kind(program: &Path) -> Option<&'static str> {
    let file = ReadCache::new(std::fs::File::open(program).ok()?);
    let header = object::elf::FileHeader64::<Endianness>::parse(&file).ok()?;
    let endian = header.endian().ok()?;
    let loader = header
        .program_headers(endian, &file)
        .ok()?
        .iter()
        .find_map(|segment| segment.interpreter(endian, &file).ok().flatten())?;
    let has = |part: &[u8]| loader.windows(part.len()).any(|window| window == part);
    match () {
        () if has(b"ld-musl") => Some("musl"),
        () if has(b"ld-linux") => Some("glibc"),
        () => None,
    }
}
