//! Packs the tables of `sites/MACHINE` for `src/sites/mod.rs`, which says how.

use std::collections::BTreeMap;
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
    let (mut count, mut packed, mut bytes) = (0, Vec::new(), Vec::new());
    let mut known = BTreeMap::new();
    for path in tables(machine) {
        let text = fs::read(&path).expect("a table can be read");
        let table = text::parse(&text).unwrap_or_else(|| panic!("{} is no table of sites", path.display()));
        assert_eq!(table.machine, machine.as_bytes(), "{}", path.display());
        let start = packed.len();
        let id = table.build_id;
        let mut behind = 0;
        for site in table {
            let at = *known.entry(site.bytes().to_vec()).or_insert_with(|| {
                let at = u16::try_from(bytes.len()).expect("few different sites");
                bytes.push(u8::try_from(site.bytes().len()).expect("a short site"));
                bytes.extend(site.bytes());
                at
            });
            leb128(&mut packed, site.address - behind);
            packed.extend(at.to_le_bytes());
            behind = site.end();
        }
        let end = packed.len();
        writeln!(builds, "    Build {{ id: {id:?}, start: {start}, end: {end} }},").expect("room");
        count += 1;
    }
    let source = format!(
        "static BUILDS: [Build; {count}] = [\n{builds}];\nstatic PACKED: [u8; {}] = {packed:?};\nstatic BYTES: [u8; {}] = {bytes:?};\n",
        packed.len(),
        bytes.len()
    );
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
