//! Two processes that meet through files, wherever they run: each finds out whether it is refused what the other has
//! locked, and both race for the same directories. Half of `doctor --probe`.
//!
//! No step relies on what is being tested: who is there shows by a count that goes on, who has won what is written
//! down and added up.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, Flock, FlockArg, fcntl};
use nix::libc;

use super::place;
use super::presence::{Other, Presence};

/// How the one that was met fared with this one.
pub struct Met {
    /// Host and pid.
    pub name: String,
    /// Whether a file that it has locked by flock was refused.
    pub flock_refused: bool,
    /// Whether a byte that it has locked was refused.
    pub byte_refused: bool,
    /// For how many directories not exactly one mkdir succeeded.
    pub wrong_races: usize,
}

/// How many directories are raced for, and by how many threads of each process.
pub const RACES: usize = 50;
const THREADS: usize = 4;

/// How long an answer of a process that is there may take.
const ANSWER: Duration = Duration::from_secs(10);

/// Which byte is locked; none that stands for a lock of a client.
const BYTE: i64 = (1 << 62) + 2;

/// Waits in a directory for another process to come there too; `None` if none came. `waiting` is told every second
/// how many are left.
///
/// # Errors
/// The directory cannot be used.
pub fn meet(place: &Path, patience: Duration, waiting: impl Fn(u64)) -> io::Result<Option<Met>> {
    let mut presence = Presence::new(place)?;
    place::tidy(place)?;
    let met = presence.wait(patience, waiting).and_then(|other| match other {
        Some(other) => compare(&mut presence, &other),
        None => Ok(None),
    });
    presence.leave()?;
    place::remove_if_empty(place)?;
    met
}

/// The second process of a probe, started by the first.
///
/// # Errors
/// As those of [`meet`].
pub fn second(place: &Path) -> io::Result<()> {
    meet(place, ANSWER, |_| {}).map(drop)
}

/// Tries the other's locks, and races with it; `None` if it does not answer.
fn compare(presence: &mut Presence, other: &Other) -> io::Result<Option<Met>> {
    let own_id = presence.id.clone();
    let (first, second) = ((&own_id).min(&other.id), (&own_id).max(&other.id));
    let pair = presence.place.join(format!("{first}+{second}"));
    let theirs = presence.file_of(&other.id);
    let (flock_refused, byte_refused) = match (flock_refused(&theirs), byte_refused(&theirs)) {
        // It has gone.
        (Err(error), _) | (_, Err(error)) if error.kind() == ErrorKind::NotFound => return Ok(None),
        (flock, byte) => (flock?, byte?),
    };
    place::make_directory(&pair)?;
    // From now on the other may rely on it that this process has tried its locks.
    place::create(&pair, &format!("{own_id}.ready"))?;
    if answer(presence, &pair.join(format!("{}.ready", other.id)))?.is_none() {
        place::remove_all(&pair)?;
        return Ok(None);
    }
    let own = race(&pair)?;
    let unfinished = format!("{own_id}.unfinished");
    let lines: String = own.iter().map(|race| format!("{race}\n")).collect();
    place::create(&pair, &unfinished)?.write_all(lines.as_bytes())?;
    fs::rename(pair.join(unfinished), pair.join(format!("{own_id}.won")))?;
    let Some(others) = answer(presence, &pair.join(format!("{}.won", other.id)))? else {
        place::remove_all(&pair)?;
        return Ok(None);
    };
    let won: Vec<usize> =
        own.into_iter().chain(others.lines().filter_map(|line| line.parse().ok())).collect();
    let wrong = |race: &usize| won.iter().filter(|won| *won == race).count() != 1;
    let wrong_races = (0..RACES).filter(wrong).count();
    // Who comes second has been read by the first.
    if fs::create_dir(pair.join("finished")).is_err() {
        place::remove_all(&pair)?;
    }
    Ok(Some(Met { name: other.name.clone(), flock_refused, byte_refused, wrong_races }))
}

/// Waits for a file of the other's; what is in it, or `None` if it does not come.
fn answer(presence: &mut Presence, path: &Path) -> io::Result<Option<String>> {
    let start = Instant::now();
    while start.elapsed() < ANSWER {
        match fs::read_to_string(path) {
            Ok(text) => return Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        presence.beat()?;
        thread::sleep(Duration::from_millis(2));
    }
    Ok(None)
}

/// Makes the race's directories, as several threads and another process do; which of them were made here.
fn race(pair: &Path) -> io::Result<Vec<usize>> {
    let run = || -> io::Result<Vec<usize>> {
        let mut won = Vec::new();
        for race in 0..RACES {
            match fs::create_dir(pair.join(format!("race-{race}"))) {
                Ok(()) => won.push(race),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            // Stretches the race over the time by which the processes start apart.
            thread::sleep(Duration::from_millis(1));
        }
        Ok(won)
    };
    let results: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().expect("panics abort")).collect()
    });
    let won: io::Result<Vec<_>> = results.into_iter().collect();
    Ok(won?.concat())
}

/// Whether a second open of a file that somebody has locked is refused its flock. As the library's, it is for reading:
/// NFS locks nothing by that.
pub fn flock_refused(path: &Path) -> io::Result<bool> {
    match Flock::lock(File::open(path)?, FlockArg::LockExclusiveNonblock) {
        Ok(_) => Ok(false),
        Err((_, Errno::EWOULDBLOCK)) => Ok(true),
        Err((_, Errno::EBADF)) => Ok(false),
        Err((_, errno)) => Err(errno.into()),
    }
}

/// The same for the byte.
pub fn byte_refused(path: &Path) -> io::Result<bool> {
    match lock_byte(&OpenOptions::new().read(true).write(true).open(path)?) {
        Ok(()) => Ok(false),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::PermissionDenied) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Locks the byte of an open file description.
pub fn lock_byte(file: &File) -> io::Result<()> {
    let range = libc::flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: BYTE,
        l_len: 1,
        l_pid: 0,
    };
    Ok(fcntl(file, FcntlArg::F_OFD_SETLK(&range)).map(drop)?)
}
