//! Who else probes in a place, and with whom of them this process pairs up.
//!
//! Everybody has a file there, with a count that goes on for as long as he lives, and the one that he has chosen. Of
//! two the one with the larger id asks the other, by choosing it; who is asked answers by choosing one of those. So
//! all but the last of an odd number find each other.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use super::kept::Kept;
use super::place;

/// Another process in the place.
#[derive(Clone, Debug)]
pub struct Other {
    pub id: String,
    /// Host and pid.
    pub name: String,
    chosen: Option<String>,
}

/// This process, as others see it in a place.
pub struct Presence {
    pub place: PathBuf,
    pub id: String,
    file: File,
    /// Of the file, in both ways; held for their drop.
    _locks: [Kept; 2],
    count: u64,
    chosen: Option<String>,
}

const SUFFIX: &str = ".here";
const COUNT_DIGITS: usize = 20;
/// As long as an id.
const NOBODY: &str = "----------------";

impl Presence {
    /// Enters a place.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn new(place: &Path) -> io::Result<Presence> {
        let id = place::unique();
        let file = place::create(place, &format!("{id}{SUFFIX}"))?;
        let path = place.join(format!("{id}{SUFFIX}"));
        let locks = [Kept::byte(&path)?, Kept::flock(&path)?];
        let mut presence =
            Presence { place: place.to_owned(), id, file, _locks: locks, count: 0, chosen: None };
        presence.beat()?;
        Ok(presence)
    }

    /// Leaves it.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn leave(self) -> io::Result<()> {
        fs::remove_file(self.file_of(&self.id))
    }

    /// The file that shows, and locks, who has this id.
    pub fn file_of(&self, id: &str) -> PathBuf {
        self.place.join(format!("{id}{SUFFIX}"))
    }

    /// Shows that this process goes on.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn beat(&mut self) -> io::Result<()> {
        self.count += 1;
        let chosen = self.chosen.as_deref().unwrap_or(NOBODY);
        let text = format!("{:0COUNT_DIGITS$}{chosen}{}", self.count, name());
        self.file.write_all_at(text.as_bytes(), 0)
    }

    /// Waits for another process to pair up with. `waiting` is told every second how many are left.
    ///
    /// # Errors
    /// The place cannot be used.
    pub fn wait(&mut self, patience: Duration, waiting: impl Fn(u64)) -> io::Result<Option<Other>> {
        let start = Instant::now();
        let mut counts = BTreeMap::new();
        let mut told = u64::MAX;
        while start.elapsed() < patience {
            let alive = self.alive(&mut counts)?;
            let paired = self.choose(&alive).cloned();
            self.beat()?;
            if paired.is_some() {
                return Ok(paired);
            }
            let left = (patience - start.elapsed().min(patience)).as_secs();
            if left < told {
                told = left;
                waiting(left);
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(None)
    }

    /// Asks, or answers; the other if both have chosen each other.
    fn choose<'a>(&mut self, alive: &'a [Other]) -> Option<&'a Other> {
        let has_chosen_this = |other: &&Other| other.chosen.as_ref() == Some(&self.id);
        if let Some(asked) = &self.chosen {
            let asked = alive.iter().find(|other| other.id == *asked);
            if asked.as_ref().is_some_and(has_chosen_this) {
                return asked;
            }
            if asked.is_some_and(|asked| asked.chosen.is_none()) {
                return None;
            }
            // It has chosen somebody else, or has gone.
            self.chosen = None;
        }
        let asking = alive.iter().find(|other| other.id > self.id && has_chosen_this(other));
        let free = alive.iter().filter(|other| other.id < self.id && other.chosen.is_none());
        let choice = asking.or_else(|| free.min_by(|one, other| one.id.cmp(&other.id)));
        self.chosen = choice.map(|other| other.id.clone());
        asking
    }

    /// The others whose count has changed since it was seen first.
    fn alive(&self, counts: &mut BTreeMap<String, String>) -> io::Result<Vec<Other>> {
        let mut alive = Vec::new();
        for entry in fs::read_dir(&self.place)? {
            let entry = entry?;
            let file_name = entry.file_name().to_string_lossy().into_owned();
            let Some(id) = file_name.strip_suffix(SUFFIX).filter(|id| *id != self.id) else { continue };
            let text = match fs::read_to_string(entry.path()) {
                Ok(text) => text,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let Some((count, rest)) = text.split_at_checked(COUNT_DIGITS) else { continue };
            let Some((chosen, name)) = rest.split_at_checked(NOBODY.len()) else { continue };
            if counts.entry(id.to_owned()).or_insert_with(|| count.to_owned()) != count {
                let chosen = (chosen != NOBODY).then(|| chosen.to_owned());
                alive.push(Other { id: id.to_owned(), name: name.to_owned(), chosen });
            }
        }
        Ok(alive)
    }
}

/// Host and pid of this process.
fn name() -> String {
    let host: [u8; 64] = lockspan_lock::sys::host_name();
    let host = host.split(|&byte| byte == 0).next().unwrap_or_default();
    format!("{} pid {}", String::from_utf8_lossy(host), process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meet(place: &Path, count: usize) -> Vec<Option<String>> {
        thread::scope(|scope| {
            let run = || {
                let mut presence = Presence::new(place).expect("a place");
                let met = presence.wait(Duration::from_secs(3), |_| {}).expect("a place");
                // Who has not seen yet that it was chosen must find its partner here.
                while presence.count < 100 {
                    presence.beat().expect("room");
                    thread::sleep(Duration::from_millis(20));
                }
                (presence.id.clone(), met.map(|other| other.id))
            };
            let threads: Vec<_> = (0..count).map(|_| scope.spawn(run)).collect();
            let met: BTreeMap<_, _> =
                threads.into_iter().map(|thread| thread.join().expect("no panic")).collect();
            for (id, other) in &met {
                if let Some(other) = other {
                    assert_eq!(met[other].as_ref(), Some(id), "both say the same: {met:?}");
                }
            }
            met.into_values().collect()
        })
    }

    #[test]
    fn all_but_one_of_an_odd_number_pair_up() {
        for count in [3, 4] {
            let place = tempfile::tempdir().expect("a temporary directory");
            let met = meet(place.path(), count);
            assert_eq!(met.iter().filter(|other| other.is_none()).count(), count % 2, "{count}: {met:?}");
        }
    }
}
