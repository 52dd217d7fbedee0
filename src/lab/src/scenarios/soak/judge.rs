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

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::{Context, Result, bail};

use super::figures::{Figures, Violation};
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

/// What can be taken from its holder, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// The lock directory, by anybody.
    Directory,
    /// The credentials file alone: the lock directory, by who is in the same container.
    File,
}

/// Why what a process holds by the log says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Void {
    /// These are about to take it by staleness.
    Robbing(BTreeSet<String>),
    /// Its lease has run out.
    Lease,
}

#[derive(Debug, Default)]
struct Process {
    container: usize,
    /// Has asked, and not heard.
    asking: bool,
    /// Has got it, and not left.
    holding: bool,
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
        self.holding = false;
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
        self.processes.iter().find(|(_, process)| process.holding).map(|(name, _)| name.as_str())
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
                for other in self.processes.values_mut() {
                    if let Some(Void::Robbing(thieves)) = &mut other.void
                        && thieves.remove(name)
                        && thieves.is_empty()
                    {
                        other.void = None;
                    }
                }
            }
            "stopped" => {
                figures.stopped += 1;
                process.stopped = Some(time);
            }
            "continued" | "writes" => {}
            "killed" => {
                figures.killed += 1;
                figures.killed_holding += usize::from(process.holding);
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
            *name != thief && process.void != Some(Void::Lease) && reached && (silent || process.behind)
        };
        let find = |state: fn(&Process) -> bool| -> Vec<String> {
            let victims = self.processes.iter().filter(|(_, process)| state(process)).filter(victim);
            victims.map(|(name, _)| name.clone()).collect()
        };
        let mut victims = find(|process| process.holding);
        if victims.is_empty() {
            victims = find(|process| process.asking && process.stopped.is_some());
        }
        for name in victims {
            if let Some(process) = self.processes.get_mut(&name) {
                let void = process.void.get_or_insert_with(|| Void::Robbing(BTreeSet::new()));
                if let Void::Robbing(thieves) = void {
                    thieves.insert(thief.to_owned());
                }
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
        let others: Vec<&String> = self
            .processes
            .iter()
            .filter(|(other, process)| *other != name && process.void.is_none() && process.holding)
            .map(|(other, _)| other)
            .collect();
        let robbed = self.processes.get(name).is_some_and(|process| process.void.is_some());
        if let (false, Some(other)) = (robbed, others.first()) {
            let log = self.latest.iter().cloned().collect();
            let violation = Violation { second: name.to_owned(), first: (*other).clone(), log };
            self.figures.violations.push(violation);
        }
        self.count_robbed();
        let process = self.processes.get_mut(name).context("nobody has that name")?;
        process.asking = false;
        process.holding = true;
        if process.stopped.is_none() {
            process.sign = time;
        }
        Ok(())
    }

    /// Somebody has got the lock: who was robbed of it before is counted now, once.
    fn count_robbed(&mut self) {
        for process in self.processes.values_mut().filter(|process| process.void.is_some()) {
            if std::mem::take(&mut process.holding) {
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
mod tests;
