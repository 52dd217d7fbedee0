//! Many processes hold the lock in turn, some are killed; a merged log says whether there was ever more than one holder.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use super::run::{Client, Lab, Run, Running};
use crate::args::{LibraryChoice, StressArgs};
use crate::clients::Task;
use crate::intervals::{self, Nanoseconds, Verdict};
use crate::report::Report;
use crate::server::tokens::Strictness;
use crate::server::{Behaviour, Rotation};
use crate::spec::Program;

/// How long to look for a holder to kill before any process will do.
const SEARCH: Duration = Duration::from_secs(2);
/// What processes get to end after the time is over.
const GRACE: Duration = Duration::from_secs(60);

struct Outcome {
    verdict: Verdict,
    kills: usize,
    failed: Vec<String>,
    left: Vec<String>,
}

/// Runs all variants.
pub fn run(lab: &Lab, args: &StressArgs) -> Result<Report> {
    ensure!(
        matches!(args.client.program, Program::ProperLockfile(_) | Program::C(_)),
        "`stress` runs model clients only: a real one refreshes once and ends"
    );
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    let title = format!(
        "stress: {} {} in {} containers for {} s, {}, seed {seed}",
        args.processes,
        args.client.program,
        args.containers,
        args.seconds,
        args.setting.place.words()
    );
    let held =
        "held: times that a process held the lock; of the killed, in brackets, those that held it then";
    let mut report = Report::new(title, &[held]);
    report.columns = vec!["library", "held", "killed", "two holders", "compromised", "failed", "left"];
    for (label, library) in variants(args) {
        let mut random = fastrand::Rng::with_seed(seed);
        let outcome = once(lab, args, &library, &mut random)?;
        let Verdict { held, killed, takeovers, overlaps, compromised, by_holder } = &outcome.verdict;
        let last = by_holder.values().map(|(_, time)| *time).max().unwrap_or_default();
        // Who was kept waiting: seconds between its last turn and anybody's last turn.
        let turns: serde_json::Map<String, serde_json::Value> = by_holder
            .iter()
            .map(|(name, (count, time))| {
                let idle = Duration::from_nanos(last - time).as_secs_f64();
                (name.clone(), json!({ "held": count, "idle_at_end_s": idle }))
            })
            .collect();
        let takeovers: Vec<f64> =
            takeovers.iter().map(|&time| Duration::from_nanos(time).as_secs_f64()).collect();
        eprintln!("stress: library {label}: held {held} times, {} overlaps", overlaps.len());
        if args.expect_exclusive {
            for (what, count) in [
                ("two holders at once", overlaps.len()),
                ("locks left behind", outcome.left.len()),
                ("processes that failed", outcome.failed.len()),
            ] {
                if count > 0 {
                    report.failures.push(format!("library {label}: {what}: {count}"));
                }
            }
            if *held == 0 {
                report.failures.push(format!("library {label}: nobody ever held the lock"));
            }
        }
        report.rows.push(vec![
            label.to_owned(),
            held.to_string(),
            format!("{} ({killed})", outcome.kills),
            overlaps.len().to_string(),
            compromised.to_string(),
            outcome.failed.len().to_string(),
            if outcome.left.is_empty() { "-".to_owned() } else { outcome.left.join(" ") },
        ]);
        let first: Vec<String> = overlaps
            .iter()
            .take(10)
            .map(|overlap| format!("{:?} and {:?}", overlap.first, overlap.second))
            .collect();
        report.details.push(json!({
            "library": label,
            "seed": seed,
            "held": held,
            "kills": outcome.kills,
            "killed_while_holding": killed,
            "takeovers_s": takeovers,
            "overlaps": overlaps.len(),
            "first_overlaps": first,
            "compromised": compromised,
            "failed": outcome.failed,
            "locks_left": outcome.left,
            "turns": turns,
        }));
    }
    Ok(report)
}

/// Label and, for process `n`, whether it has the library.
type Distribution = (&'static str, Box<dyn Fn(usize) -> bool>);

fn variants(args: &StressArgs) -> Vec<Distribution> {
    let none = || -> Distribution { ("none", Box::new(|_| false)) };
    let all = || -> Distribution { ("all", Box::new(|_| true)) };
    match (args.client.library, args.library) {
        (Some(true), _) | (None, LibraryChoice::All) => vec![all()],
        (Some(false), _) | (None, LibraryChoice::None) => vec![none()],
        (None, LibraryChoice::Half) => vec![("half", Box::new(|index| index.is_multiple_of(2)))],
        (None, LibraryChoice::Compare) => vec![none(), all()],
    }
}

/// The processes of one variant.
struct Crowd<'a> {
    run: Run<'a>,
    args: &'a StressArgs,
    library: &'a dyn Fn(usize) -> bool,
    log: PathBuf,
    end: Instant,
    members: Vec<(String, Running)>,
    kills: HashMap<String, Nanoseconds>,
}

fn once(
    lab: &Lab,
    args: &StressArgs,
    library: &dyn Fn(usize) -> bool,
    random: &mut fastrand::Rng,
) -> Result<Outcome> {
    let behaviour = Behaviour {
        strictness: Strictness::Strict,
        rotation: Rotation::OnArrival,
        delay: Duration::ZERO,
        first_delay: None,
    };
    let duration = crate::seconds(args.seconds, "--seconds")?;
    let owners = vec![args.client.uid.unwrap_or(0); usize::from(args.containers)];
    let run = Run::prepare(lab, args.setting.setting(), behaviour, &owners)?;
    let log = run.scratch("stress.log", owners.first().copied().unwrap_or(0))?;
    let start = Instant::now();
    let mut crowd =
        Crowd { run, args, library, log, end: start + duration, members: Vec::new(), kills: HashMap::new() };
    for index in 0..usize::from(args.processes) {
        let member = crowd.start(index, format!("p{index}"))?;
        crowd.members.push(member);
    }
    if let Some(one_in) = args.kill_one_in {
        let count = usize::from(args.processes.div_ceil(one_in));
        let mut times: Vec<Duration> = (0..count).map(|_| duration.mul_f64(random.f64() * 0.75)).collect();
        times.sort();
        for (number, time) in times.into_iter().enumerate() {
            std::thread::sleep((start + time).saturating_duration_since(Instant::now()));
            crowd.kill_one(number, random)?;
        }
    }
    crowd.finish()
}

impl Crowd<'_> {
    fn start(&mut self, index: usize, name: String) -> Result<(String, Running)> {
        let client = Client {
            program: self.args.client.program,
            uid: self.args.client.uid.unwrap_or(0),
            library: (self.library)(index),
        };
        let task = Task::Stress {
            name: name.clone(),
            log: self.log.clone(),
            duration: self.end.saturating_duration_since(Instant::now()),
            hold: Duration::from_millis(self.args.hold),
        };
        Ok((name, self.run.start(index, client, &task)?))
    }

    /// Every second time the holder, if one can be caught, otherwise any process. Another one takes its place.
    fn kill_one(&mut self, number: usize, random: &mut fastrand::Rng) -> Result<()> {
        let deadline = Instant::now() + SEARCH;
        let mut target = random.usize(..self.members.len());
        if number.is_multiple_of(2) {
            while Instant::now() < deadline {
                let holder = last_line(&self.log)?.strip_prefix("enter ").and_then(|rest| {
                    let name = rest.split(' ').next()?;
                    self.members.iter().position(|(member, _)| member == name)
                });
                if let Some(holder) = holder {
                    target = holder;
                    break;
                }
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        let (name, member) = &mut self.members[target];
        // Not later than its death: what it still does after this counts against the lock, not for it.
        let time = clock_gettime(ClockId::Monotonic);
        let time = time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64;
        member.kill()?;
        self.kills.insert(name.clone(), time);
        let replacement = self.start(target, format!("p{target}-after-kill-{number}"))?;
        self.members[target] = replacement;
        Ok(())
    }

    fn finish(mut self) -> Result<Outcome> {
        let deadline = self.end + GRACE;
        loop {
            let patience = if Instant::now() < deadline { Duration::MAX } else { Duration::ZERO };
            let mut alive = false;
            for (_, member) in &mut self.members {
                alive |= !member.poll(patience)?;
            }
            if !alive {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let failed = self
            .members
            .iter()
            .map(|(name, member)| (name, member.ending()))
            .filter(|(_, ending)| ending.exit_code != Some(0))
            .map(|(name, ending)| {
                format!("{name}: {:?} {}", ending.exit_code, ending.said.unwrap_or_default())
            })
            .collect();
        let log = fs::read_to_string(&self.log).context("reading the merged log")?;
        Ok(Outcome {
            verdict: intervals::check(&log, &self.kills)?,
            kills: self.kills.len(),
            failed,
            left: self.run.locks_left_in(self.run.containers())?,
        })
    }
}

/// The last complete line of a file that grows.
fn last_line(path: &Path) -> Result<String> {
    let mut file = File::open(path)?;
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(200)))?;
    let mut tail = String::new();
    file.read_to_string(&mut tail)?;
    Ok(tail.trim_end().lines().next_back().unwrap_or_default().to_owned())
}
