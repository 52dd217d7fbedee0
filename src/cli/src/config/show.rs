//! `lockspan config show`: what is in force, defaults included.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use comfy_table::Table;
use lockspan_core::config::{Store as Written, StoreLock, StorePath};
use lockspan_core::names::{DIRECTORY_STORE, LOCK_SUFFIX, LOCKS, SIBLING_SUFFIX};
use lockspan_core::settings::Mode;
use serde::Serialize;

use super::{file, word};
use crate::{output, settings};

#[derive(Serialize)]
struct Report {
    schema_version: u32,
    /// The file that is read; null if there is none.
    file: Option<String>,
    mode: &'static str,
    inode_preserving: bool,
    stores: Vec<Store>,
}

#[derive(Serialize)]
struct Store {
    /// Whose it is, where that is known.
    client: Option<&'static str>,
    /// As the configuration or the environment names it.
    path: String,
    /// Links followed; null if it is not there.
    real_path: Option<String>,
    /// As the configuration calls it.
    lock: &'static str,
    /// The locks of its clients that are served, where they are in force.
    locks: Vec<String>,
    /// The member of the file that says when the token expires, for a client without a lock.
    gate: Option<String>,
}

/// Prints it.
///
/// # Errors
/// A configuration, or another setting, that cannot be followed.
pub fn show(json: bool) -> Result<()> {
    let mode = match settings::mode()? {
        Mode::Redirect => "redirect",
        Mode::Observe => "observe",
        Mode::Off => "off",
    };
    let file = file::read(|name| std::env::var_os(name))?;
    let config = file.as_ref().map(file::File::parse).transpose()?.unwrap_or_default();
    let report = Report {
        schema_version: 1,
        file: file.as_ref().map(|file| text(&file.path)),
        mode,
        inode_preserving: config.inode_preserving,
        stores: claude().into_iter().chain(config.stores().iter().map(store)).collect(),
    };
    output::print(&if json { serde_json::to_string_pretty(&report)? + "\n" } else { table(&report) })
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn with(path: &Path, suffix: &[u8]) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(OsStr::from_bytes(suffix));
    path.into()
}

/// What is served without a configuration; `None` if no variable names a config directory.
fn claude() -> Option<Store> {
    let given = settings::config_directory_given().ok()?;
    let real = fs::canonicalize(&given).ok();
    let locks = real.iter().flat_map(|directory| {
        let inside =
            LOCKS.iter().map(|names| with(&directory.join(OsStr::from_bytes(names.stem)), LOCK_SUFFIX));
        inside.chain([with(directory, SIBLING_SUFFIX)])
    });
    Some(Store {
        client: Some("claude-code"),
        path: text(&given),
        lock: word(StoreLock::Directory),
        locks: locks.map(|path| text(&path)).collect(),
        gate: None,
        real_path: real.as_deref().map(text),
    })
}

fn store(written: &Written<'_>) -> Store {
    let (home, path) = match written.path() {
        StorePath::Absolute(path) => (None, Path::new(OsStr::from_bytes(path))),
        StorePath::BelowHome(path) => (Some(std::env::var_os("HOME")), Path::new(OsStr::from_bytes(path))),
    };
    // Without a home the library knows of no such store.
    let full = match home {
        None => Some(path.to_owned()),
        Some(home) => home.filter(|home| !home.is_empty()).map(|home| Path::new(&home).join(path)),
    };
    let real = full.as_deref().and_then(|path| fs::canonicalize(path).ok());
    let lock = full.as_deref().and_then(|path| lock(path, written.lock));
    Store {
        client: None,
        path: full.map_or_else(|| format!("~/{}", path.display()), |path| text(&path)),
        real_path: real.as_deref().map(text),
        lock: word(written.lock),
        locks: lock.as_deref().map(text).into_iter().collect(),
        gate: (written.lock == StoreLock::Gate).then(|| String::from_utf8_lossy(written.gate()).into_owned()),
    }
}

/// The lock of a client of this store, if it takes one: beside a file, and inside a directory, where its clients' lock
/// is redirected to.
fn lock(store: &Path, lock: StoreLock) -> Option<PathBuf> {
    match lock {
        StoreLock::Gate => None,
        StoreLock::Directory if store.is_dir() => {
            let inside = fs::canonicalize(store).ok()?.join(OsStr::from_bytes(DIRECTORY_STORE.stem));
            Some(with(&inside, LOCK_SUFFIX))
        }
        _ => {
            let directory = fs::canonicalize(store.parent()?).ok()?;
            Some(with(&directory.join(store.file_name()?), LOCK_SUFFIX))
        }
    }
}

fn table(report: &Report) -> String {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header(["STORE", "REAL PATH", "LOCK"]);
    for store in &report.stores {
        let lock = match (&store.gate, store.locks.as_slice()) {
            (Some(member), _) => format!("gate: {member}"),
            (None, []) => store.lock.to_owned(),
            (None, locks) => format!("{}: {}", store.lock, locks.join("\n")),
        };
        let real = store.real_path.as_deref().unwrap_or("not there");
        table.add_row([&store.path, real, &lock].map(printable));
    }
    let file = report.file.as_deref().unwrap_or("none");
    let mut text = format!("configuration: {}\nmode: {}\n", printable(file), report.mode);
    let mut line = |line: &str| writeln!(text, "{}", line.trim_end()).expect("a string has room");
    line(&format!("inode_preserving: {}", report.inode_preserving));
    table.lines().for_each(|row| line(&row));
    text
}

/// A terminal must not be told what to do by a name.
fn printable(text: &str) -> String {
    text.lines().map(|line| line.escape_debug().to_string()).collect::<Vec<_>>().join("\n")
}
