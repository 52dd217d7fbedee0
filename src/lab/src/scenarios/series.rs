//! What most scenarios share: every variant runs several times, each run is judged, and
//! what came out becomes a row of the table and an entry of the JSON.

use std::ops::Range;

use anyhow::Result;
use serde::Serialize;
use serde_json::{Value, json};

use super::Variant;
use super::run::{Ending, Lab, Run};
use crate::credentials::Found;
use crate::report::{Report, agree, join, left};
use crate::server::log::{Counters, Event};

/// A heading, and the cell of several runs below it.
pub type Cell = (&'static str, String);

/// One scenario with its options.
pub trait Series {
    /// What one run comes to.
    type Outcome: Serialize + AsRef<End>;

    /// Its name.
    const NAME: &'static str;

    /// Runs it once.
    fn once(&self, lab: &Lab, variant: &Variant) -> Result<Self::Outcome>;

    /// One run in some words, shown while the scenario goes on.
    fn summary(&self, outcome: &Self::Outcome) -> String;

    /// What the user expected of the run and did not get.
    fn complaints(&self, variant: &Variant, outcome: &Self::Outcome) -> Vec<String>;

    /// A row of the table, but for the columns that all have: [`tokens`] are in between, [`ends`] come last.
    fn cells(&self, variant: &Variant, outcomes: &[Self::Outcome]) -> Vec<Cell>;

    /// For the JSON: what tells these runs from others of the same scenario.
    fn setting(&self) -> Value {
        json!({})
    }
}

/// What is there at the end of any run.
#[derive(Debug, Serialize)]
pub struct End {
    /// Of the server.
    pub counters: Counters,
    /// What the credentials file holds.
    pub credentials: Found,
    /// Locks that lie about.
    pub locks_left: Vec<String>,
    /// Everything that the server saw.
    pub requests: Vec<Event>,
}

impl End {
    /// Looks at a run, and for locks in some of its containers.
    pub fn of(run: &Run<'_>, containers: Range<usize>) -> Result<Self> {
        Ok(Self {
            counters: run.server().log().counters(),
            credentials: run.credentials(),
            locks_left: run.locks_left_in(containers)?,
            requests: run.server().log().events(),
        })
    }
}

impl Variant {
    /// Whether anybody has the library: expectations of it are of such variants only.
    pub fn has_library(&self) -> bool {
        self.clients.iter().any(|client| client.library)
    }

    /// As whom each client runs.
    pub fn owners(&self) -> Vec<u32> {
        self.clients.iter().map(|client| client.uid).collect()
    }
}

/// The cells about token requests.
pub fn tokens(outcomes: &[impl AsRef<End>]) -> [Cell; 2] {
    let each = |figure: fn(&Counters) -> usize| {
        join(outcomes.iter().map(|outcome| figure(&outcome.as_ref().counters)))
    };
    [("200", each(|counters| counters.token200)), ("400", each(|counters| counters.token400))]
}

/// The cells about what is there at the end.
pub fn ends(outcomes: &[impl AsRef<End>]) -> [Cell; 2] {
    let ends = || outcomes.iter().map(AsRef::as_ref);
    let words: Vec<String> = ends().map(|end| end.credentials.word().to_owned()).collect();
    [("credentials", agree(&words)), ("left", left(ends().map(|end| &end.locks_left)))]
}

/// How a client ended, in a word.
pub fn exit(ending: &Ending) -> String {
    match ending.exit_code {
        Some(code) => code.to_string(),
        None if ending.timed_out => "ended-by-lab".to_owned(),
        None => "killed".to_owned(),
    }
}

/// Runs every variant `runs` times; rows, entries and failures go to the report.
pub fn run<S: Series>(
    report: &mut Report,
    lab: &Lab,
    series: &S,
    variants: &[Variant],
    runs: u16,
) -> Result<()> {
    for variant in variants {
        let label = &variant.label;
        let mut outcomes = Vec::new();
        for number in 1..=runs {
            let outcome = series.once(lab, variant)?;
            eprintln!("{} {number}/{runs}: library {label}: {}", S::NAME, series.summary(&outcome));
            for complaint in series.complaints(variant, &outcome) {
                report.failures.push(format!("library {label}, run {number}: {complaint}"));
            }
            outcomes.push(outcome);
        }
        let (columns, row) = series.cells(variant, &outcomes).into_iter().unzip();
        report.columns = columns;
        report.rows.push(row);
        let mut entry = json!({ "library": label, "runs": outcomes });
        if let (Value::Object(entry), Value::Object(setting)) = (&mut entry, series.setting()) {
            entry.extend(setting);
        }
        report.details.push(entry);
    }
    Ok(())
}
