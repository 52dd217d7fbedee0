//! What the library costs a client's start: `--version`, with the library and without by turns.
//!
//! By turns, so that whatever else the machine does meets both alike; the difference is taken within each turn.

use anyhow::{Result, ensure};
use serde::Serialize;
use serde_json::json;

use super::run::{Client, Lab, Run, Setting};
use crate::args::StartArgs;
use crate::clients::Task;
use crate::container::Kind;
use crate::credentials::Login;
use crate::layout::{Filesystem, Layout};
use crate::report::Report;
use crate::server::tokens::Strictness;
use crate::server::{Behaviour, Rotation};
use crate::shared::Shared;
use crate::spec::Program;

/// Turns that are not counted: the first ones read the program from disk.
const WARM_UP: u16 = 2;

/// One start.
#[derive(Clone, Copy, Debug, Serialize)]
struct Sample {
    wall_ms: f64,
    processor_ms: f64,
    peak_mib: f64,
}

impl Sample {
    const FIGURES: [fn(&Self) -> f64; 3] = [|one| one.wall_ms, |one| one.processor_ms, |one| one.peak_mib];

    fn less(&self, other: &Self) -> Self {
        Self {
            wall_ms: self.wall_ms - other.wall_ms,
            processor_ms: self.processor_ms - other.processor_ms,
            peak_mib: self.peak_mib - other.peak_mib,
        }
    }
}

/// Runs it.
pub fn run(lab: &Lab, args: &StartArgs) -> Result<Report> {
    let program = args.client.program;
    ensure!(
        matches!(program, Program::ClaudeNode(_) | Program::ClaudeNative(..)),
        "`start` runs real clients only: the models have no --version"
    );
    let setting = Setting {
        layout: Layout::Dir,
        home: Filesystem::Tmpfs,
        shared: Shared::Tmpfs,
        engine: Kind::Namespaces,
        pid_namespace: false,
        read_only: false,
        login: Login::Claude,
        expired: true,
    };
    let behaviour = Behaviour {
        strictness: Strictness::Strict,
        rotation: Rotation::OnArrival,
        delay: std::time::Duration::ZERO,
        first_delay: None,
    };
    let uid = args.client.uid.unwrap_or(0);
    let mut run = Run::prepare(lab, setting, behaviour, &[uid])?;
    let mut turns = Vec::new();
    for number in 0..WARM_UP + args.runs {
        // Who goes first alternates, too.
        let first = number.is_multiple_of(2);
        let one = sample(&mut run, Client { program, uid, library: first })?;
        let other = sample(&mut run, Client { program, uid, library: !first })?;
        if number >= WARM_UP {
            turns.push(if first { (other, one) } else { (one, other) });
        }
    }
    Ok(report(args, &turns))
}

fn sample(run: &mut Run<'_>, client: Client) -> Result<Sample> {
    let (seconds, usage) = run.start(0, client, &Task::Version)?.into_usage()?;
    ensure!(usage.status.success(), "{} --version: {}", client.program, usage.status);
    Ok(Sample {
        wall_ms: seconds * 1e3,
        processor_ms: usage.processor.as_secs_f64() * 1e3,
        peak_mib: usage.peak as f64 / 1024.0,
    })
}

/// `turns` holds, for each turn, the start without and the one with the library.
fn report(args: &StartArgs, turns: &[(Sample, Sample)]) -> Report {
    let title = format!("start: {} --version, {} turns", args.client.program, turns.len());
    let mut report = Report::new(
        title,
        &[
            "medians, in brackets the quartiles; wall: from fork to the end; peak: the largest resident set (wait4)",
            "difference: with the library less without, within each turn; least: between the smallest values of all turns",
        ],
    );
    report.columns = vec!["library", "wall ms", "processor ms", "peak MiB"];
    let without: Vec<Sample> = turns.iter().map(|turn| turn.0).collect();
    let with: Vec<Sample> = turns.iter().map(|turn| turn.1).collect();
    let difference: Vec<Sample> = turns.iter().map(|(without, with)| with.less(without)).collect();
    for (label, samples) in [("none", &without), ("all", &with), ("difference", &difference)] {
        let spreads = Sample::FIGURES.map(|figure| Spread::of(samples.iter().map(figure)));
        let words = spreads.iter().map(Spread::words);
        report.rows.push(std::iter::once(label.to_owned()).chain(words).collect());
        let [wall, processor, peak] = spreads;
        report.details.push(json!({
            "library": label,
            "wall_ms": wall,
            "processor_ms": processor,
            "peak_mib": peak,
            "samples": samples,
        }));
    }
    let of = |figure, samples: &[Sample]| Spread::of(samples.iter().map(figure));
    let least = Sample::FIGURES.map(|figure| of(figure, &with).least - of(figure, &without).least);
    let cells = least.iter().map(|difference| format!("{difference:+.2}"));
    report.rows.push(std::iter::once("least, difference".to_owned()).chain(cells).collect());
    let medians = Sample::FIGURES.map(|figure| of(figure, &difference).median);
    let limits = [("ms", args.slower_by), ("ms", None), ("MiB", args.larger_by)];
    for (((unit, limit), median), least) in limits.into_iter().zip(medians).zip(least) {
        // Whatever else the machine does only adds: a cost of the library is in the least values, too.
        if let Some(limit) = limit.filter(|&limit| median.min(least) > limit) {
            report
                .failures
                .push(format!("{median:+.2} {unit} (least: {least:+.2}), expected at most {limit} {unit}"));
        }
    }
    report
}

/// The smallest value, median and quartiles.
#[derive(Clone, Copy, Debug, Serialize)]
struct Spread {
    least: f64,
    lower: f64,
    median: f64,
    upper: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let place = part * (values.len().saturating_sub(1)) as f64;
            let value = |place: f64| values.get(place as usize).copied().unwrap_or(f64::NAN);
            let (below, above) = (value(place.floor()), value(place.ceil()));
            below + (above - below) * place.fract()
        };
        Self { least: at(0.0), lower: at(0.25), median: at(0.5), upper: at(0.75) }
    }

    fn words(&self) -> String {
        format!("{:.2} ({:.2} to {:.2})", self.median, self.lower, self.upper)
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn medians_and_quartiles_lie_between_the_values() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0].into_iter());
        assert_eq!((spread.least, spread.lower, spread.median, spread.upper), (1.0, 1.75, 2.5, 3.25));
        assert_eq!(Spread::of([7.0].into_iter()).median, 7.0);
    }
}
