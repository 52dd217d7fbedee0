//! Packs the tables of `sites/MACHINE` for `src/sites/mod.rs`, which says how.

use std::fmt::Write;
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
    let mut builds = String::new();
    let mut count = 0;
    let (mut distances, mut shapes, mut known) = (Vec::new(), Vec::new(), Vec::new());
    for path in tables(machine) {
        let text = fs::read(&path).expect("a table can be read");
        let table = text::parse(&text).unwrap_or_else(|| panic!("{} is no table of sites", path.display()));
        assert_eq!(table.machine, machine.as_bytes(), "{}", path.display());
        let (id, start) = (table.build_id, distances.len());
        let (mut shape, mut behind) = (Vec::new(), 0);
        for site in table {
            leb128(&mut distances, site.address - behind);
            behind = site.end();
            let index = position(&known, &[site.bytes().to_vec()]).unwrap_or(known.len());
            if index == known.len() {
                known.push(site.bytes().to_vec());
            }
            shape.push(u8::try_from(index).expect("few different sites"));
        }
        let shape_start = position(&shapes, &shape).unwrap_or(shapes.len());
        if shape_start == shapes.len() {
            shapes.extend(&shape);
        }
        let end = distances.len();
        writeln!(builds, "    Build {{ id: {id:?}, start: {start}, end: {end}, shape: {shape_start} }},")
            .expect("room");
        count += 1;
    }
    let mut bytes = Vec::new();
    for site in known {
        bytes.push(u8::try_from(site.len()).expect("a short site"));
        bytes.extend(site);
    }
    let mut source = format!("static BUILDS: [Build; {count}] = [\n{builds}];\n");
    for (name, bytes) in [("DISTANCES", distances), ("SHAPES", shapes), ("BYTES", bytes)] {
        writeln!(source, "static {name}: [u8; {}] = {bytes:?};", bytes.len()).expect("room");
    }
    let target = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where")).join("sites.rs");
    fs::write(target, source).expect("cargo's directory can be written");
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

/// Where one list is in another.
fn position<T: PartialEq>(list: &[T], wanted: &[T]) -> Option<usize> {
    list.windows(wanted.len()).position(|window| window == wanted)
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
