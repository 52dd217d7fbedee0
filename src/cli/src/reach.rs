//! Whether the library sees the calls by which a program makes a lock.
//!
//! Only judges the file; what the loader does with it is for `program.rs`. Cheap: a build that is known is not
//! looked at, and of another its code is searched for what could be a call of its own before it is decoded.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use lockspan_core::sites::{self, LONGEST};
use object::ReadCache;

use crate::scan::image::{Extent, Image};
use crate::scan::{self, hint, names, table};

/// How far the library reaches into a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reach {
    /// It makes its locks through libc.
    Libc,
    /// It makes them by instructions of its own, which the library knows and takes over.
    Patched,
    /// It makes them where the library does not see it; why, and what to do.
    Blind(String),
}

/// What this machine and its set-up bring with them.
pub struct Here<'a> {
    /// Where tables are that are not compiled in.
    pub tables: &'a Path,
    /// Whether the processor can save its vector registers in one go, without which nothing is patched.
    pub saves_vectors: bool,
}

/// Whether this processor can save its vector registers in one go. The 64-bit ARM always can.
pub fn saves_vectors() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("xsave");
    #[cfg(not(target_arch = "x86_64"))]
    true
}

/// Judges a program.
///
/// # Errors
/// It cannot be read, or is no program that could be judged.
pub fn reach(program: &Path, here: &Here<'_>) -> anyhow::Result<Reach> {
    let file = ReadCache::new(File::open(program)?);
    let image = Image::read(&file).map_err(anyhow::Error::msg)?;
    let is_known = image.usual_build_id().is_some_and(|id| {
        sites::builtin(&id).is_some()
            || std::fs::read(table::path(here.tables, &id)).is_ok_and(|text| table::serves(&text, &id))
    });
    if is_known {
        return Ok(if here.saves_vectors {
            Reach::Patched
        } else {
            Reach::Blind("makes its locks by syscall instructions of its own, which the library takes over only on a processor with XSAVE".into())
        });
    }
    let file = file.into_inner();
    if !has_hint(&image, &file)? {
        return Ok(Reach::Libc);
    }
    let calls = scan::read(&image, &ReadCache::new(file)).map_err(anyhow::Error::msg);
    let blind = |why: &str| {
        Ok(Reach::Blind(format!("makes its locks by syscall instructions of its own, and {why}")))
    };
    let sites =
        match calls.map_err(|error| error.to_string()).and_then(|calls| scan::wanted_sites(&image, &calls)) {
            Ok(sites) => sites,
            Err(why) => return blind(&format!("cannot be served: it {why}")),
        };
    let makes_directories = sites
        .iter()
        .filter_map(|site| image.machine.number(site))
        .any(|number| names::makes_directory(image.machine, number));
    if !makes_directories {
        return Ok(Reach::Libc);
    }
    match scan::table_text(&image, &sites) {
        Ok(_) => blind(&format!("no table says where; `lockspan scan {}` writes one", program.display())),
        Err(why) => blind(&format!("cannot be served: it {why}")),
    }
}

/// How much of the code is looked at at a time.
const CHUNK: usize = 1 << 20;

/// Whether a program's code has what could be a call that makes a directory.
fn has_hint(image: &Image, file: &File) -> std::io::Result<bool> {
    let mut chunk = Vec::new();
    for &Extent { mut offset, mut size, .. } in &image.code {
        while size > 0 {
            let length = size.min(CHUNK as u64);
            chunk.resize(length as usize, 0);
            file.read_exact_at(&mut chunk, offset)?;
            if hint::makes_directory(image.machine, &chunk) {
                return Ok(true);
            }
            // Chunks overlap, so that a site across an edge is whole in one of them.
            let advance = if size > length { length - LONGEST as u64 } else { length };
            (offset, size) = (offset + advance, size - advance);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::example::Example;

    fn judge(example: &Example, tables: &Path, saves_vectors: bool) -> Reach {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), example.bytes()).expect("room");
        reach(file.path(), &Here { tables, saves_vectors }).expect("a program")
    }

    fn is_blind(reach: &Reach, because: &str) -> bool {
        matches!(reach, Reach::Blind(why) if why.contains(because))
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_program_with_sites_of_its_own_needs_a_table_and_xsave() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let example = Example::default();
        let judge = |example, saves_vectors| judge(example, home.path(), saves_vectors);
        assert!(is_blind(&judge(&example, true), "lockspan scan"));
        let bytes = &*example.bytes();
        let image = Image::read(bytes).expect("a program");
        let calls = scan::read(&image, bytes).expect("code");
        let (_, text) =
            scan::table_text(&image, &scan::wanted_sites(&image, &calls).expect("sites")).expect("a table");
        let path = table::path(home.path(), &[7; 20]);
        table::write(&path, &text[..text.len() - 1]).expect("room");
        assert!(is_blind(&judge(&example, true), "lockspan scan"), "a table cut short");
        table::write(&path, &text).expect("room");
        assert_eq!(judge(&example, true), Reach::Patched);
        assert!(is_blind(&judge(&example, false), "XSAVE"));
        let other = Example { build_id: Some(vec![8; 20]), ..Example::default() };
        assert!(is_blind(&judge(&other, true), "lockspan scan"), "a table of another build");
        let none = Example { build_id: None, ..Example::default() };
        assert!(is_blind(&judge(&none, true), "no build-id"));
    }

    #[test]
    fn a_program_without_such_sites_is_reached_through_libc() {
        let nowhere = Path::new("/nonexistent");
        // mov eax, 82; syscall
        assert_eq!(judge(&Example::of(&[&[0xb8, 82, 0, 0, 0, 0x0f, 5]]), nowhere, false), Reach::Libc);
        // mov edi, 83; mov eax, 1; syscall
        let hint = [0xbf, 83, 0, 0, 0, 0xb8, 1, 0, 0, 0, 0x0f, 5];
        assert_eq!(judge(&Example::of(&[&hint]), nowhere, false), Reach::Libc);
        let here = Here { tables: nowhere, saves_vectors: false };
        assert_eq!(reach(Path::new("/bin/sh"), &here).expect("a program"), Reach::Libc);
    }

    #[test]
    fn a_program_that_cannot_be_served_is_blind() {
        let judge = |code: &[&[u8]]| judge(&Example::of(code), Path::new("/nonexistent"), true);
        // mov rax, 83; push 83 and pop rax; mov eax, 83 and a load by the instruction's own address
        assert!(is_blind(&judge(&[&[0x48, 0xc7, 0xc0, 83, 0, 0, 0, 0x0f, 5]]), "cannot be patched"));
        assert!(is_blind(&judge(&[&[0x6a, 83, 0x58, 0x0f, 5]]), "cannot be patched"));
        assert!(is_blind(
            &judge(&[&[0xb8, 83, 0, 0, 0, 0x48, 0x8b, 0x3d, 0, 0, 0, 0, 0x0f, 5]]),
            "cannot be patched"
        ));
        // Beside a good site, one of an unknown number.
        assert!(is_blind(&judge(&[&[0xb8, 83, 0, 0, 0, 0x0f, 5, 0x89, 0xf8, 0x0f, 5]]), "not known"));
    }

    #[test]
    fn hints_are_found_across_the_edges_of_chunks() {
        for place in [0, 8, 40, 47, 48, 49, 64].map(|back| CHUNK + 7 - back) {
            let mut code = vec![0x90; place];
            code.extend([0xb8, 83, 0, 0, 0]);
            code.extend([0x90; LONGEST - 7]);
            code.extend([0x0f, 5, 0xc3]);
            assert!(
                is_blind(&judge(&Example::of(&[&code]), Path::new("/nonexistent"), true), "scan"),
                "{place}"
            );
        }
    }
}
