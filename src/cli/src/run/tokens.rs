//! `--tokens`: gives each command the one of several setup-tokens that rested for the longest time.
//!
//! Beside the slots there is a file for each token that was ever used, named by a hash: its modification time is the
//! token's last use, and its shared flock says that somebody uses it now.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Instant, SystemTime};

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, futimens};

use super::Failure;
use super::directory::quoted;
use super::flock;
use super::secret::{self, Secret};
use super::shared::Shared;
use crate::client;

/// The present time, as the kernel has it.
const NOW: Timestamps = {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    Timestamps { last_access: now, last_modification: now }
};

/// The token of this process's own environment.
pub fn given() -> Option<Secret> {
    let token = std::env::var(client::SETUP_TOKEN).ok()?;
    Some(token).filter(|token| !token.is_empty()).map(Secret::new)
}

/// Reads a file of tokens: one in each line, empty lines and those that start with # left out.
fn read(path: &Path) -> Result<Vec<Secret>, Failure> {
    let refuse = |why: String| Failure::Refused(format!("{}: {why}", path.display()));
    let metadata = fs::metadata(path).map_err(|error| refuse(error.to_string()))?;
    if !metadata.is_file() {
        return Err(refuse("is no regular file".into()));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(refuse(format!("others may read or change it; type: chmod 600 {}", quoted(path))));
    }
    let text = fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
    let mut tokens = Vec::new();
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if !line.chars().all(|character| character.is_ascii_graphic()) {
            // Not what is in it.
            return Err(refuse(format!(
                "line {number} is no token; write one in each line, and nothing else"
            )));
        }
        tokens.push(Secret::new(line.to_owned()));
    }
    match tokens.is_empty() {
        true => Err(refuse("has no token; write one in each line".into())),
        false => Ok(tokens),
    }
}

/// Picks the token of a file that was not used for the longest time, those that nobody uses now first. The second
/// part marks it as in use until it is closed.
///
/// # Errors
/// [`Failure`]: the file is not as it must be, or the use cannot be noted.
pub fn pick(directory: &Path, file: &Path, deadline: Instant) -> Result<(Secret, File), Failure> {
    const PICKING: &str = "picking";
    let tokens = read(file)?;
    let shared = Shared::slots(directory)?;
    let key = secret::key(&shared, deadline)?;
    // One at a time, or two would pick the same.
    let picking =
        flock::take(shared.open(PICKING)?, &shared.path(PICKING), "others to pick a token", deadline)?;
    let mut best = None;
    for token in tokens {
        let name = format!("{}.used", token.name(&key));
        let rank = rank(&shared, &name)?;
        if best.as_ref().is_none_or(|(least, _, _)| rank < *least) {
            best = Some((rank, token, name));
        }
    }
    let Some((_, token, name)) = best else { unreachable!("the file has at least one token") };
    let used = shared.open(&name)?;
    let note = || -> io::Result<()> {
        fs2::FileExt::lock_shared(&used)?;
        // To the nanosecond by its owner, and to the tick by others who may write it.
        used.set_modified(SystemTime::now()).or_else(|_| Ok(futimens(&used, &NOW)?))
    };
    note().map_err(|error| Failure::Refused(format!("{}: {error}", shared.path(&name).display())))?;
    drop(picking);
    Ok((token, used))
}

/// How little a token is fit to be used next: whether somebody uses it now, and when it was last given out.
fn rank(shared: &Shared, name: &str) -> Result<(bool, SystemTime), Failure> {
    if !shared.has(name) {
        return Ok((false, SystemTime::UNIX_EPOCH));
    }
    let (file, path) = (shared.open(name)?, shared.path(name));
    let is_used = !flock::try_take(&file, &path)?;
    let modified = file.metadata().and_then(|metadata| metadata.modified());
    match modified {
        Ok(time) => Ok((is_used, time)),
        Err(error) => Err(Failure::Refused(format!("{}: {error}", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token_file(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::write(file.path(), text).expect("room");
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).expect("an own file");
        file
    }

    #[test]
    fn a_file_of_tokens() {
        let count = |text| read(token_file(text, 0o600).path()).map(|tokens| tokens.len());
        assert!(matches!(count("# mine\n\n sk-ant-oat01-a \r\nsk-ant-oat01-b"), Ok(2)));
        assert!(matches!(count("# none\n"), Err(Failure::Refused(_))));
        let Err(Failure::Refused(why)) = count("sk-ant-oat01-a\nsk-ant-oat01-b c\n") else {
            panic!("two words are no token")
        };
        assert!(why.contains("line 2") && !why.contains("sk-ant"), "{why}");
        let Err(Failure::Refused(why)) = read(token_file("sk-ant-oat01-a", 0o640).path()) else {
            panic!("the group may read it")
        };
        assert!(why.contains("chmod 600"), "{why}");
    }

    #[test]
    fn the_token_that_rested_longest_is_next_and_one_in_use_last() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let file = token_file("sk-ant-oat01-a\nsk-ant-oat01-b\nsk-ant-oat01-c\n", 0o600);
        let pick = || {
            let (token, used) = pick(home.path(), file.path(), Instant::now()).expect("a token");
            (token.reveal().chars().last().expect("a letter"), used)
        };
        let (first, in_use) = pick();
        let rest: String = (0..4).map(|_| pick().0).collect();
        assert_eq!((first, rest.as_str()), ('a', "bcbc"), "a is in use");
        drop(in_use);
        assert_eq!(pick().0, 'a');
    }
}
