//! `--serial`: one command of a login at a time, by the lock that scripts take with flock(1).

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use super::Failure;
use super::flock;
use super::shared::Shared;

/// The file in the config directory. Its name is known to scripts.
const LOCK: &str = "session.lock";

/// Takes the lock; it lasts until the file is closed.
///
/// # Errors
/// [`Failure`]: others had it until the deadline, or it cannot be taken at all.
pub fn take(directory: &Path, deadline: Instant) -> Result<File, Failure> {
    let config = Shared::config(directory)?;
    let path = config.path(LOCK);
    flock::take(config.open(LOCK)?, &path, &path.display().to_string(), deadline)
}
