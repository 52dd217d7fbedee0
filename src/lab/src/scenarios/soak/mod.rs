//! For an hour many processes take and give back the locks of two logins, while they are killed and stopped, while clocks
//! jump, the disk is full and descriptors run out; then all is left in peace, and counted.
//!
//! One login's directory is shared, of the other one the credentials file alone. What clients do is in
//! `clients/soak.js`, what it is worth in `judge.rs`.

mod client;
mod credentials;
mod crowd;
mod figures;
mod judge;
mod place;

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use self::client::{Kind, Programs};
use self::credentials::{Looks, Reader};
use self::crowd::Crowd;
use self::figures::Figures;
use self::judge::Shared;
use self::place::{Home, Remains};
use super::run::Lab;
use crate::args::{LibraryChoice, SoakArgs};
use crate::report::Report;
use crate::spec::Band;

/// Of each login.
const CONTAINERS: usize = 3;

/// What runs in each container that shares a directory. The one without the library takes the lock that later clients
/// take, which excludes it from the others'.
const IN_DIRECTORY: [Kind; 4] = [
    Kind { band: Band::Old, stale: 5_000, library: true, jumps: true },
    Kind { band: Band::Old, stale: 10_000, library: true, jumps: true },
    Kind { band: Band::New, stale: 60_000, library: true, jumps: false },
    Kind { band: Band::New, stale: 10_000, library: false, jumps: false },
];

/// What runs in each container that shares the file.
const WITH_FILE: [Kind; 4] = [
    Kind { band: Band::Old, stale: 5_000, library: true, jumps: true },
    Kind { band: Band::Old, stale: 10_000, library: true, jumps: false },
    Kind { band: Band::New, stale: 60_000, library: true, jumps: true },
    Kind { band: Band::New, stale: 10_000, library: true, jumps: false },
];

/// What comes last: both bands, with little patience for what the killed have left.
const LAST: [Kind; 2] = [
    Kind { band: Band::New, stale: 5_000, library: true, jumps: false },
    Kind { band: Band::Old, stale: 5_000, library: true, jumps: false },
];

/// Between two looks at the log and the processes.
const STEP: Duration = Duration::from_millis(20);
/// What processes get to end in peace.
const PATIENCE: Duration = Duration::from_secs(120);

/// What one login came to.
struct Outcome {
    /// For the table.
    title: &'static str,
    figures: Figures,
    looks: Looks,
    disk_full: usize,
    locks: Vec<String>,
    remains: Remains,
    failures: Vec<String>,
    complaints: String,
}

/// Runs the soak.
pub fn run(lab: &Lab, args: &SoakArgs) -> Result<Report> {
    let library = args.library == LibraryChoice::All;
    let duration = crate::seconds(args.minutes * 60.0, "--minutes")?;
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("soak: seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);

    let programs = Programs::install(&lab.sandbox)?;
    let began = Instant::now();
    let mut crowds = Vec::new();
    for (shared, kinds) in [(Shared::Directory, IN_DIRECTORY), (Shared::File, WITH_FILE)] {
        let home = Home::prepare(shared, CONTAINERS, &credentials::first(client::EXPIRES))?;
        let mut crowd = Crowd::new(home, &programs, library)?;
        crowd.start_all(&kinds, &mut random)?;
        crowds.push(crowd);
    }
    let readers: Vec<Reader> = crowds.iter().map(|crowd| Reader::start(&crowd.home.credentials())).collect();
    let disk_full = disturb(&mut crowds, began + duration, &mut random)?;
    for crowd in &mut crowds {
        crowd.finish(PATIENCE)?;
        crowd.last_ones(&LAST, PATIENCE, &mut random)?;
    }

    let mut outcomes = Vec::new();
    for ((crowd, reader), disk_full) in crowds.into_iter().zip(readers).zip(disk_full) {
        outcomes.push(Outcome {
            title: match crowd.home.shared {
                Shared::Directory => "directory mount",
                Shared::File => "file mount",
            },
            figures: crowd.figures().clone(),
            looks: reader.end()?,
            disk_full,
            locks: crowd.home.locks(),
            remains: crowd.home.remains()?,
            complaints: crowd.complaints(),
            failures: crowd.failures,
        });
    }
    let seconds = began.elapsed().as_secs();
    let title = format!("soak: {seconds} s, library {}, seed {seed}", if library { "all" } else { "none" });
    Ok(report(title, seed, seconds, &outcomes))
}

/// Until the end; answers how often each disk was full.
fn disturb(crowds: &mut [Crowd<'_>], end: Instant, random: &mut fastrand::Rng) -> Result<Vec<usize>> {
    let mut next = Instant::now() + Duration::from_secs(3);
    let mut full_until: Vec<Option<Instant>> = vec![None; crowds.len()];
    let mut times_full = vec![0; crowds.len()];
    while Instant::now() < end {
        for (crowd, until) in crowds.iter_mut().zip(&mut full_until) {
            crowd.attend()?;
            if until.is_some_and(|until| until <= Instant::now()) {
                crowd.home.empty()?;
                *until = None;
            }
        }
        if next <= Instant::now() {
            next += Duration::from_millis(random.u64(200..2_500));
            let which = random.usize(..crowds.len());
            let (crowd, holder) = (&mut crowds[which], random.bool());
            match random.u32(..100) {
                0..25 => crowd.kill_one(holder, random)?,
                25..60 => crowd.stop_one(holder, milliseconds(random, 20..1_500), random)?,
                // Longer than one or two of the three staleness thresholds.
                60..84 => crowd.stop_one(holder, milliseconds(random, 6_000..16_000), random)?,
                // Longer than a lease.
                84..86 => crowd.stop_one(holder, milliseconds(random, 61_000..70_000), random)?,
                _ if full_until[which].is_none() => {
                    crowd.home.fill()?;
                    times_full[which] += 1;
                    full_until[which] = Some(Instant::now() + milliseconds(random, 200..3_000));
                }
                _ => {}
            }
        }
        std::thread::sleep(STEP);
    }
    Ok(times_full)
}

fn milliseconds(random: &mut fastrand::Rng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(random.u64(range))
}

/// A row of the table: a name, what it is in each login, and whether it must be 0.
type Row = (&'static str, fn(&Outcome) -> usize, bool);

const ROWS: [Row; 24] = [
    ("times held", |one| one.figures.held, false),
    ("processes killed", |one| one.figures.killed, false),
    ("... while they held", |one| one.figures.killed_holding, false),
    ("processes stopped", |one| one.figures.stopped, false),
    ("clock jumps", |one| one.figures.jumps, false),
    ("times that the disk was full", |one| one.disk_full, false),
    ("... writes of credentials that failed so", |one| one.figures.full, false),
    ("cycles without a descriptor to spare", |one| one.figures.exhausted, false),
    ("robbed by staleness", |one| one.figures.robbed, false),
    ("... without having been stopped", |one| one.figures.late, false),
    ("robbed because their own clock was behind", |one| one.figures.misdated, false),
    ("heard that they had lost the lock", |one| one.figures.lost, false),
    ("TWO HOLDERS AT ONCE", |one| one.figures.violations.len(), true),
    ("looks at the credentials", |one| one.looks.all, false),
    ("... not whole", |one| one.looks.damaged, true),
    ("... generation went back", |one| one.looks.backwards.len(), true),
    ("not whole for a holder", |one| one.figures.torn, true),
    ("generations", |one| one.looks.generation as usize, false),
    ("descriptors leaked", |one| one.figures.descriptors.unsigned_abs() as usize, true),
    ("mappings leaked", |one| one.figures.mappings.unsigned_abs() as usize, true),
    ("locks left", |one| one.locks.len(), true),
    ("temporary files and records left by the killed", |one| one.remains.of_killed.len(), false),
    ("other files left", |one| one.remains.strange.len(), true),
    ("processes that failed", |one| one.failures.len(), true),
];

fn report(title: String, seed: u64, seconds: u64, outcomes: &[Outcome]) -> Report {
    let mut report = Report::new(
        title,
        &[
            "robbed: the holder showed no sign of life for as long as a client waits, which every client's rule allows",
            "a kill may leave one temporary file and one record of a sibling lock",
        ],
    );
    report.columns = vec![""];
    report.columns.extend(outcomes.iter().map(|outcome| outcome.title));
    for (name, figure, zero) in ROWS {
        let mut row = vec![name.to_owned()];
        for outcome in outcomes {
            let figure = figure(outcome);
            row.push(figure.to_string());
            if zero && figure > 0 {
                report.failures.push(format!("{}: {name}: {figure}", outcome.title));
            }
        }
        report.rows.push(row);
    }
    for outcome in outcomes {
        let Outcome { title, figures, remains, .. } = outcome;
        if figures.held == 0 {
            report.failures.push(format!("{title}: nobody ever held the lock"));
        }
        if remains.of_killed.len() > 2 * figures.killed {
            report.failures.push(format!("{title}: more files left than the killed can have left"));
        }
        let rows: serde_json::Map<String, serde_json::Value> =
            ROWS.iter().map(|(name, figure, _)| ((*name).to_owned(), figure(outcome).into())).collect();
        report.details.push(json!({
            "login": title,
            "seed": seed,
            "seconds": seconds,
            "figures": rows,
            "errors": figures.errors,
            "generations_back": outcome.looks.backwards,
            "first_violations": figures.violations.iter().take(10).collect::<Vec<_>>(),
            "locks_left": outcome.locks,
            "left_by_killed": remains.of_killed,
            "other_files_left": remains.strange,
            "failed": outcome.failures,
            "complaints": outcome.complaints,
        }));
    }
    report
}
