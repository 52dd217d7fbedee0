//! An independent look at the credentials file, again and again: is it whole, and does its generation only grow?
//!
//! Reads from outside the containers, by a thread of the lab, which never has the library.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};
use serde_json::Value;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(3);
/// What the refresh tokens of a soak look like: the generation follows.
const TOKEN: &str = "lab-r-";

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looks {
    /// All of them.
    pub all: usize,
    /// The file was not to be read, or not whole JSON, or without a pair of this soak.
    pub damaged: usize,
    /// Its generation was lower than before: from which one to which.
    pub backwards: Vec<(u64, u64)>,
    /// The latest generation.
    pub generation: u64,
}

impl Looks {
    fn at(&mut self, content: Option<&str>) {
        self.all += 1;
        match content.and_then(generation) {
            None => self.damaged += 1,
            Some(found) => {
                if found < self.generation {
                    self.backwards.push((self.generation, found));
                }
                self.generation = found;
            }
        }
    }
}

fn generation(content: &str) -> Option<u64> {
    let file: Value = serde_json::from_str(content).ok()?;
    file.pointer("/claudeAiOauth/refreshToken")?.as_str()?.strip_prefix(TOKEN)?.parse().ok()
}

/// The first content of the file.
pub fn first(expires: u64) -> String {
    let login = serde_json::json!({
        "accessToken": "lab-a-0",
        "refreshToken": format!("{TOKEN}0"),
        "expiresAt": expires,
    });
    serde_json::json!({ "claudeAiOauth": login }).to_string()
}

/// A reader at work.
pub struct Reader {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Looks>,
}

impl Reader {
    /// Begins to look.
    pub fn start(path: &Path) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (path, told): (PathBuf, _) = (path.to_owned(), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            let mut looks = Looks::default();
            while !told.load(Ordering::Relaxed) {
                looks.at(fs::read_to_string(&path).ok().as_deref());
                std::thread::sleep(PAUSE);
            }
            looks
        });
        Self { over, thread }
    }

    /// What it found until now.
    pub fn end(self) -> Result<Looks> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the reader of the credentials has panicked"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_whole_or_goes_back_is_counted() {
        let content = |generation: u64| first(1).replace("lab-r-0", &format!("lab-r-{generation}"));
        let mut looks = Looks::default();
        for generation in [0, 1, 5, 4, 5] {
            looks.at(Some(&content(generation)));
        }
        looks.at(Some(""));
        looks.at(Some(&content(6)[1..]));
        looks.at(None);
        assert_eq!(looks, Looks { all: 8, damaged: 3, backwards: vec![(5, 4)], generation: 5 });
    }
}
