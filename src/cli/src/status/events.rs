//! What the library's event log tells: who waits for a lock, and who held it last.
//!
//! It knows only of processes that write to the same log, and looks at no more than the end of it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// A line of the log, as src/preload/src/events.rs writes it.
#[derive(Deserialize)]
struct Event {
    time_ms: i64,
    pid: u32,
    host: String,
    lock: String,
    event: String,
    detail: String,
}

/// A process that was refused the lock a moment ago, and not given it since.
#[derive(Serialize, PartialEq, Eq, Debug)]
pub struct Waiting {
    pub pid: u32,
    /// Null for a process that the kernel named.
    pub host: Option<String>,
    /// For how long.
    pub since_ms: Option<i64>,
}

/// A process that took the lock and gave it back.
#[derive(Serialize, PartialEq, Eq, Debug)]
pub struct PastHolder {
    pub pid: u32,
    pub host: String,
    /// How long ago it took the lock.
    pub taken_age_ms: i64,
    /// For how long it had the lock.
    pub held_ms: i64,
    /// Whether the credentials file was written last while it had the lock: then it has refreshed the login.
    pub wrote_credentials: bool,
}

/// The end of an event log.
pub struct Log {
    events: Vec<Event>,
    now: i64,
}

/// How much of the log is looked at: some three hundred events.
const END: u64 = 64 * 1024;

/// How long after it was refused a client is taken to wait: it asks again every 1 to 2 s, and the library can keep
/// it for 2 s.
const ASKS_AGAIN_WITHIN_MS: i64 = 5_000;

/// How many past holders are shown.
const SHOWN: usize = 5;

impl Log {
    /// Reads the end of a log. `None` if there is none that can be read: then nothing is known. `now` is in
    /// milliseconds since 1970.
    pub fn read_end(path: &Path, now: i64) -> Option<Log> {
        // A pipe would be waited for, and what is in it be taken from its reader.
        let length = fs::metadata(path).ok().filter(|found| found.is_file())?.len();
        let mut file = File::open(path).ok()?;
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(length.saturating_sub(END))).ok()?;
        file.take(END).read_to_end(&mut text).ok()?;
        Some(Log::parse(&text, now))
    }

    /// Lines that are no events, such as the first one where it is cut, are passed over.
    pub fn parse(text: &[u8], now: i64) -> Log {
        let lines = text.split(|&byte| byte == b'\n');
        Log { events: lines.filter_map(|line| serde_json::from_slice(line).ok()).collect(), now }
    }

    fn of<'a>(&'a self, lock: &'a str) -> impl Iterator<Item = ((&'a str, u32), &'a Event)> {
        let events = self.events.iter().filter(move |event| event.lock == lock);
        events.map(|event| ((event.host.as_str(), event.pid), event))
    }

    /// The processes that wait for a lock.
    pub fn waiting(&self, lock: &str) -> Vec<Waiting> {
        /// When a process was refused the lock first and last, without having got it in between.
        struct Refused {
            first: i64,
            last: i64,
        }
        let mut refused: BTreeMap<(&str, u32), Refused> = BTreeMap::new();
        for (process, event) in self.of(lock) {
            match event.event.as_str() {
                "blocked" if event.detail != "refused" => {
                    let new = Refused { first: event.time_ms, last: event.time_ms };
                    let known = refused.entry(process).or_insert(new);
                    if event.time_ms.saturating_sub(known.last) > ASKS_AGAIN_WITHIN_MS {
                        known.first = event.time_ms;
                    }
                    known.last = event.time_ms;
                }
                "taken" | "taken-from-dead" | "released" => {
                    refused.remove(&process);
                }
                _ => {}
            }
        }
        refused.retain(|_, times| self.now.saturating_sub(times.last) <= ASKS_AGAIN_WITHIN_MS);
        let waiting = refused.into_iter().map(|((host, pid), times)| Waiting {
            pid,
            host: Some(host.to_owned()),
            since_ms: Some(self.now.saturating_sub(times.first)),
        });
        waiting.collect()
    }

    /// The last processes that held a lock, oldest first. `written` is when the credentials file was.
    pub fn last_holders(&self, lock: &str, written: Option<i64>) -> Vec<PastHolder> {
        let mut taken: BTreeMap<(&str, u32), i64> = BTreeMap::new();
        let mut holders = Vec::new();
        for (process, event) in self.of(lock) {
            match event.event.as_str() {
                "taken" | "taken-from-dead" => {
                    taken.insert(process, event.time_ms);
                }
                "released" => {
                    let Some(since) = taken.remove(&process) else { continue };
                    let wrote = written.is_some_and(|written| (since..=event.time_ms).contains(&written));
                    holders.push(PastHolder {
                        pid: event.pid,
                        host: event.host.clone(),
                        taken_age_ms: self.now.saturating_sub(since),
                        held_ms: event.time_ms.saturating_sub(since),
                        wrote_credentials: wrote,
                    });
                }
                _ => {}
            }
        }
        holders.split_off(holders.len().saturating_sub(SHOWN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(time: i64, host: &str, pid: u32, event: &str) -> String {
        format!(
            "{{\"schema_version\":1,\"time_ms\":{time},\"pid\":{pid},\"host\":\"{host}\",\"lock\":\"refresh\",\
             \"event\":\"{event}\",\"detail\":\"held\",\"errno\":17,\"took_ms\":0}}\n"
        )
    }

    fn log(lines: &[String], now: i64) -> Log {
        Log::parse(("{\"cut\":1}\nnonsense\n".to_owned() + &lines.concat()).as_bytes(), now)
    }

    #[test]
    fn a_process_waits_from_its_first_refusal_until_it_has_the_lock_or_asks_no_more() {
        let refused = [line(1000, "a", 7, "blocked"), line(3000, "a", 7, "blocked")];
        let waiting = |lines: &[String], now| log(lines, now).waiting("refresh");
        let expected = Waiting { pid: 7, host: Some("a".into()), since_ms: Some(3000) };
        assert_eq!(waiting(&refused, 4000), [expected]);
        assert_eq!(waiting(&refused, 8001), [], "it asks no more");
        let mut taken = refused.to_vec();
        taken.push(line(3500, "b", 7, "taken"));
        assert_eq!(waiting(&taken, 4000).len(), 1, "another container's process has the same number");
        taken.push(line(3600, "a", 7, "taken"));
        assert_eq!(waiting(&taken, 4000), []);
        assert_eq!(log(&refused, 4000).waiting("write"), []);
        let again = [line(1000, "a", 7, "blocked"), line(60_000, "a", 7, "blocked")];
        assert_eq!(waiting(&again, 61_000)[0].since_ms, Some(1000), "it waits for the second time");
    }

    /// Anybody may write to the log.
    #[test]
    fn times_that_no_clock_shows_are_no_trouble() {
        let times = [i64::MIN, i64::MAX, i64::MIN];
        let lines: Vec<_> = times
            .iter()
            .flat_map(|&time| {
                ["blocked", "taken", "released", "blocked"].map(|event| line(time, "a", 7, event))
            })
            .collect();
        for now in times {
            let log = log(&lines, now);
            assert!(log.waiting("refresh").len() <= 1);
            assert_eq!(log.last_holders("refresh", None).len(), 3);
        }
    }

    #[test]
    fn the_last_holders_and_which_one_refreshed() {
        let mut lines = Vec::new();
        for pid in 1..=7 {
            lines.push(line(i64::from(pid) * 1000, "a", pid, "taken"));
            lines.push(line(i64::from(pid) * 1000 + 300, "a", pid, "released"));
        }
        lines.push(line(9000, "a", 9, "taken"));
        let holders = log(&lines, 10_000).last_holders("refresh", Some(6200));
        assert_eq!(holders.iter().map(|holder| holder.pid).collect::<Vec<_>>(), [3, 4, 5, 6, 7]);
        assert_eq!((holders[4].taken_age_ms, holders[4].held_ms), (3000, 300));
        let wrote = holders.iter().filter(|holder| holder.wrote_credentials);
        assert_eq!(wrote.map(|holder| holder.pid).collect::<Vec<_>>(), [6]);
    }
}
