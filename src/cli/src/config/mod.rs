//! `lockspan config`: whether the library can follow its configuration, and what is in force. It changes nothing.

mod as_toml;
pub mod file;
mod show;

use std::path::PathBuf;

use anyhow::Result;
use lockspan_core::config::StoreLock;

use crate::output;
use file::File;

/// What to do with the configuration.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Says whether the library can follow a configuration, and what is wrong with it
    ///
    /// Exit status 1: it cannot, and would do nothing.
    Check {
        /// The configuration [default: what the library reads: $LOCKSPAN_CONFIG, else /etc/lockspan.toml]
        file: Option<PathBuf>,
    },
    /// Shows what is in force: every store with its real path and how it is locked
    ///
    /// Exit status 1: the library would do nothing, with the reason.
    Show {
        /// Prints JSON, described by its schema_version
        #[arg(long)]
        json: bool,
    },
}

/// Does it.
///
/// # Errors
/// A configuration, or another setting, that cannot be followed.
pub fn config(command: &Command) -> Result<()> {
    match command {
        Command::Check { file } => check(file.as_ref()),
        Command::Show { json } => show::show(*json),
    }
}

fn check(path: Option<&PathBuf>) -> Result<()> {
    let found = match path {
        Some(path) => Some(File::open(path)?),
        None => file::read(|name| std::env::var_os(name))?,
    };
    let Some(file) = found else {
        let (path, _) = file::place(|name| std::env::var_os(name));
        return output::print(&format!("{}: not there; Claude Code is served\n", path.display()));
    };
    let config = file.parse()?;
    as_toml::compare(&file.text, &config).map_err(|what| file.problem(None, what))?;
    let stores = match config.stores().len() {
        0 => "no stores".to_owned(),
        1 => "1 store".to_owned(),
        count => format!("{count} stores"),
    };
    output::print(&format!("{}: good, {stores}\n", file.path.display()))
}

/// How a store's lock is called, in the configuration's own words.
fn word(lock: StoreLock) -> &'static str {
    match lock {
        StoreLock::Directory => "directory",
        StoreLock::File => "file",
        StoreLock::Gate => "none",
    }
}
