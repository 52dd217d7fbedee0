//! The oracle of the soak: from the merged log of one login, line by line, were there ever two holders?
//!
//! Pure. What counts is the order of the lines, each of which was appended by one write: a client writes `got` after it
//! got the lock and `left` before it gives it back, and the lab writes `killed` while the process is stopped. So two that
//! hold by the log did hold at once.
//!
//! One case is no violation, since every client's own rule allows it: who has shown no sign of life for as long as the
//! thief waits is **robbed**. What became of the lock until he hears of it says nothing. The same goes for a client whose
//! clock is behind: it dates its lock so that everybody takes it for stale. Where only the file is shared the lock is a
//! lease, and its end robs everywhere; a directory that is removed, only in the same container.

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::intervals::Nanoseconds;

/// How long a lease of the credentials file runs.
const LEASE: Nanoseconds = 60_000 * MILLISECOND;
const MILLISECOND: Nanoseconds = 1_000_000;
/// A clock that is behind by no more than this is right: milliseconds.
const RIGHT: i64 = 500;
/// Times in the log are whole, those of a filesystem are those of its last tick.
const TICK: Nanoseconds = 10 * MILLISECOND;
/// How many lines are kept to explain a violation.
const KEPT: usize = 200;
/// How many of them from before the first one got the lock.
const CONTEXT: usize = 20;

/// What can be taken from its holder, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// The lock directory, by anybody.
    Directory,
    /// The credentials file alone: the lock directory, by who is in the same container.
    File,
}

/// Figures of one login.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Times that the lock was held.
    pub held: usize,
    /// Processes that were killed, and how many of them held the lock.
    pub killed: usize,
    /// See `killed`.
    pub killed_holding: usize,
    /// Processes that were stopped.
    pub stopped: usize,
    /// Clocks that were set wrong, or right again.
    pub jumps: usize,
    /// Cycles without a descriptor to spare.
    pub exhausted: usize,
    /// Writes that found no room.
    pub full: usize,
    /// Robbed by staleness, and how many of them had not been stopped.
    pub robbed: usize,
    /// See `robbed`: their heartbeat was late.
    pub late: usize,
    /// Robbed because their own clock was behind.
    pub misdated: usize,
    /// Holders that heard that they were robbed.
    pub lost: usize,
    /// Credentials that a holder did not find whole.
    pub torn: usize,
    /// Processes that reported in the end.
    pub reports: usize,
    /// Descriptors, and mappings of locks, that these had more than they should.
    pub descriptors: i64,
    /// See `descriptors`.
    pub mappings: i64,
    /// Errors that clients were given, by code.
    pub errors: BTreeMap<String, usize>,
    /// Two holders at once.
    pub violations: Vec<Violation>,
}

/// Somebody got the lock that somebody else held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Who got it.
    second: String,
    /// Who held it.
    first: String,
    /// The log from where the first one got it, or so much of it as is kept.
    log: Vec<String>,
}

/// Why what a process holds by the log says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Void {
    /// This one is about to take it by staleness.
    Robbing(String),
    /// Its lease has run out.
    Lease,
}

#[derive(Debug, Default)]
struct Process {
    container: usize,
    /// Has asked, and not heard.
    asking: bool,
    /// The line of its `got`.
    holding: Option<usize>,
    void: Option<Void>,
    /// Its last sign of life, since it asked.
    sign: Nanoseconds,
    /// Whether it dated its lock by a clock that was behind.
    behind: bool,
    /// When it was stopped, if that was after its last sign of life.
    stopped: Option<Nanoseconds>,
}

impl Process {
    fn ends(&mut self) {
        self.asking = false;
        self.holding = None;
        self.void = None;
    }
}

/// Reads the log as it grows.
pub struct Judge {
    shared: Shared,
    figures: Figures,
    line: usize,
    latest: VecDeque<String>,
    processes: BTreeMap<String, Process>,
}

impl Judge {
    /// Before the first line.
    pub fn new(shared: Shared) -> Self {
        Self {
            shared,
            figures: Figures::default(),
            line: 0,
            latest: VecDeque::with_capacity(KEPT),
            processes: BTreeMap::new(),
        }
    }

    /// So far.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Who holds the lock.
    pub fn holder(&self) -> Option<&str> {
        self.processes.iter().find(|(_, process)| process.holding.is_some()).map(|(name, _)| name.as_str())
    }

    /// The next line.
    pub fn read(&mut self, line: &str) -> Result<()> {
        self.line += 1;
        if self.latest.len() == KEPT {
            self.latest.pop_front();
        }
        self.latest.push_back(line.to_owned());
        self.understand(line).with_context(|| format!("line {} of the log: {line:?}", self.line))
    }

    fn understand(&mut self, line: &str) -> Result<()> {
        let mut words = line.split(' ');
        let (Some(word), Some(name), Some(time)) = (words.next(), words.next(), words.next()) else {
            bail!("expected WORD NAME NANOSECONDS");
        };
        let time: Nanoseconds = time.parse()?;
        let rest: Vec<&str> = words.collect();
        let number = |index: usize| -> Result<i64> {
            Ok(rest.get(index).context("a number is missing")?.parse::<i64>()?)
        };
        if word == "born" {
            let container = usize::try_from(number(0)?)?;
            self.processes.insert(name.to_owned(), Process { container, ..Process::default() });
            return Ok(());
        }
        match word {
            "robs" => self.robs(name, time, number(0)?.unsigned_abs() * MILLISECOND)?,
            "got" => self.got(name, time)?,
            _ => {}
        }
        let figures = &mut self.figures;
        let process = self.processes.get_mut(name).context("nobody has that name")?;
        match word {
            "robs" | "got" => {}
            "ask" => {
                let container = process.container;
                *process = Process { container, asking: true, sign: time, ..Process::default() };
            }
            "fail" | "left" => process.ends(),
            "lost" => {
                figures.lost += 1;
                process.ends();
            }
            "beat" => {
                process.behind |= number(0)? < -RIGHT;
                process.sign = process.sign.max(time);
                process.stopped = process.stopped.filter(|&stopped| stopped > time);
            }
            "spares" => {
                let spared = Void::Robbing(name.to_owned());
                for other in self.processes.values_mut().filter(|other| other.void.as_ref() == Some(&spared))
                {
                    other.void = None;
                }
            }
            "stopped" => {
                figures.stopped += 1;
                process.stopped = Some(time);
            }
            "continued" => {}
            "killed" => {
                figures.killed += 1;
                figures.killed_holding += usize::from(process.holding.is_some());
                process.ends();
            }
            "jump" => figures.jumps += 1,
            "exhausted" => figures.exhausted += 1,
            "full" => figures.full += 1,
            "torn" => figures.torn += usize::from(process.void.is_none()),
            "error" => {
                let code = (*rest.first().context("an error has a code")?).to_owned();
                *figures.errors.entry(code).or_default() += 1;
            }
            "peace" => {
                figures.reports += 1;
                figures.descriptors += number(0)?.max(0);
                figures.mappings += number(1)?;
            }
            _ => bail!("an unknown word"),
        }
        Ok(())
    }

    /// Whom it robs: a holder, else one who may hold and was not yet able to say so.
    fn robs(&mut self, thief: &str, time: Nanoseconds, age: Nanoseconds) -> Result<()> {
        let container = self.processes.get(thief).context("nobody has that name")?.container;
        let shared = self.shared;
        let victim = |(name, process): &(&String, &Process)| {
            let reached = shared == Shared::Directory || process.container == container;
            let silent = time.saturating_sub(process.sign) + TICK >= age;
            *name != thief && process.void.is_none() && reached && (silent || process.behind)
        };
        let find = |state: fn(&Process) -> bool| -> Vec<String> {
            let victims = self.processes.iter().filter(|(_, process)| state(process)).filter(victim);
            victims.map(|(name, _)| name.clone()).collect()
        };
        let mut victims = find(|process| process.holding.is_some());
        if victims.is_empty() {
            victims = find(|process| process.asking && process.stopped.is_some());
        }
        for name in victims {
            if let Some(process) = self.processes.get_mut(&name) {
                process.void = Some(Void::Robbing(thief.to_owned()));
            }
        }
        Ok(())
    }

    fn got(&mut self, name: &str, time: Nanoseconds) -> Result<()> {
        self.figures.held += 1;
        if self.shared == Shared::File {
            let over = |process: &&mut Process| time.saturating_sub(process.sign) + TICK >= LEASE;
            for process in self.processes.values_mut().filter(over) {
                process.void.get_or_insert(Void::Lease);
            }
        }
        let others: Vec<(&String, usize)> = self
            .processes
            .iter()
            .filter(|(other, process)| *other != name && process.void.is_none())
            .filter_map(|(other, process)| Some((other, process.holding?)))
            .collect();
        let robbed = self.processes.get(name).is_some_and(|process| process.void.is_some());
        if let (false, Some((other, since))) = (robbed, others.first()) {
            let lines = (self.line - since + CONTEXT).min(self.latest.len());
            let log = self.latest.range(self.latest.len() - lines..).cloned().collect();
            let violation = Violation { second: name.to_owned(), first: (*other).clone(), log };
            self.figures.violations.push(violation);
        }
        self.count_robbed();
        let line = self.line;
        let process = self.processes.get_mut(name).context("nobody has that name")?;
        process.asking = false;
        process.holding = Some(line);
        if process.stopped.is_none() {
            process.sign = time;
        }
        Ok(())
    }

    /// Somebody has got the lock: who was robbed of it before is counted now, once.
    fn count_robbed(&mut self) {
        for process in self.processes.values_mut().filter(|process| process.void.is_some()) {
            if process.holding.take().is_some() {
                match (process.behind, process.stopped) {
                    (true, _) => self.figures.misdated += 1,
                    (false, stopped) => {
                        self.figures.robbed += 1;
                        self.figures.late += usize::from(stopped.is_none());
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times in the lines are in milliseconds here.
    fn figures(shared: Shared, lines: &[&str]) -> Figures {
        let mut judge = Judge::new(shared);
        let births = ["born a 0 0", "born b 0 0", "born c 0 1"];
        for line in births.iter().chain(lines) {
            let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            words[2].push_str("000000");
            judge.read(&words.join(" ")).unwrap_or_else(|error| panic!("{error:#}"));
        }
        judge.figures
    }

    fn violations(lines: &[&str]) -> usize {
        figures(Shared::Directory, lines).violations.len()
    }

    #[test]
    fn one_after_the_other_is_fine() {
        let lines =
            ["ask a 1", "ask b 1", "got a 2", "left a 9", "got b 3", "left b 9", "ask a 9", "got a 9"];
        let found = figures(Shared::Directory, &lines);
        assert_eq!((found.held, found.violations.len()), (3, 0));
    }

    #[test]
    fn two_at_once_are_found() {
        assert_eq!(violations(&["ask a 1", "got a 2", "ask b 3", "got b 4", "left b 5", "left a 6"]), 1);
    }

    #[test]
    fn a_kill_ends_what_it_held() {
        assert_eq!(violations(&["ask a 1", "got a 2", "killed a 3", "ask b 3", "got b 4"]), 0);
        assert_eq!(violations(&["ask a 1", "killed a 3", "ask b 3", "got b 4", "ask c 5", "got c 6"]), 1);
    }

    #[test]
    fn who_was_stopped_for_longer_than_the_thief_waits_is_robbed() {
        let lines = ["ask a 1", "got a 2", "stopped a 3", "ask b 10", "robs b 5002 5000", "got b 5003"];
        let found = figures(Shared::Directory, &lines);
        assert_eq!((found.violations.len(), found.robbed, found.late), (0, 1, 0));
        // And so is one that lives.
        let early = ["ask a 1", "got a 2", "stopped a 3", "ask b 10", "robs b 4900 5000", "got b 5003"];
        assert_eq!(violations(&early), 1);
        let beats = ["ask a 1", "got a 2", "beat a 1000 0", "ask b 10", "robs b 5900 5000", "got b 5903"];
        assert_eq!(violations(&beats), 1);
    }

    #[test]
    fn a_robbery_that_was_refused_excuses_nothing() {
        let lines = ["ask a 1", "got a 2", "ask b 10", "robs b 5002 5000", "spares b 5003", "got b 5004"];
        assert_eq!(violations(&lines), 1);
    }

    #[test]
    fn the_robbed_one_is_robbed_until_it_asks_again() {
        let robbery = ["ask a 1", "got a 2", "stopped a 3", "ask b 10", "robs b 5002 5000", "got b 5003"];
        let mut lines = robbery.to_vec();
        lines.extend(["left b 5004", "ask c 5005", "got c 5006", "left a 5007", "ask a 5008"]);
        assert_eq!(violations(&lines), 0);
        lines.push("got a 5009");
        assert_eq!(violations(&lines), 1);
    }

    #[test]
    fn one_that_is_stopped_before_it_can_say_that_it_holds_is_robbed_too() {
        let stop = ["ask a 1", "stopped a 2", "ask b 10", "robs b 5002 5000", "got b 5003", "got a 9000"];
        assert_eq!(violations(&stop), 0);
        let no_stop = ["ask a 1", "ask b 10", "robs b 5002 5000", "got b 5003", "got a 9000"];
        assert_eq!(violations(&no_stop), 1);
    }

    #[test]
    fn a_clock_that_is_behind_is_its_owners_fault() {
        let behind = ["ask a 1", "beat a 1 -9000", "got a 2", "ask b 3", "robs b 4 5000", "got b 5"];
        let found = figures(Shared::Directory, &behind);
        assert_eq!((found.violations.len(), found.misdated), (0, 1));
        let ahead = ["ask a 1", "beat a 1 9000", "got a 2", "ask b 3", "robs b 4 5000", "got b 5"];
        assert_eq!(violations(&ahead), 1);
    }

    #[test]
    fn a_lease_ends_after_its_time_and_by_nobody_in_another_container() {
        let end = |time: &str| {
            let got = format!("got c {time}");
            figures(
                Shared::File,
                &["ask a 1", "got a 2", "stopped a 3", "ask c 10", "robs c 9000 5000", &got],
            )
        };
        assert_eq!(end("9001").violations.len(), 1);
        assert_eq!((end("60003").violations.len(), end("60003").robbed), (0, 1));
        let same = ["ask a 1", "got a 2", "stopped a 3", "ask b 10", "robs b 9000 5000", "got b 9001"];
        assert_eq!(figures(Shared::File, &same).violations.len(), 0);
    }

    #[test]
    fn a_damaged_log_is_an_error() {
        for line in ["ask", "ask a x", "ask nobody 1", "asks a 1", "beat a 1", "peace a 1 2"] {
            let mut judge = Judge::new(Shared::Directory);
            judge.read("born a 0 0").unwrap_or_else(|error| panic!("{error:#}"));
            assert!(judge.read(line).is_err(), "{line}");
        }
    }
}
