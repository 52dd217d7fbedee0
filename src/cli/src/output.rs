//! Data on standard output. A reader that goes away is no error.

use std::io::{self, Write as _};

use anyhow::{Context as _, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

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

/// Waits; says whether there still is somebody to print for, so that who follows something ends with its reader and
/// not with the next change.
pub fn reader_stays(milliseconds: u32) -> bool {
    let stdout = io::stdout();
    // What is asked for is what poll(2) reports unasked: that the other end is gone.
    let mut ends = [PollFd::new(&stdout, PollFlags::empty())];
    let timeout = Timespec {
        tv_sec: i64::from(milliseconds / 1000),
        tv_nsec: i64::from(milliseconds % 1000) * 1_000_000,
    };
    matches!(poll(&mut ends, Some(&timeout)), Ok(0) | Err(Errno::INTR))
}
