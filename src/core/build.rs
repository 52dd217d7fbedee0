//! Packs the tables of `sites/MACHINE` for `src/sites/mod.rs`, which says how.

use std::fmt::Display;
use std::ops::Range;
use std::path::PathBuf;
use std::{env, fs};

#[allow(dead_code, reason = "only reading is needed here")]
#[path = "src/sites/text.rs"]
mod text;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/sites/text.rs");
    println!("cargo:rerun-if-changed=sites");
    let machine = match env::var("CARGO_CFG_TARGET_ARCH").as_deref() {
        Ok("aarch64") => "aarch64",
        _ => "x86_64",
    };
    let mut builds = Vec::new();
    let (mut packed, mut known) = (Packed::default(), Vec::new());
    for path in tables(machine) {
        let text = fs::read(&path).expect("a table can be read");
        let table = text::parse(&text).unwrap_or_else(|| panic!("{} is no table of sites", path.display()));
        assert_eq!(table.machine, machine.as_bytes(), "{}", path.display());
        let (id, start) = (table.build_id, packed.runs.len());
        let (mut sites, mut behind) = (Vec::new(), 0);
        for site in table {
            let index = known.iter().position(|bytes| bytes == site.bytes()).unwrap_or(known.len());
            if index == known.len() {
                known.push(site.bytes().to_vec());
            }
            sites.push((site.address - behind, u8::try_from(index).expect("few different sites")));
            behind = site.end();
        }
        packed.add(&sites);
        builds.push(format!("Build {{ id: {id:?}, start: {start}, end: {} }}", packed.runs.len()));
    }
    let mut bytes = Vec::new();
    for site in known {
        bytes.push(u8::try_from(site.len()).expect("a short site"));
        bytes.extend(site);
    }
    let (starts, sites) = packed.bytes();
    let runs = packed.runs.iter().map(|run| {
        let start = u16::try_from(starts[run.start]).expect("few sites").to_le_bytes();
        format!("Run {{ start: {start:?}, count: {} }}", run.len())
    });
    let source = [
        list("BUILDS", "Build", builds),
        list("RUNS", "Run", runs),
        list("SITES", "u8", sites),
        list("BYTES", "u8", bytes),
    ];
    let target = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where")).join("sites.rs");
    fs::write(target, source.concat()).expect("cargo's directory can be written");
}

/// The sites of all builds, each by its distance from the one before and the index of its bytes.
#[derive(Default)]
struct Packed {
    sites: Vec<(u64, u8)>,
    runs: Vec<Range<usize>>,
}

impl Packed {
    /// Fewer sites in common are not worth a run of their own.
    const SHORTEST: usize = 3;

    /// Adds a build: what it has in common with the others by reference, the rest at the end.
    fn add(&mut self, mut build: &[(u64, u8)]) {
        // No run is continued over the end of a build.
        let first = self.runs.len();
        while !build.is_empty() {
            let mut run = self.longest_in_common(build);
            if run.len() < Packed::SHORTEST {
                run = self.sites.len()..self.sites.len() + 1;
                self.sites.push(build[0]);
            }
            build = &build[run.len()..];
            match self.runs[first..].last_mut() {
                Some(last) if last.end == run.start => last.end = run.end,
                _ => self.runs.push(run),
            }
        }
    }

    fn longest_in_common(&self, build: &[(u64, u8)]) -> Range<usize> {
        let common = |start: usize| self.sites[start..].iter().zip(build).take_while(|(a, b)| a == b).count();
        (0..self.sites.len()).map(|start| start..start + common(start)).max_by_key(Range::len).unwrap_or(0..0)
    }

    /// The sites as bytes, and where each begins.
    fn bytes(&self) -> (Vec<usize>, Vec<u8>) {
        let (mut starts, mut bytes) = (Vec::new(), Vec::new());
        for &(distance, index) in &self.sites {
            starts.push(bytes.len());
            leb128(&mut bytes, distance);
            bytes.push(index);
        }
        (starts, bytes)
    }
}

/// The source of a static array.
fn list<T: Display>(name: &str, kind: &str, elements: impl IntoIterator<Item = T>) -> String {
    let elements: Vec<String> = elements.into_iter().map(|element| element.to_string()).collect();
    format!("static {name}: [{kind}; {}] = [{}];\n", elements.len(), elements.join(", "))
}

/// The files of a machine, always in the same order.
fn tables(machine: &str) -> Vec<PathBuf> {
    let directory = PathBuf::from("sites").join(machine);
    let Ok(entries) = fs::read_dir(&directory) else { return Vec::new() };
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("a directory can be read").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "sites"));
    paths.sort();
    paths
}

fn leb128(packed: &mut Vec<u8>, mut number: u64) {
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        packed.push(if number == 0 { byte } else { byte | 0x80 });
        if number == 0 {
            return;
        }
    }
}
