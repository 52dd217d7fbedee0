//! From events to who held and who waited. Nothing is drawn here.
//!
//! An event says when its call ended and how long it took; everything here follows from that. What the events do not
//! say, as the moment of a kill, is not made up: a hold then ends where the next one begins, marked as such.

use std::collections::BTreeMap;

use crate::trace::event::Event;

/// Longer pauses between two tries are no waiting: clients try again every second or two.
const LONGEST_PAUSE_MS: u64 = 10_000;

/// How a hold ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The holder gave the lock back.
    Released,
    /// The holder died, and another took the lock over.
    Died,
    /// The lock was another's before the holder gave it back.
    Lost,
    /// The events end before the hold does, as far as they say.
    Open,
}

/// A time during which a process had the lock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hold {
    pub from_ms: u64,
    pub to_ms: u64,
    pub end: End,
    /// It was taken from a dead holder.
    pub taken_over: bool,
}

/// A call that waited for the lock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wait {
    pub from_ms: u64,
    pub to_ms: u64,
    /// The client was told that somebody else holds the lock.
    pub blocked: bool,
    /// When the client tried again, if it did.
    pub again_ms: Option<u64>,
}

/// Anything else that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    pub at_ms: u64,
    pub event: String,
    pub detail: String,
}

/// One process and one lock. Ordered as the picture is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key {
    /// The host name, which is the container's.
    pub host: String,
    /// Which of the files, by their order.
    pub file: usize,
    pub pid: u32,
    pub lock: String,
}

/// What one process did with one lock.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lane {
    pub holds: Vec<Hold>,
    pub waits: Vec<Wait>,
    pub notes: Vec<Note>,
}

/// Everything that a picture shows.
#[derive(PartialEq, Eq, Debug)]
pub struct History {
    pub lanes: BTreeMap<Key, Lane>,
    pub from_ms: u64,
    pub to_ms: u64,
}

impl History {
    /// Reads events, each with the number of the file it is from; `None` if none is about a lock.
    pub fn new(mut events: Vec<(usize, Event)>) -> Option<History> {
        // Of one process they are in order; what ends in the same millisecond ends before something begins.
        events.sort_by_key(|(_, event)| (event.time_ms, event.event.starts_with("taken")));
        let from_ms = events.iter().map(|(_, event)| event.time_ms.saturating_sub(event.took_ms)).min()?;
        let to_ms = events.last()?.1.time_ms;
        let mut history = History { lanes: BTreeMap::new(), from_ms, to_ms };
        for (file, event) in events {
            if !event.lock.is_empty() {
                history.add(file, event);
            }
        }
        for lane in history.lanes.values_mut() {
            lane.join_tries();
        }
        (!history.lanes.is_empty()).then_some(history)
    }

    fn add(&mut self, file: usize, event: Event) {
        let Event { time_ms, pid, host, lock, event: name, detail, took_ms, .. } = event;
        let from_ms = time_ms.saturating_sub(took_ms);
        let taken_over = name == "taken-from-dead";
        match name.as_str() {
            "taken-from-dead" => self.end_others(&lock, time_ms, End::Died),
            "removed-by-other" => self.end_others(&lock, time_ms, End::Lost),
            _ => {}
        }
        let to_end = self.to_ms;
        let lane = self.lanes.entry(Key { host, file, pid, lock }).or_default();
        match name.as_str() {
            "taken" | "taken-from-dead" => {
                lane.end(time_ms, End::Lost);
                if took_ms > 0 {
                    lane.waits.push(Wait { from_ms, to_ms: time_ms, blocked: false, again_ms: None });
                }
                lane.holds.push(Hold { from_ms: time_ms, to_ms: to_end, end: End::Open, taken_over });
            }
            "blocked" => {
                lane.waits.push(Wait { from_ms, to_ms: time_ms, blocked: true, again_ms: None });
            }
            "released" => lane.end(time_ms, End::Released),
            "robbed" => lane.end(time_ms, End::Lost),
            // Part of every refresh, or of a mode in which nothing is held.
            "nested" | "patched" | "observed" => {}
            _ => lane.notes.push(Note { at_ms: time_ms, event: name, detail }),
        }
    }

    /// Ends what others hold, as far as the events say.
    fn end_others(&mut self, lock: &str, at_ms: u64, end: End) {
        for (key, lane) in &mut self.lanes {
            if key.lock == lock {
                lane.end(at_ms, end);
            }
        }
    }
}

impl Lane {
    fn end(&mut self, at_ms: u64, end: End) {
        if let Some(hold) = self.holds.last_mut().filter(|hold| hold.end == End::Open) {
            (hold.to_ms, hold.end) = (at_ms, end);
        }
    }

    /// Finds out which refused tries were followed by another.
    fn join_tries(&mut self) {
        let begins: Vec<u64> = self.waits.iter().map(|wait| wait.from_ms).collect();
        for (index, wait) in self.waits.iter_mut().enumerate().filter(|(_, wait)| wait.blocked) {
            // A lock that is free is taken without a wait.
            let taken = self.holds.iter().map(|hold| hold.from_ms).find(|&at| at >= wait.to_ms);
            let next = begins.get(index + 1).copied().into_iter().chain(taken).min();
            wait.again_ms =
                next.map(|at| at.max(wait.to_ms)).filter(|&at| at - wait.to_ms <= LONGEST_PAUSE_MS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::event::tests::event;

    fn history(events: &[(u64, u32, &str, u64)]) -> History {
        let events = events.iter().map(|&(time, pid, name, took)| (0, event(time, pid, name, "", took)));
        History::new(events.collect()).expect("events of a lock")
    }

    fn lane(history: &History, pid: u32) -> &Lane {
        let (_, lane) = history.lanes.iter().find(|(key, _)| key.pid == pid).expect("a lane");
        lane
    }

    #[test]
    fn a_hold_and_a_wait() {
        let history = history(&[
            (1000, 1, "taken", 0),
            (3000, 2, "blocked", 1900),
            (4000, 1, "released", 0),
            (4000, 2, "taken", 500),
        ]);
        assert_eq!((history.from_ms, history.to_ms), (1000, 4000));
        let hold = Hold { from_ms: 1000, to_ms: 4000, end: End::Released, taken_over: false };
        assert_eq!(lane(&history, 1).holds, [hold]);
        let first = Wait { from_ms: 1100, to_ms: 3000, blocked: true, again_ms: Some(3500) };
        let second = Wait { from_ms: 3500, to_ms: 4000, blocked: false, again_ms: None };
        assert_eq!(lane(&history, 2).waits, [first, second]);
        assert_eq!(lane(&history, 2).holds[0].end, End::Open);
    }

    #[test]
    fn a_dead_holders_hold_ends_where_it_was_taken_over() {
        let history = history(&[(1000, 1, "taken", 0), (5000, 2, "taken-from-dead", 40)]);
        assert_eq!((lane(&history, 1).holds[0].to_ms, lane(&history, 1).holds[0].end), (5000, End::Died));
        assert!(lane(&history, 2).holds[0].taken_over);
    }

    #[test]
    fn what_is_neither_is_noted() {
        let history =
            history(&[(1000, 1, "taken", 0), (2000, 1, "robbed", 0), (2000, 2, "stale-removed", 0)]);
        assert_eq!(lane(&history, 1).holds[0].end, End::Lost);
        assert_eq!(lane(&history, 2).notes[0].event, "stale-removed");
        let removed =
            self::history(&[(1000, 1, "taken", 0), (2000, 2, "removed-by-other", 0), (3000, 2, "taken", 0)]);
        assert_eq!((lane(&removed, 1).holds[0].to_ms, lane(&removed, 1).holds[0].end), (2000, End::Lost));
        assert_eq!(History::new(Vec::new()), None);
        let mut process = event(1, 1, "patched", "raw-system-calls", 0);
        process.lock = String::new();
        assert_eq!(History::new(vec![(0, process)]), None, "not about a lock");
    }

    #[test]
    fn a_try_that_succeeds_at_once_ends_the_waiting() {
        let history = history(&[
            (1000, 1, "blocked", 500),
            (1200, 1, "taken", 0),
            (3000, 1, "released", 0),
            (6000, 1, "blocked", 2000),
        ]);
        assert_eq!(lane(&history, 1).waits[0].again_ms, Some(1200), "not when it waited for the next one");
        assert_eq!(lane(&history, 1).waits[1].again_ms, None);
    }

    #[test]
    fn long_pauses_are_no_waiting() {
        let history = history(&[(1000, 1, "blocked", 0), (60_000, 1, "blocked", 0)]);
        assert_eq!(lane(&history, 1).waits[0].again_ms, None);
    }
}
