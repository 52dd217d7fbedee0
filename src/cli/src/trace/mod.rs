//! `lockspan trace`: events as they come, each with what it means.
//!
//! It shows nothing but the library's own lines: the content of any other line stays where it is.

mod command;
pub mod event;
mod follow;
pub mod lines;
mod meaning;
mod show;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use anyhow::{Result, bail};

pub use show::Format;

use crate::{output, settings};

/// Follows a command's events on stderr, or those of `$LOCKSPAN_EVENTS` on stdout until it is interrupted.
///
/// # Errors
/// No command and no events file, or what they fail with.
pub fn trace(command: &[OsString], format: Format) -> Result<ExitCode> {
    if command.is_empty() {
        let mut output = anstream::stdout().lock();
        return match follow(|line| Ok(show::show(&mut output, &line, format)?)) {
            Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
            other => other,
        };
    }
    let mut output = Some(anstream::stderr());
    command::run_traced(command, |line| {
        let result = output.as_mut().map_or(Ok(()), |output| show::show(output, &line, format));
        match result {
            // The command goes on without anybody looking.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => output = None,
            other => other?,
        }
        Ok(())
    })
}

fn follow(mut each: impl FnMut(lines::Line) -> Result<()>) -> Result<ExitCode> {
    settings::mode()?;
    let Some(path) = settings::events_path() else {
        bail!(
            "nothing to follow: set LOCKSPAN_EVENTS to the events file, or name a command: lockspan trace -- COMMAND"
        );
    };
    let mut follow = follow::Follow::new(&path)?;
    eprintln!("lockspan: following {}; end with Ctrl-C", path.display());
    loop {
        follow.read(&mut each)?;
        follow.wait(None)?;
        // A write would tell, too, but only at the next event.
        if !output::reader_stays(0) {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
