//! lockspan as the parent of the command: it passes signals on, stops when the command stops, and ends as it ends.
//!
//! The command stays in lockspan's process group, so that the terminal and the shell's job control treat both as the
//! one command that the user typed. What the terminal sends reaches both; what is sent to lockspan alone is passed on.

use std::convert::Infallible;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, exit};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{self, SigHandler, SigSet, SigmaskHow, Signal, kill, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use rustix::process::{WaitOptions, waitpid};

use super::timeout::Timeout;
use super::{ENDED, failure_to_start};

/// What is passed on. The rest either ends lockspan or is nobody's business.
const PASSED_ON: [Signal; 8] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGTSTP,
    Signal::SIGCONT,
];

/// Runs a command and ends as it does, with 124 if it ran into the limit; returns only if it cannot be started.
///
/// # Errors
/// [`super::Failure::CannotRun`], or the kernel's where it does not let lockspan be a parent.
pub fn run(mut command: Command, limit: Option<Duration>, directory: &Path) -> Result<Infallible> {
    let mut wanted = SigSet::from_iter(PASSED_ON);
    wanted.add(Signal::SIGCHLD);
    // Blocked before the command starts, so that none gets lost; they are read from the descriptor.
    let before = wanted.thread_swap_mask(SigmaskHow::SIG_BLOCK).context("signals")?;
    let signals = SignalFd::with_flags(&wanted, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    // Where it is ignored the kernel keeps no status.
    restore_default(Signal::SIGCHLD).context("SIGCHLD")?;
    if limit.is_some() {
        // Descendants whose parents die first stay in reach.
        prctl::set_child_subreaper(true).context("descendants cannot be kept track of")?;
    }
    // SAFETY: the one call between fork and exec is pthread_sigmask, which is async-signal-safe.
    unsafe { command.pre_exec(move || Ok(before.thread_set_mask()?)) };
    let started = command.spawn();
    let child = started.map_err(|error| failure_to_start(&command, &error))?;
    let child = Pid::from_raw(i32::try_from(child.id()).context("a process id")?);

    let mut timeout = limit.map(|limit| Timeout::new(limit, child, directory));
    let mut ended = None;
    loop {
        let wait = match &mut timeout {
            Some(timeout) if ended.is_none() || timeout.is_over() => match timeout.step() {
                Some(wait) => PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX),
                None => {
                    // Those that were killed last; nobody else may reap them.
                    while reap(child)?.is_some() {}
                    timeout.tidy();
                    exit(ENDED.into());
                }
            },
            _ => PollTimeout::NONE,
        };
        match poll(&mut [PollFd::new(signals.as_fd(), PollFlags::POLLIN)], wait) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).context("signals"),
        }
        while let Some(signal) = signals.read_signal()? {
            // Its number may be another process's once it has ended.
            if ended.is_none() {
                pass_on(signal.ssi_signo, signal.ssi_code, child);
            }
        }
        ended = ended.or(reap(child)?);
        if let Some(status) = ended
            && !timeout.as_ref().is_some_and(Timeout::is_over)
        {
            end_as(status);
        }
    }
}

/// Passes a signal on that was sent to lockspan. What the kernel sent came from the terminal, and went to the
/// command too.
fn pass_on(number: u32, code: i32, child: Pid) {
    let signal = i32::try_from(number).ok().and_then(|number| Signal::try_from(number).ok());
    if let Some(signal) = signal.filter(|signal| PASSED_ON.contains(signal))
        && code != nix::libc::SI_KERNEL
    {
        // It may have ended just now, and waits to be reaped then.
        let _ = kill(child, signal);
    }
}

/// How a command ended.
#[derive(Clone, Copy)]
enum End {
    /// With this status.
    Exited(i32),
    /// By this signal, which may be one that has no name.
    Signalled(i32),
}

/// How the command ended, if it has. Stops with it if it has stopped.
fn reap(child: Pid) -> Result<Option<End>> {
    loop {
        // nix's own loses the status of a command that a real-time signal ended.
        let (pid, status) = match waitpid(None, WaitOptions::NOHANG | WaitOptions::UNTRACED) {
            Ok(Some(changed)) => changed,
            Ok(None) | Err(rustix::io::Errno::CHILD) => return Ok(None),
            Err(rustix::io::Errno::INTR) => continue,
            Err(errno) => return Err(errno).context("the command's status"),
        };
        if pid.as_raw_nonzero().get() != child.as_raw() {
            // An adopted descendant.
            continue;
        }
        if let Some(signal) = status.stopping_signal() {
            stop(signal);
        }
        if let Some(end) =
            status.exit_status().map(End::Exited).or(status.terminating_signal().map(End::Signalled))
        {
            return Ok(Some(end));
        }
    }
}

/// Stops as the command did, so that the shell gets its terminal back; goes on when the shell says so.
///
/// Where there is no terminal nobody would say so: a command that somebody stopped, and lets go on later, must not
/// leave lockspan behind.
fn stop(signal: i32) {
    let has_terminal = || File::open("/dev/tty").is_ok();
    if signal != Signal::SIGSTOP as i32 || has_terminal() {
        let _ = raise(Signal::SIGSTOP);
    }
}

/// Gives a signal its default action.
fn restore_default(signal: Signal) -> nix::Result<()> {
    // SAFETY: no handler of ours runs after this, and the one that it replaces (the runtime's, for SIGSEGV and
    // SIGBUS) is not needed to end.
    unsafe { signal::signal(signal, SigHandler::SigDfl) }.map(drop)
}

/// Ends as the command did.
fn end_as(end: End) -> ! {
    let number = match end {
        End::Exited(status) => exit(status),
        End::Signalled(number) => number,
    };
    if let Ok(signal) = Signal::try_from(number) {
        // The core that there may be is the command's. None of these can fail in a way that matters: the last line
        // says the same to whoever asks.
        let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
        let _ = restore_default(signal);
        let _ = raise(signal);
        // It may be blocked until here.
        let _ = SigSet::all().thread_unblock();
    }
    // This is the first process of its container, to which signals do nothing, or the signal has no name.
    exit(128 + number)
}
