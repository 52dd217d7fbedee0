//! Data on standard output. A reader that goes away is no error.

use std::io::{self, Write as _};

use anyhow::{Context as _, Result};

/// Prints a text, all of it or, to a reader that has gone, nothing.
///
/// # Errors
/// Standard output cannot be written to.
pub fn print(text: &str) -> Result<()> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("standard output"),
    }
}
