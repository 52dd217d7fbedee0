//! The oracle of the stress scenario: from a log of `enter` and `leave` lines, was there ever more than one holder?
//!
//! Pure. A client writes `enter` after it got the lock and `leave` before it gives it back, so an interval here lies
//! inside the time that the client really held the lock: an overlap is proof of two holders, never a false alarm.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, bail, ensure};

/// A time on CLOCK_MONOTONIC in nanoseconds.
pub type Nanoseconds = u64;

/// A stretch in which one process says that it holds the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Who holds: the name that the client was given.
    pub holder: String,
    /// After it got the lock.
    pub enter: Nanoseconds,
    /// Before it gave the lock back, or when it was killed.
    pub leave: Nanoseconds,
    /// Whether it was killed while it held.
    pub killed: bool,
}

/// Two holders at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// The one that held first.
    pub first: Interval,
    /// The one that entered before the first had left.
    pub second: Interval,
}

/// What the log says.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How often the lock was held.
    pub held: usize,
    /// How often by whom, and when last.
    pub by_holder: BTreeMap<String, (usize, Nanoseconds)>,
    /// Intervals that were cut short by a kill.
    pub killed: usize,
    /// From each kill of a holder until the next one had the lock.
    pub takeovers: Vec<Nanoseconds>,
    /// Pairs of holders at once.
    pub overlaps: Vec<Overlap>,
    /// Holders that say that their lock was taken from them while they held it.
    pub compromised: usize,
}

/// Reads a log of `enter HOLDER NS`, `leave HOLDER NS` and `compromised HOLDER NS` lines.
///
/// `kills` gives, for each killed holder, a time not later than its death. An interval that neither a `leave` nor
/// a kill ends lasts for ever.
pub fn check(log: &str, kills: &HashMap<String, Nanoseconds>) -> Result<Verdict> {
    let mut open: HashMap<&str, Nanoseconds> = HashMap::new();
    let mut intervals = Vec::new();
    let mut verdict = Verdict::default();
    for (index, line) in log.lines().enumerate() {
        let number = index + 1;
        let mut words = line.split(' ');
        let (Some(word), Some(holder), Some(time), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            bail!("line {number} of the log is not of the form `WORD HOLDER NS`: {line:?}");
        };
        let time: Nanoseconds =
            time.parse().with_context(|| format!("line {number} of the log has no time: {line:?}"))?;
        match word {
            "enter" => {
                ensure!(
                    open.insert(holder, time).is_none(),
                    "line {number} of the log: {holder} enters twice"
                );
            }
            "leave" => {
                let enter = open
                    .remove(holder)
                    .with_context(|| format!("line {number}: {holder} leaves without entering"))?;
                intervals.push(Interval { holder: holder.to_owned(), enter, leave: time, killed: false });
            }
            "compromised" => verdict.compromised += 1,
            _ => bail!("line {number} of the log starts with an unknown word: {line:?}"),
        }
    }
    for (holder, enter) in open {
        let kill = kills.get(holder);
        let leave = match kill {
            Some(&kill) => {
                verdict.killed += 1;
                // It can have entered between the time that was noted and its death.
                kill.max(enter)
            }
            None => Nanoseconds::MAX,
        };
        intervals.push(Interval { holder: holder.to_owned(), enter, leave, killed: kill.is_some() });
    }
    verdict.held = intervals.len();
    for interval in &intervals {
        let (count, last) = verdict.by_holder.entry(interval.holder.clone()).or_default();
        *count += 1;
        *last = (*last).max(interval.enter);
    }
    intervals.sort_by_key(|interval| (interval.enter, interval.leave));
    verdict.takeovers = takeovers(&intervals);
    verdict.overlaps = overlaps(intervals);
    Ok(verdict)
}

/// Of intervals in the order in which they begin. A killed holder that nobody followed is none.
fn takeovers(intervals: &[Interval]) -> Vec<Nanoseconds> {
    let pairs = intervals.iter().zip(intervals.iter().skip(1));
    pairs
        .filter(|(first, _)| first.killed)
        .map(|(first, second)| second.enter.saturating_sub(first.leave))
        .collect()
}

/// Of intervals in the order in which they begin: every one that begins before the one that lasted longest so far has
/// ended.
fn overlaps(intervals: Vec<Interval>) -> Vec<Overlap> {
    let mut found = Vec::new();
    let mut latest: Option<Interval> = None;
    for interval in intervals {
        match latest {
            Some(first) if interval.enter < first.leave => {
                let longer = if interval.leave > first.leave { interval.clone() } else { first.clone() };
                found.push(Overlap { first, second: interval });
                latest = Some(longer);
            }
            _ => latest = Some(interval),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(log: &str, kills: &[(&str, u64)]) -> Verdict {
        let kills = kills.iter().map(|(holder, time)| ((*holder).to_owned(), *time)).collect();
        check(log, &kills).unwrap_or_else(|error| panic!("{error:#}"))
    }

    #[test]
    fn one_after_the_other_is_fine() {
        let verdict =
            verdict("enter a 10\nleave a 20\nenter b 20\nleave b 30\nenter a 31\nleave a 32\n", &[]);
        assert_eq!((verdict.held, verdict.overlaps.len()), (3, 0));
        assert_eq!(verdict.by_holder.get("a"), Some(&(2, 31)));
    }

    #[test]
    fn two_at_once_are_found_whatever_the_order_of_the_lines() {
        let verdict =
            verdict("enter a 10\nenter b 15\nleave b 16\nleave a 20\nenter c 18\nleave c 40\n", &[]);
        let seconds: Vec<_> = verdict.overlaps.iter().map(|overlap| overlap.second.holder.as_str()).collect();
        assert_eq!(seconds, ["b", "c"]);
    }

    #[test]
    fn a_kill_ends_an_interval() {
        let log = "enter a 10\nenter b 30\nleave b 31\n";
        assert_eq!(verdict(log, &[("a", 25)]).overlaps.len(), 0);
        assert_eq!(verdict(log, &[("a", 25)]).killed, 1);
        assert_eq!(verdict(log, &[("a", 35)]).overlaps.len(), 1);
    }

    #[test]
    fn a_takeover_lasts_from_the_kill_to_the_next_holder() {
        let log = "enter a 10\nleave a 20\nenter b 30\nenter c 75\nleave c 80\nenter d 90\n";
        assert_eq!(verdict(log, &[("b", 35), ("d", 95)]).takeovers, [40]);
        assert_eq!(verdict(log, &[("a", 25), ("b", 35), ("d", 95)]).takeovers, [40]);
    }

    #[test]
    fn without_a_kill_an_open_interval_lasts() {
        assert_eq!(verdict("enter a 10\nenter b 30\nleave b 31\n", &[]).overlaps.len(), 1);
    }

    #[test]
    fn a_killed_holder_that_had_left_holds_nothing() {
        let verdict = verdict("enter a 10\nleave a 20\nenter b 21\nleave b 22\n", &[("a", 100)]);
        assert_eq!((verdict.killed, verdict.overlaps.len()), (0, 0));
    }

    #[test]
    fn a_damaged_log_is_an_error() {
        for log in ["enter a", "enter a 1\nenter a 2", "leave a 3", "enters a 1", "enter a x"] {
            assert!(check(log, &HashMap::new()).is_err(), "{log}");
        }
    }
}
