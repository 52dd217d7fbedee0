//! A command that runs with the library, and what becomes of its events.
//!
//! Signals that a terminal sends go to the command by themselves; those that were meant for this process are handed
//! on. No handler runs: they are read from a descriptor.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ExitCode, ExitStatus};

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;

use super::follow::Follow;
use super::lines::Line;
use crate::run;

/// Signals that end a program, and the one that says that the command has ended.
const SIGNALS: [Signal; 5] =
    [Signal::SIGCHLD, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGHUP];

/// Runs a command and hands over its events while it runs.
///
/// # Errors
/// The command cannot be started ([`run::Failure`]), or its events not be handed over.
pub fn run_traced(command: &[OsString], mut each: impl FnMut(Line) -> Result<()>) -> Result<ExitCode> {
    let (mut command, _) = run::prepare(command)?;
    // Only this user may see it, or write into it.
    let directory =
        tempfile::Builder::new().prefix("lockspan-trace-").tempdir().context("a temporary directory")?;
    let events = directory.path().join("events");
    let mut follow = Follow::new(&events)?;
    command.env("LOCKSPAN_EVENTS", &events);
    // Blocked before there is a command, so that none ends this process and leaves the command behind.
    let signals: SigSet = SIGNALS.into_iter().collect();
    let before = signals.thread_swap_mask(SigmaskHow::SIG_BLOCK).context("signals")?;
    // SAFETY: it makes one system call, which is allowed between fork and exec, and touches no memory.
    unsafe { command.pre_exec(move || Ok(before.thread_set_mask()?)) };
    let mut child = command.spawn().map_err(|error| run::failure_to_start(&command, &error))?;
    let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let status = loop {
        hand_on(&signals, &child)?;
        // Before the events are read, so that those of its end are among them.
        let ended = child.try_wait()?;
        follow.read(&mut each)?;
        if let Some(status) = ended {
            break status;
        }
        follow.wait(Some(signals.as_fd()))?;
    };
    follow.finish(each)?;
    Ok(ExitCode::from(exit_status(status)))
}

/// Hands on the signals that were sent to this process.
fn hand_on(signals: &SignalFd, child: &Child) -> Result<()> {
    while let Some(found) = signals.read_signal()? {
        let signal = i32::try_from(found.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok());
        if let Some(signal @ (Signal::SIGTERM | Signal::SIGHUP)) = signal {
            let child = Pid::from_raw(i32::try_from(child.id())?);
            // The command has not been waited for, so that the number is still its own.
            kill(child, signal).context("the command")?;
        }
    }
    Ok(())
}

/// As a shell has it.
fn exit_status(status: ExitStatus) -> u8 {
    let number = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    number.and_then(|number| u8::try_from(number).ok()).unwrap_or(1)
}
