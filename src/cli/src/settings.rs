//! The environment as the library reads it, for commands that must know beforehand what it will do.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use lockspan_core::names::{CONFIG_BELOW_HOME, ConfigDirectory, config_directory};
use lockspan_core::settings::{self, BadSetting, Mode};

use crate::config::file;

/// What the library will do in a process started with this environment.
///
/// # Errors
/// Why it will do nothing.
pub fn mode() -> Result<Mode, Inert> {
    mode_of(|name| std::env::var_os(name))
}

/// The same for the environment in which `value` finds a variable.
///
/// # Errors
/// As those of [`mode`].
pub fn mode_of(value: impl Fn(&str) -> Option<OsString>) -> Result<Mode, Inert> {
    let values = ["LOCKSPAN_DISABLE", "LOCKSPAN_MODE", "LOCKSPAN_EVENTS", "LOCKSPAN_ROLLBACK"].map(&value);
    let [disable, mode, events, rollback] =
        values.each_ref().map(|value| value.as_deref().map(OsStr::as_bytes));
    let mode = settings::mode(disable, mode, events, rollback).map_err(Inert::Setting)?;
    // Who is turned off reads no configuration.
    if mode != Mode::Off
        && let Some(file) = file::read(value).map_err(Inert::Configuration)?
    {
        file.parse().map_err(Inert::Configuration)?;
    }
    Ok(mode)
}

/// Why the library does nothing in a process, though it is not told to.
#[derive(Debug)]
pub enum Inert {
    /// A variable has a value that is not known.
    Setting(BadSetting),
    /// The configuration cannot be followed.
    Configuration(file::Problem),
}

impl Inert {
    /// What to type about it.
    pub fn advice(&self) -> String {
        match self {
            Inert::Setting(bad) => format!("unset {}", bad.variable),
            Inert::Configuration(_) => "correct it, then: lockspan config check".into(),
        }
    }
}

impl fmt::Display for Inert {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Inert::Setting(bad) => write!(formatter, "{} {}", bad.variable, bad.expected)?,
            Inert::Configuration(problem) => problem.fmt(formatter)?,
        }
        formatter.write_str("; the library would do nothing")
    }
}

impl std::error::Error for Inert {}

/// Where the library writes its events, if it does.
pub fn events_path() -> Option<PathBuf> {
    std::env::var_os("LOCKSPAN_EVENTS").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// The config directory of a client started with this environment, links followed.
///
/// # Errors
/// No variable names one, or there is none at the path named.
pub fn config_directory_path() -> Result<PathBuf> {
    let given = config_directory_given()?;
    fs::canonicalize(&given).with_context(|| format!("no config directory at {}", given.display()))
}

/// The same as the environment names it, whether it is there or not.
///
/// # Errors
/// No variable names one.
pub fn config_directory_given() -> Result<PathBuf> {
    directory(std::env::var_os("CLAUDE_SECURESTORAGE_CONFIG_DIR").as_deref())
}

/// Where clients keep what is no login: the variable for secure storage moves the credentials alone.
///
/// # Errors
/// No variable names it.
pub fn user_directory() -> Result<PathBuf> {
    directory(None)
}

fn directory(secure: Option<&OsStr>) -> Result<PathBuf> {
    let values = ["CLAUDE_CONFIG_DIR", "HOME"].map(std::env::var_os);
    let [config, home] = values.each_ref().map(|value| value.as_deref().map(OsStr::as_bytes));
    Ok(match config_directory(secure.map(OsStr::as_bytes), config, home) {
        Some(ConfigDirectory::Given(path)) => PathBuf::from(OsStr::from_bytes(path)),
        Some(ConfigDirectory::BelowHome(home)) => {
            Path::new(OsStr::from_bytes(home)).join(OsStr::from_bytes(CONFIG_BELOW_HOME))
        }
        None => bail!("no config directory: neither CLAUDE_CONFIG_DIR nor HOME is set"),
    })
}
