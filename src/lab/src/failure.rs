//! The lab's exit codes, and the error that leads to each.

use std::fmt;
use std::process::ExitCode;

/// Everything ran and every expectation held.
pub const OK: u8 = 0;
/// An expectation failed, or the lab itself did.
pub const FAILED: u8 = 1;
/// The scenario cannot run on this machine; nothing was tried. (2 is clap's, for wrong usage.)
pub const CANNOT_RUN: u8 = 3;

/// The machine lacks something: root, the registry, a tool.
#[derive(Debug)]
pub struct CannotRun(pub String);

impl fmt::Display for CannotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot run here: {}", self.0)
    }
}

impl std::error::Error for CannotRun {}

/// A [`CannotRun`] as an error.
pub fn cannot_run(reason: impl Into<String>) -> anyhow::Error {
    CannotRun(reason.into()).into()
}

/// The exit code that an error stands for.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    let cannot_run = error.chain().any(|cause| cause.is::<CannotRun>());
    ExitCode::from(if cannot_run { CANNOT_RUN } else { FAILED })
}
