//! Clients that find the same expired token at the same time.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;
use serde_json::json;

use super::run::{Client, Ending, Lab, Run};
use super::{Variant, describe, variants};
use crate::args::{Expectation, RaceArgs};
use crate::clients::Task;
use crate::credentials::Found;
use crate::report::{Report, agree, join, left};
use crate::server::log::{Counters, Event};
use crate::server::tokens::Strictness;
use crate::server::{Behaviour, Rotation};

/// What one run came to.
#[derive(Debug, Serialize)]
struct Outcome {
    counters: Counters,
    answers: usize,
    seconds: f64,
    credentials: Found,
    locks_left: Vec<String>,
    clients: Vec<Ending>,
    requests: Vec<Event>,
}

impl Outcome {
    /// What is wrong with it, if one refresh and an answer for everybody is what should have come out.
    fn complaint(&self, clients: &[Client]) -> Option<String> {
        let counters = self.counters;
        let refreshes = usize::from(clients.iter().any(|client| client.program.talks_to_server()));
        if counters.token400 > 0 {
            Some(format!("token400 = {}", counters.token400))
        } else if self.answers != clients.len() {
            Some(format!("{} of {} answers", self.answers, clients.len()))
        } else if counters.token200 != refreshes {
            Some(format!("token200 = {}", counters.token200))
        } else if refreshes > 0 && self.credentials != Found::Good {
            Some(format!("credentials {}", self.credentials.word()))
        } else if !self.locks_left.is_empty() {
            Some(format!("left behind: {}", self.locks_left.join(" ")))
        } else {
            None
        }
    }
}

/// Runs all variants.
pub fn run(lab: &Lab, args: &RaceArgs) -> Result<Report> {
    let mut report = Report {
        title: format!(
            "race: {}, layout {}, delay {} s, {} run(s) each",
            describe(&args.clients.specs),
            args.setting.layout_word(),
            args.delay,
            args.runs
        ),
        notes: Vec::new(),
        columns: vec![
            "clients",
            "library",
            "server",
            "200",
            "400",
            "answers",
            "seconds",
            "credentials",
            "left",
        ],
        rows: Vec::new(),
        details: json!([]),
        failures: Vec::new(),
    };
    let mut details = Vec::new();
    for variant in variants(&args.clients) {
        for strictness in args.server.modes() {
            let mut outcomes = Vec::new();
            for number in 1..=args.runs {
                let outcome = once(lab, args, &variant.clients, strictness)?;
                eprintln!(
                    "race {number}/{}: library {}, {strictness:?}: 200 = {}, 400 = {}, {} of {} answers, {:.1} s",
                    args.runs,
                    variant.label,
                    outcome.counters.token200,
                    outcome.counters.token400,
                    outcome.answers,
                    variant.clients.len(),
                    outcome.seconds
                );
                if must_be_clean(args.expect, &variant)
                    && let Some(complaint) = outcome.complaint(&variant.clients)
                {
                    report.failures.push(format!(
                        "library {}, {strictness:?}, run {number}: {complaint}",
                        variant.label
                    ));
                }
                outcomes.push(outcome);
            }
            report.rows.push(row(&variant, strictness, &outcomes));
            details.push(json!({
                "library": variant.label,
                "server": strictness,
                "layout": args.setting.layout,
                "delay_s": args.delay,
                "runs": outcomes,
            }));
        }
    }
    report.details = json!(details);
    Ok(report)
}

fn must_be_clean(expectation: Option<Expectation>, variant: &Variant) -> bool {
    match expectation {
        None => false,
        Some(Expectation::Clean) => variant.clients.iter().any(|client| client.library),
        Some(Expectation::CleanAll) => true,
    }
}

fn once(lab: &Lab, args: &RaceArgs, clients: &[Client], strictness: Strictness) -> Result<Outcome> {
    let delay = Duration::from_secs_f64(args.delay);
    let behaviour = Behaviour { strictness, rotation: Rotation::OnArrival, delay, first_delay: None };
    let owners: Vec<u32> = clients.iter().map(|client| client.uid).collect();
    let mut run = Run::prepare(lab, args.setting.setting(), behaviour, &owners)?;
    let began = Instant::now();
    let mut running = Vec::new();
    for (index, &client) in clients.iter().enumerate() {
        running.push(run.start(index, client, &Task::Refresh { hold: delay })?);
    }
    let endings = run.wait(&mut running)?;
    Ok(Outcome {
        counters: run.server().log().counters(),
        answers: endings.iter().filter(|ending| ending.answered).count(),
        seconds: began.elapsed().as_secs_f64(),
        credentials: run.credentials(),
        locks_left: run.locks_left()?,
        clients: endings,
        requests: run.server().log().events(),
    })
}

fn row(variant: &Variant, strictness: Strictness, outcomes: &[Outcome]) -> Vec<String> {
    let each = |figure: fn(&Outcome) -> usize| join(outcomes.iter().map(figure));
    let words: Vec<String> = outcomes.iter().map(|outcome| outcome.credentials.word().to_owned()).collect();
    vec![
        variant.clients.len().to_string(),
        variant.label.clone(),
        format!("{strictness:?}").to_lowercase(),
        each(|outcome| outcome.counters.token200),
        each(|outcome| outcome.counters.token400),
        each(|outcome| outcome.answers),
        join(outcomes.iter().map(|outcome| format!("{:.1}", outcome.seconds))),
        agree(&words),
        left(outcomes.iter().map(|outcome| &outcome.locks_left)),
    ]
}
