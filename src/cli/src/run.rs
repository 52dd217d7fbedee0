//! `lockspan run`: runs a command with the library loaded.
//!
//! Without options that wait for something it replaces itself by the command. With one it stays as the parent, and
//! gives the command nothing that would outlive it.

mod directory;
mod family;
mod flock;
pub mod library;
mod parent;
mod secret;
mod serial;
mod shared;
mod slots;
mod timeout;
mod tokens;

use std::convert::Infallible;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::{client, program, settings};
use slots::Slot;

/// Exit status when lockspan itself refuses, as env(1) has it.
pub const REFUSED: u8 = 125;

/// Exit status of a command that was ended by `--timeout`, as timeout(1) has it.
const ENDED: u8 = 124;

/// Why a command was not started.
#[derive(Debug)]
pub enum Failure {
    /// It could be started, but not be served: starting it would look safe without being so.
    Refused(String),
    /// It is there but cannot be run.
    CannotRun(String),
    /// It is not there.
    NotFound(String),
    /// Others did not make room for it in time.
    Waited(String),
}

impl Failure {
    /// The exit status, as env(1) has it, and for waiting as flock(1) has it.
    pub fn status(&self) -> u8 {
        match self {
            Failure::Refused(_) => REFUSED,
            Failure::CannotRun(_) => 126,
            Failure::NotFound(_) => 127,
            Failure::Waited(_) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Failure::Refused(why) | Failure::CannotRun(why) | Failure::NotFound(why) | Failure::Waited(why)) =
            self;
        formatter.write_str(why)
    }
}

impl std::error::Error for Failure {}

/// What to run, and when.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("turn").multiple(true))]
pub struct Options {
    /// Runs while no other command of this login does: holds a flock on session.lock in the config directory, as
    /// `flock -w 600 ~/.claude/session.lock COMMAND` does
    #[arg(long, group = "turn")]
    serial: bool,
    /// Runs while fewer than --slots commands of this name do, in all containers that share the config directory;
    /// `token` stands for the setup-token in CLAUDE_CODE_OAUTH_TOKEN
    #[arg(long, value_name = "NAME|token", group = "turn")]
    slot: Option<String>,
    /// How many commands of that name may run at the same time
    #[arg(long, value_name = "N", default_value = "1", requires = "slot", value_parser = clap::value_parser!(u16).range(1..))]
    slots: u16,
    /// How long --serial and --slot wait before they give up with exit status 1
    #[arg(long, value_name = "SECONDS", default_value = "600", requires = "turn", value_parser = seconds)]
    wait: Duration,
    /// Gives the command the setup-token of this file, one in each line, that was not used for the longest time
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// Ends the command after this time: by SIGTERM, 10 seconds later by SIGKILL, or up to 60 seconds later as long
    /// as it holds a lock of the login
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true)]
    command: Vec<OsString>,
}

/// The longest time that an option takes: three years, which no clock of the kernel's has trouble with.
const LONGEST: f64 = 1e8;

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=LONGEST).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("a number of seconds is wanted, from 0 to {LONGEST}")),
    }
}

/// Runs a command; returns only if that fails.
///
/// # Errors
/// [`Failure`], or a setting that cannot be followed.
pub fn run(options: &Options) -> Result<Infallible> {
    let slot = options.slot.as_deref().map(Slot::parse).transpose()?;
    let (mut command, directory) = prepare(&options.command)?;
    // As timeout(1) has it, 0 is no limit.
    let limit = options.timeout.filter(|limit| !limit.is_zero());
    if !options.serial && slot.is_none() && options.tokens.is_none() && limit.is_none() {
        let error = command.exec();
        return Err(failure_to_start(&command, &error).into());
    }
    let deadline = Instant::now() + options.wait;
    // Locked until this process ends, whatever ends it. Always in this order, so that nobody waits in a circle.
    let mut locked: Vec<File> = Vec::new();
    if options.serial {
        locked.push(serial::take(&directory, deadline)?);
    }
    let mut token = tokens::given();
    if let Some(file) = &options.tokens {
        let (picked, used) = tokens::pick(&directory, file, deadline)?;
        command.env(client::SETUP_TOKEN, picked.reveal());
        token = Some(picked);
        locked.push(used);
    }
    if let Some(slot) = &slot {
        locked.push(slots::take(&directory, slot, token.as_ref(), options.slots, deadline)?);
    }
    parent::run(command, limit, &directory)
}

/// A command as it is to be started, with the library loaded, and the config directory of its clients.
///
/// # Errors
/// [`Failure`], or a setting that cannot be followed.
pub fn prepare(words: &[OsString]) -> Result<(Command, PathBuf)> {
    settings::mode()?;
    let directory = directory::check()?;
    let library = library::find()?;
    let [name, arguments @ ..] = words else { unreachable!("the command line has at least one word") };
    let program = program::find(name)?;
    program::check(&program)?;
    let mut command = Command::new(&program);
    command.arg0(name).args(arguments);
    library::load(&mut command, &library);
    Ok((command, directory))
}

/// Why a prepared command did not start.
pub fn failure_to_start(command: &Command, error: &io::Error) -> Failure {
    Failure::CannotRun(format!("{}: {error}", command.get_program().display()))
}
