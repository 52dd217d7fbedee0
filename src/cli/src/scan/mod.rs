//! `lockspan scan`: finds the raw sites of a program and writes them down for the library.
//!
//! Looks at the file alone; runs nothing, changes nothing but the table. What it cannot prove it refuses: a table
//! that lacks one lock call would be worse than none.

mod aarch64;
mod calls;
#[cfg(test)]
pub mod example;
mod functions;
pub mod hint;
pub mod image;
pub mod names;
mod summary;
pub mod table;
mod x86_64;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use lockspan_core::sites::{BuildId, Site};
use object::{ReadCache, ReadRef};

use calls::Call;
use image::{Extent, Image};
use summary::Summary;

/// Scans a program, writes its table and says what was found.
///
/// # Errors
/// The program cannot be served, or the table cannot be written.
pub fn scan(program: &Path, output: Option<&Path>, json: bool) -> Result<()> {
    let to_stdout = output == Some(Path::new("-"));
    if to_stdout && json {
        bail!("--output - and --json would both go to stdout");
    }
    let start = Instant::now();
    let name = || program.display().to_string();
    let file = ReadCache::new(File::open(program).with_context(name)?);
    let image = Image::read(&file).map_err(anyhow::Error::msg).with_context(name)?;
    if !image.interpreter {
        bail!("{}: is statically linked, so no library can be loaded into it", name());
    }
    let calls = read(&image, &file).map_err(anyhow::Error::msg).with_context(name)?;
    let sites = wanted_sites(&image, &calls);
    let text = match &sites {
        Ok(sites) if sites.is_empty() => Ok(None),
        Ok(sites) => table_text(&image, sites).map(Some),
        Err(why) => Err(why.clone()),
    };
    let summary = Summary::new(program, &image, &calls, text.as_ref().err().cloned(), start.elapsed());
    eprintln!("{summary}");
    if json {
        println!("{}", serde_json::to_string(&summary)?);
    }
    match text {
        Err(why) => bail!("{}: {why}", name()),
        Ok(None) => eprintln!("lockspan: {}: makes its lock calls through libc; nothing to do", name()),
        Ok(Some((_, text))) if to_stdout => std::io::stdout().write_all(text.as_bytes())?,
        Ok(Some((build_id, text))) => {
            let path = match output {
                Some(path) => path.to_owned(),
                None => table::path(&table::directory()?, &build_id),
            };
            table::write(&path, &text).with_context(|| path.display().to_string())?;
            eprintln!("lockspan: wrote {}", path.display());
        }
    }
    Ok(())
}

/// The system calls of a program.
///
/// # Errors
/// The file is damaged, or does not say where functions begin.
pub fn read<'data, R: ReadRef<'data>>(image: &Image, file: R) -> Result<Vec<Call>, &'static str> {
    let functions = image.functions.ok_or("has no table of its functions (.eh_frame_hdr)")?;
    let starts = functions::starts(functions.bytes(file)?, functions.address)
        .ok_or("has a table of its functions (.eh_frame_hdr) of an unknown kind")?;
    let parts: Vec<(Extent, &[u8])> = image
        .code
        .iter()
        .map(|&extent| Ok((extent, extent.bytes(file)?)))
        .collect::<Result<_, &'static str>>()?;
    Ok(calls::read(image.machine, &parts, &starts))
}

/// The sites to patch. All or nothing of the lock: what cannot be patched and only concerns the credentials is left
/// out, and [`Summary`] counts it.
///
/// # Errors
/// Why not all that has to be patched is known and can be.
pub fn wanted_sites(image: &Image, calls: &[Call]) -> Result<Vec<Site>, String> {
    let unknown: Vec<_> =
        calls.iter().filter_map(|call| Some((call.address, *call.number.as_ref().err()?))).collect();
    if let Some((address, why)) = unknown.first() {
        return Err(format!(
            "which system calls it makes is not known at {} of {} places; the first is {address:x}: {why}",
            unknown.len(),
            calls.len(),
        ));
    }
    let numbers = calls.iter().filter_map(|call| Some((call.address, call.number.as_ref().ok()?)));
    let wanted = numbers.filter(|(_, number)| image.machine.wanted().contains(&number.value));
    wanted
        .filter(|(_, number)| number.site.is_ok() || !names::replaces_file(image.machine, number.value))
        .map(|(address, number)| {
            let name = names::name(image.machine, number.value);
            number.site.map_err(|why| {
                format!("makes the call {name} at {address:x} in a way that cannot be patched: {why}")
            })
        })
        .collect()
}

/// The text of the table with these sites, and the build that it is for.
///
/// # Errors
/// There is nothing to name the table by.
pub fn table_text(image: &Image, sites: &[Site]) -> Result<(BuildId, String), String> {
    match (image.usual_build_id(), &image.build_id) {
        (Some(build_id), _) => Ok((build_id, table::text(image.machine, &build_id, sites))),
        (None, Some(_)) => {
            Err("has a build-id of an unusual length, by which the library would not find a table".into())
        }
        (None, None) => Err("has no build-id, by which the library would find its table".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::example::{ADDRESS, Example};
    use super::*;
    use lockspan_core::sites::Machine;
    use std::time::Duration;

    const MKDIR: &[u8] = &[0xb8, 83, 0, 0, 0];
    const GETPID: &[u8] = &[0xb8, 39, 0, 0, 0];
    const SYSCALL: &[u8] = &[0x0f, 5];
    const RETURN: &[u8] = &[0xc3];

    fn sites(example: &Example) -> Result<Vec<Site>, String> {
        let file = &*example.bytes();
        let image = Image::read(file)?;
        wanted_sites(&image, &read(&image, file)?)
    }

    fn addresses(example: &Example) -> Vec<u64> {
        sites(example)
            .expect("a program that can be served")
            .iter()
            .map(|site| site.address - ADDRESS)
            .collect()
    }

    #[test]
    fn only_wanted_calls_are_sites() {
        assert_eq!(addresses(&Example::of(&[GETPID, SYSCALL, MKDIR, SYSCALL, RETURN])), [7]);
        assert!(addresses(&Example::of(&[GETPID, SYSCALL, RETURN])).is_empty());
        // An unusual load does not matter where the call is not wanted.
        assert!(addresses(&Example::of(&[&[0x31, 0xc0], SYSCALL, RETURN])).is_empty());
    }

    #[test]
    fn one_call_that_is_not_clear_spoils_all() {
        for bad in [
            Example::of(&[MKDIR, SYSCALL, &[0x89, 0xf8], SYSCALL]), // mov eax, edi
            Example::of(&[&[0x48, 0xc7, 0xc0, 83, 0, 0, 0], SYSCALL]), // mov rax, 83
            Example::of(&[MKDIR, &[0x48, 0x8b, 0x3d, 0, 1, 0, 0], SYSCALL]), // mov rdi, [rip + 0x100]
            Example::of(&[MKDIR, &[0x74, 0x10], SYSCALL]),          // je
        ] {
            assert!(sites(&bad).is_err());
        }
    }

    #[test]
    fn a_rename_that_cannot_be_patched_is_left_out_and_counted() {
        let example = Example::of(&[&[0x48, 0xc7, 0xc0, 82, 0, 0, 0], SYSCALL, MKDIR, SYSCALL, RETURN]);
        assert_eq!(addresses(&example), [9]);
        let file = &*example.bytes();
        let image = Image::read(file).expect("a program");
        let calls = read(&image, file).expect("its calls");
        let summary = Summary::new(Path::new("example"), &image, &calls, None, Duration::ZERO);
        assert!(summary.to_string().contains("1 rename cannot be patched"), "{summary}");
    }

    #[test]
    fn a_jump_between_load_and_call_spoils_a_site() {
        // The load is at 0, the call at 7; the jump ends at 12.
        let jump_to = |target: i8| {
            let distance = (target - 12).to_le_bytes();
            sites(&Example::of(&[MKDIR, &[0x31, 0xf6], SYSCALL, RETURN, &[0xeb], &distance]))
        };
        for target in 0..12 {
            assert_eq!(jump_to(target).is_err(), (1..=7).contains(&target), "{target}");
        }
        // So does one from another function, and a conditional one.
        let mut example = Example::of(&[MKDIR, &[0x31, 0xf6], SYSCALL, RETURN, &[0x75, 0xf9]]);
        example.functions.push(10);
        assert!(sites(&example).is_err());
    }

    #[test]
    fn a_number_that_every_jump_brings_is_known_but_is_no_site() {
        // je to the syscall behind the return
        let code = |number: u8| {
            [
                &[0xb8, number, 0, 0, 0],
                &[0x74, 8][..],
                GETPID,
                SYSCALL,
                RETURN,
                &[0x31, 0xf6],
                SYSCALL,
                RETURN,
            ]
            .concat()
        };
        assert!(addresses(&Example::of(&[&code(39)])).is_empty());
        assert!(sites(&Example::of(&[&code(83)])).is_err_and(|why| why.contains("before a jump")));
        // Another jump brings another number; or it is not clear which.
        let jump = [0xeb, 0_u8.wrapping_sub(10)];
        assert!(addresses(&Example::of(&[&code(39), GETPID, &jump])).is_empty());
        assert!(sites(&Example::of(&[&code(39), &[0xb8, 1, 0, 0, 0], &jump])).is_err());
        assert!(sites(&Example::of(&[&code(39), &[0x90; 5], &jump])).is_err());
        // Where a call comes back, the register has its result.
        let mut called = code(39);
        called.splice(7..15, [0xe8, 0, 0, 0, 0, 0x90, 0x90, 0x90]);
        assert!(sites(&Example::of(&[&called])).is_err());
    }

    #[test]
    fn nothing_is_known_across_the_start_of_a_function() {
        let mut example = Example::of(&[MKDIR, &[0x31, 0xf6], SYSCALL, RETURN]);
        assert_eq!(addresses(&example), [0]);
        example.functions.push(5);
        assert!(sites(&example).is_err());
    }

    #[test]
    fn decoding_starts_anew_at_each_function() {
        // Behind a return, the start of a long instruction.
        let mut example = Example::of(&[RETURN, &[0x48, 0xb8], MKDIR, SYSCALL, RETURN]);
        assert!(
            sites(&example).is_err(),
            "a call that only looks as if it were one is refused, not overlooked"
        );
        example.functions.push(3);
        assert_eq!(addresses(&example), [3]);
        // Code before the first function is read, too.
        example = Example::of(&[MKDIR, SYSCALL, RETURN]);
        example.functions = vec![8];
        assert_eq!(addresses(&example), [0]);
        // Starts outside the code and double ones do no harm.
        example.functions = vec![-16, 0, 0, 7, 7, 9, 0x1000];
        assert_eq!(addresses(&example), [0]);
    }

    #[test]
    fn sites_of_the_other_machine_are_found_as_well() {
        // mov x8, #34; mov x0, x19; svc #0; ret
        let code: Vec<u8> = [0xd280_0448u32, 0xaa13_03e0, 0xd400_0001, 0xd65f_03c0]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        let mut example = Example { machine: Machine::Aarch64, code, ..Example::default() };
        assert_eq!(addresses(&example), [0]);
        // b to the svc
        example.code.extend(0x17ff_fffeu32.to_le_bytes());
        assert!(sites(&example).is_err());
    }

    #[test]
    fn a_table_goes_by_its_build_id() {
        let mut example = Example::default();
        let text = |example: &Example| {
            let image = Image::read(&*example.bytes())?;
            table_text(&image, &sites(example)?)
        };
        let (build_id, text_of_it) = text(&example).expect("a table");
        assert_eq!(build_id, [7; 20]);
        assert!(lockspan_core::sites::parse(text_of_it.as_bytes()).is_some());
        example.build_id = Some(vec![7; 8]);
        assert!(text(&example).is_err());
        example.build_id = None;
        assert!(text(&example).is_err());
    }

    #[test]
    fn no_damage_makes_a_scan_panic() {
        let example = Example::of(&[MKDIR, &[0x31, 0xf6], SYSCALL, RETURN, &[0x75, 0xf7]]);
        let whole = example.bytes();
        for place in 0..whole.len() {
            for value in [0, 1, 0x0f, 0x7f, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[place] = value;
                let Ok(image) = Image::read(&*damaged) else { continue };
                let Ok(calls) = read(&image, &*damaged) else { continue };
                let _ = wanted_sites(&image, &calls);
            }
        }
    }

    #[test]
    fn the_golden_figures_are_those_of_the_tables() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/sites");
        let golden = std::fs::read_to_string(root.join("golden.tsv")).expect("the figures");
        let mut rows = 0;
        for row in golden.lines().filter(|line| !line.starts_with('#')) {
            let [build_id, machine, total, known, wanted, packages @ ..] =
                &row.split('\t').collect::<Vec<_>>()[..]
            else {
                panic!("{row}");
            };
            rows += 1;
            assert_eq!(total, known, "{row}");
            let text = std::fs::read(root.join(machine).join(format!("{build_id}.sites"))).expect(build_id);
            let table = lockspan_core::sites::parse(&text).expect(build_id);
            assert_eq!(
                (table::hexadecimal(&table.build_id).as_str(), table.machine),
                (*build_id, machine.as_bytes())
            );
            let machine = [Machine::X86_64, Machine::Aarch64]
                .into_iter()
                .find(|known| known.name() == machine.as_bytes())
                .expect("a known machine");
            if machine == Machine::HERE {
                let builtin = lockspan_core::sites::builtin(&table.build_id).expect(build_id);
                assert!(builtin.eq(table.clone()), "{build_id} is compiled in as it is written");
            }
            let mut counts = std::collections::BTreeMap::new();
            for site in table {
                let number = machine.number(&site).expect("a site of the machine");
                assert!(machine.wanted().contains(&number), "{site:x?}");
                *counts.entry(names::name(machine, number)).or_insert(0) += 1;
            }
            let counts: Vec<String> = counts.iter().map(|(name, count)| format!("{name}={count}")).collect();
            assert_eq!(*wanted, counts.join(" "), "{row}");
            for package in packages {
                assert!(
                    String::from_utf8_lossy(&text).lines().any(|line| line == format!("# {package}")),
                    "{package}"
                );
            }
        }
        let tables = ["x86_64", "aarch64"]
            .map(|machine| std::fs::read_dir(root.join(machine)).map_or(0, Iterator::count));
        assert_eq!(rows, tables.iter().sum::<usize>(), "a row for each table");
    }
}
