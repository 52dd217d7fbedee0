//! A busy reader of the credentials file while clients refresh one after the other: does it ever see half a file?
//!
//! The reader only logs what it finds (`clients/reader.c`); what that is worth is judged here.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use serde::Serialize;
use serde_json::{Value, json};

use super::run::{Client, Lab, Run, Running};
use super::series::{self, Cell, End, Series};
use super::{Variant, variants};
use crate::args::ReaderArgs;
use crate::clients::Task;
use crate::credentials::Found;
use crate::report::{Report, join};
use crate::server::tokens::Strictness;
use crate::server::{Behaviour, Rotation};
use crate::spec::{Band, Program};

/// The container of the clients and the one of the reader.
const CLIENTS: usize = 0;
/// See [`CLIENTS`].
const READER: usize = 1;
/// What the reader gets to write its log when it is told to end.
const GRACE: Duration = Duration::from_secs(10);

/// What the reader found.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Readings {
    /// All of them.
    reads: u64,
    empty: Times,
    /// Not JSON.
    torn: Times,
    /// The file could not be opened or read.
    failed: Times,
    /// Different contents that are JSON.
    contents: usize,
}

/// How often something was found, and in how many stretches: reads in a row that found the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Times {
    stretches: usize,
    reads: u64,
}

/// What one run came to.
#[derive(Debug, Serialize)]
pub struct Outcome {
    answers: usize,
    seconds: f64,
    reader: Readings,
    #[serde(flatten)]
    end: End,
}

impl AsRef<End> for Outcome {
    fn as_ref(&self) -> &End {
        &self.end
    }
}

/// Runs all variants.
pub fn run(lab: &Lab, args: &ReaderArgs) -> Result<Report> {
    let program = args.single.client.program;
    ensure!(program.talks_to_server(), "the clients of `reader` must refresh, which the C client does not");
    let who =
        if args.reader_has_library { "with the library where the clients have it" } else { "without it" };
    let title = format!(
        "reader: {} refreshes by {program} in sequence, a reader {who}, {}",
        args.refreshes,
        args.single.setting.place.words()
    );
    let figures = "empty, torn, failed: stretches of reads that found this, in brackets how many reads";
    let mut report = Report::new(title, &[figures]);
    match program {
        Program::ProperLockfile(Band::Old) => {
            report.notes.push("a model, which writes as 2.1.112 does: O_TRUNC in place".to_owned());
        }
        Program::ProperLockfile(Band::New) => {
            let writes =
                "a model, which writes as 2.1.329 does: temporary, fsync, rename; on EBUSY O_TRUNC in place";
            report.notes.push(writes.to_owned());
        }
        _ => {}
    }
    series::run(&mut report, lab, args, &variants(&args.single.clients()), args.single.runs)?;
    Ok(report)
}

impl Series for ReaderArgs {
    type Outcome = Outcome;
    const NAME: &'static str = "reader";

    fn once(&self, lab: &Lab, variant: &Variant) -> Result<Outcome> {
        let behaviour = Behaviour {
            strictness: Strictness::Strict,
            rotation: Rotation::OnArrival,
            delay: Duration::ZERO,
            first_delay: None,
        };
        let client = variant.clients[0];
        let mut run = Run::prepare(lab, self.single.setting.setting(), behaviour, &[client.uid, client.uid])?;
        let log = run.scratch("reader.log", client.uid)?;
        let reader = Client {
            program: Program::C(Band::Old),
            uid: client.uid,
            library: client.library && self.reader_has_library,
        };
        let mut reader = run.start(READER, reader, &Task::Read { log: log.clone() })?;
        let began = Instant::now();
        let mut answers = 0;
        for number in 1..=self.refreshes {
            if number > 1 {
                run.expire().with_context(|| format!("before refresh {number}"))?;
            }
            let mut running = [run.start(CLIENTS, client, &Task::Refresh { hold: Duration::ZERO })?];
            answers += run.wait(&mut running)?.iter().filter(|ending| ending.answered).count();
        }
        let seconds = began.elapsed().as_secs_f64();
        end(&mut reader)?;
        let found = fs::read(&log).context("reading the reader's log")?;
        Ok(Outcome { answers, seconds, reader: judge(&found)?, end: End::of(&run, run.containers())? })
    }

    fn summary(&self, outcome: &Outcome) -> String {
        let Readings { reads, empty, torn, .. } = &outcome.reader;
        format!(
            "{} refreshes, {reads} reads, {} times empty, {} times torn",
            outcome.end.counters.token200, empty.stretches, torn.stretches
        )
    }

    fn complaints(&self, variant: &Variant, outcome: &Outcome) -> Vec<String> {
        if !self.expect_whole || !variant.has_library() {
            return Vec::new();
        }
        let Readings { empty, torn, failed, .. } = outcome.reader;
        let mut complaints: Vec<String> = [("empty", empty), ("torn", torn), ("failed", failed)]
            .into_iter()
            .filter(|(_, times)| times.reads > 0)
            .map(|(word, times)| format!("{word}: {}", words(times)))
            .collect();
        let refreshes = outcome.end.counters.token200;
        if refreshes != usize::from(self.refreshes) {
            complaints.push(format!("{refreshes} refreshes"));
        }
        if outcome.end.credentials != Found::Good {
            complaints.push(format!("credentials {}", outcome.end.credentials.word()));
        }
        complaints
    }

    fn cells(&self, variant: &Variant, outcomes: &[Outcome]) -> Vec<Cell> {
        let times = |which: fn(&Readings) -> Times| {
            join(outcomes.iter().map(|outcome| words(which(&outcome.reader))))
        };
        let mut cells = vec![("library", variant.label.clone())];
        cells.extend(series::tokens(outcomes));
        cells.extend([
            ("answers", join(outcomes.iter().map(|outcome| outcome.answers))),
            ("seconds", join(outcomes.iter().map(|outcome| format!("{:.0}", outcome.seconds)))),
            ("reads", join(outcomes.iter().map(|outcome| outcome.reader.reads))),
            ("empty", times(|reader| reader.empty)),
            ("torn", times(|reader| reader.torn)),
            ("failed", times(|reader| reader.failed)),
            ("contents", join(outcomes.iter().map(|outcome| outcome.reader.contents))),
        ]);
        cells.extend(series::ends(outcomes));
        cells
    }

    fn setting(&self) -> Value {
        json!({
            "layout": self.single.setting.place.layout,
            "refreshes": self.refreshes,
            "reader_has_library": self.reader_has_library,
        })
    }
}

fn words(times: Times) -> String {
    match times.stretches {
        0 => "0".to_owned(),
        stretches => format!("{stretches} ({})", times.reads),
    }
}

/// Tells the reader to end, and sees that it read until then.
fn end(reader: &mut Running) -> Result<()> {
    reader.signal(Signal::TERM)?;
    let deadline = Instant::now() + GRACE;
    while !reader.poll(Duration::MAX)? {
        ensure!(Instant::now() < deadline, "the reader does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    let ending = reader.ending();
    if ending.exit_code != Some(0) {
        bail!("the reader failed: {:?} {}", ending.exit_code, ending.said.unwrap_or_default());
    }
    Ok(())
}

/// What a log of `LENGTH READS` lines, each with a content behind it, says.
fn judge(mut log: &[u8]) -> Result<Readings> {
    let mut found = Readings::default();
    let mut contents = BTreeSet::new();
    while !log.is_empty() {
        let end = log.iter().position(|&byte| byte == b'\n').context("the reader's log ends in a line")?;
        let (line, rest) = log.split_at(end);
        let line = str::from_utf8(line).context("a line of the reader's log")?;
        let (length, reads) = line.split_once(' ').with_context(|| format!("a line of the log: {line:?}"))?;
        let (length, reads): (i64, u64) = (length.parse()?, reads.parse()?);
        let (content, rest) = rest[1..]
            .split_at_checked(usize::try_from(length).unwrap_or(0))
            .context("the reader's log ends in a content")?;
        log = rest;
        found.reads += reads;
        let times = if length < 0 {
            &mut found.failed
        } else if content.trim_ascii().is_empty() {
            &mut found.empty
        } else if serde_json::from_slice::<Value>(content).is_err() {
            &mut found.torn
        } else {
            contents.insert(content);
            continue;
        };
        times.stretches += 1;
        times.reads += reads;
    }
    ensure!(found.reads > 0, "the reader read nothing");
    found.contents = contents.len();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_finds_is_told_apart() -> Result<()> {
        let log = b"2 10\n{}0 3\n2 1\n{}-1 2\n4 5\n{\"a\"0 1\n8 1\n{\"b\": 1}";
        let found = judge(log)?;
        assert_eq!((found.reads, found.contents), (23, 2));
        assert_eq!(found.empty, Times { stretches: 2, reads: 4 });
        assert_eq!(found.torn, Times { stretches: 1, reads: 5 });
        assert_eq!(found.failed, Times { stretches: 1, reads: 2 });
        Ok(())
    }

    #[test]
    fn a_damaged_log_is_an_error() {
        for log in [&b""[..], b"2 10\n{", b"2\n{}", b"x 1\n", b"2 10"] {
            assert!(judge(log).is_err(), "{log:?}");
        }
    }
}
