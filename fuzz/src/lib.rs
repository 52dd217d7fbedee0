//! What the fuzz targets have in common: the command's modules that read untrusted files, and the scan of a program.
//!
//! The command is a program and has no library. Its modules are compiled in here as they are.

pub mod scanned;

/// Programs to scan, as the unit tests make them.
#[path = "../../src/cli/src/scan/example.rs"]
pub mod example;
#[path = "../../src/cli/src/layout.rs"]
pub mod layout;
#[path = "../../src/cli/src/scan/mod.rs"]
pub mod scan;

/// The events of `lockspan trace`.
#[path = "../../src/cli/src/trace"]
pub mod trace {
    pub mod event;
    pub mod lines;
}

/// Those of `lockspan status`.
#[path = "../../src/cli/src/status"]
pub mod status {
    pub mod events;
}

/// All of `lockspan timeline` but its files.
#[path = "../../src/cli/src/timeline"]
pub mod timeline {
    pub mod axis;
    pub mod history;
    pub mod picture;
    pub mod summary;
    pub mod svg;
    pub mod symbols;
}
