//! The processes of one login: started, stopped, killed, replaced; and the log that they share with the lab.
//!
//! What the lab does to a process it writes to the log while the process is stopped, so that the line has its place among
//! the lines of that process.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use rustix::time::{ClockId, clock_gettime};

use super::client::{Client, Kind, Programs};
use super::figures::Figures;
use super::judge::Judge;
use super::place::Home;
use crate::container::Process;

/// What a process gets to be stopped.
const TO_STOP: Duration = Duration::from_secs(10);
/// How long to look for a holder before any process will do.
const SEARCH: Duration = Duration::from_secs(2);
/// How long a client without the library is stopped: shorter than any client waits.
const INSTANT: Duration = Duration::from_millis(200);

/// A process and its place.
struct Member {
    name: String,
    kind: Kind,
    container: usize,
    process: Process,
    /// When it is to go on, if it is stopped.
    until: Option<Instant>,
    ended: bool,
}

impl Member {
    fn runs(&self) -> bool {
        !self.ended && self.until.is_none()
    }
}

/// All processes of one login.
pub struct Crowd<'a> {
    /// The login.
    pub home: Home,
    /// Processes that ended otherwise than they should: a sentence each.
    pub failures: Vec<String>,
    programs: &'a Programs<'a>,
    library: bool,
    members: Vec<Member>,
    started: usize,
    judge: Judge,
    log: File,
    tail: File,
    unread: Vec<u8>,
}

impl<'a> Crowd<'a> {
    /// Nobody yet.
    pub fn new(home: Home, programs: &'a Programs<'a>, library: bool) -> Result<Self> {
        let log = File::options().create(true).append(true).open(home.log())?;
        let tail = File::open(home.log())?;
        let judge = Judge::new(home.shared);
        let (members, failures, unread) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { home, failures, programs, library, members, started: 0, judge, log, tail, unread })
    }

    /// Starts a process of each kind in each container.
    pub fn start_all(&mut self, kinds: &[Kind], random: &mut fastrand::Rng) -> Result<()> {
        for container in 0..self.home.containers.len() {
            for &kind in kinds {
                let member = self.start(container, kind, false, random)?;
                self.members.push(member);
            }
        }
        Ok(())
    }

    fn start(
        &mut self,
        container: usize,
        kind: Kind,
        last: bool,
        random: &mut fastrand::Rng,
    ) -> Result<Member> {
        self.started += 1;
        let name = format!("{}-{}", self.started, kind.word());
        // Every second container has clocks of its own, the first one has the machine's.
        let other_time = container % 2 == 1;
        let client = Client { name: name.clone(), kind, seed: random.u32(1..u32::MAX / 2), other_time, last };
        let launch = self.programs.launch(&client, &self.home, self.library)?;
        self.note("born", &name, Some(container))?;
        let complaints = File::options().create(true).append(true).open(self.home.complaints())?;
        let output = complaints.try_clone()?;
        let process = self.home.containers[container].spawn(&launch, 0, output, complaints)?;
        Ok(Member { name, kind, container, process, until: None, ended: false })
    }

    fn note(&mut self, word: &str, name: &str, number: Option<usize>) -> Result<()> {
        let time = clock_gettime(ClockId::Monotonic);
        let time = time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64;
        let number = number.map(|number| format!(" {number}")).unwrap_or_default();
        self.log.write_all(format!("{word} {name} {time}{number}\n").as_bytes()).context("the merged log")
    }

    /// Reads what is new in the log, and looks after the processes: who has been stopped long enough goes on.
    pub fn attend(&mut self) -> Result<()> {
        self.read()?;
        for index in 0..self.members.len() {
            let member = &mut self.members[index];
            if !member.ended
                && let Some(status) = member.process.try_wait()?
            {
                member.ended = true;
                self.failures.push(format!("{} ended with {status}", member.name));
            } else if member.until.is_some_and(|until| until <= Instant::now()) {
                self.continue_one(index)?;
            }
        }
        Ok(())
    }

    fn read(&mut self) -> Result<()> {
        self.tail.read_to_end(&mut self.unread)?;
        let end = self.unread.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        let lines: Vec<u8> = self.unread.drain(..end).collect();
        str::from_utf8(&lines)?.lines().try_for_each(|line| self.judge.read(line))
    }

    /// So far.
    pub fn figures(&self) -> &Figures {
        self.judge.figures()
    }

    /// Stops a process that runs; the holder, if that is wanted and it can be caught.
    fn catch(&mut self, holder: bool, random: &mut fastrand::Rng) -> Result<Option<usize>> {
        let running = self.members.iter().filter(|member| member.runs()).count();
        // Enough of them are to go on that the lock is asked for.
        if running * 2 <= self.members.len() {
            return Ok(None);
        }
        let deadline = Instant::now() + SEARCH;
        while holder && Instant::now() < deadline {
            self.read()?;
            let holds = self.judge.holder();
            let found = self.members.iter().position(|member| member.runs() && holds == Some(&member.name));
            if let Some(index) = found
                && self.stop(index)?
            {
                self.read()?;
                if self.judge.holder() == Some(&self.members[index].name) {
                    return Ok(Some(index));
                }
                self.members[index].process.signal(Signal::CONT)?;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let running: Vec<usize> =
            (0..self.members.len()).filter(|&index| self.members[index].runs()).collect();
        let index = random.choice(running);
        match index {
            Some(index) if self.stop(index)? => Ok(Some(index)),
            _ => Ok(None),
        }
    }

    /// Kills one; another one of its kind takes its place.
    pub fn kill_one(&mut self, holder: bool, random: &mut fastrand::Rng) -> Result<()> {
        let Some(index) = self.catch(holder, random)? else { return Ok(()) };
        let name = self.members[index].name.clone();
        self.note("killed", &name, None)?;
        self.members[index].process.kill()?;
        let Member { container, kind, .. } = self.members[index];
        self.members[index] = self.start(container, kind, false, random)?;
        Ok(())
    }

    /// Stops one for so long; one that has no library to see that it was robbed, only for an instant.
    pub fn stop_one(&mut self, holder: bool, time: Duration, random: &mut fastrand::Rng) -> Result<()> {
        let Some(index) = self.catch(holder, random)? else { return Ok(()) };
        let name = self.members[index].name.clone();
        self.note("stopped", &name, None)?;
        if self.members[index].kind.library {
            self.members[index].until = Some(Instant::now() + time);
            return Ok(());
        }
        // At once, and not when the lab has time for it: after a longer stop it would remove another one's lock.
        std::thread::sleep(time.min(INSTANT));
        self.continue_one(index)
    }

    /// Whether it is stopped now; one that has ended is not.
    fn stop(&mut self, index: usize) -> Result<bool> {
        let member = &mut self.members[index];
        member.process.signal(Signal::STOP)?;
        let path = format!("/proc/{}/stat", member.process.pid()?.as_raw_nonzero());
        let deadline = Instant::now() + TO_STOP;
        loop {
            let state = fs::read_to_string(&path).ok();
            // The state follows the name, which is in parentheses.
            match state.as_deref().and_then(|text| text.rsplit(") ").next()?.chars().next()) {
                Some('T') => return Ok(true),
                Some('Z') | None => return Ok(false),
                Some(_) => std::thread::sleep(Duration::from_micros(100)),
            }
            ensure!(Instant::now() < deadline, "{} is not to be stopped", member.name);
        }
    }

    fn continue_one(&mut self, index: usize) -> Result<()> {
        let name = self.members[index].name.clone();
        self.note("continued", &name, None)?;
        self.members[index].until = None;
        self.members[index].process.signal(Signal::CONT)
    }

    /// Lets everybody take the lock once more and end.
    pub fn finish(&mut self, patience: Duration) -> Result<()> {
        self.home.empty()?;
        for index in 0..self.members.len() {
            if self.members[index].until.is_some() {
                self.continue_one(index)?;
            }
            self.members[index].process.signal(Signal::TERM)?;
        }
        let mut members = std::mem::take(&mut self.members);
        let deadline = Instant::now() + patience;
        for member in members.iter_mut().filter(|member| !member.ended) {
            self.wait(member, deadline)?;
        }
        self.read()
    }

    fn wait(&mut self, member: &mut Member, deadline: Instant) -> Result<()> {
        while Instant::now() < deadline {
            self.read()?;
            match member.process.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    self.failures.push(format!("{} ended with {status}", member.name));
                    return Ok(());
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        member.process.kill()?;
        self.failures.push(format!("{} did not end", member.name));
        Ok(())
    }

    /// One more client of each kind in each container, one after the other: they find what the killed have left.
    pub fn last_ones(
        &mut self,
        kinds: &[Kind],
        patience: Duration,
        random: &mut fastrand::Rng,
    ) -> Result<()> {
        for container in 0..self.home.containers.len() {
            for &kind in kinds {
                let mut member = self.start(container, kind, true, random)?;
                self.wait(&mut member, Instant::now() + patience)?;
            }
        }
        self.read()
    }

    /// What the processes said of their failures.
    pub fn complaints(&self) -> String {
        fs::read_to_string(self.home.complaints()).unwrap_or_default()
    }
}
