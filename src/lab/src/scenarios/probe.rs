//! `lockspan doctor --probe` in two containers at the same time: what it says of the filesystem that they share.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::run::{Lab, Run};
use crate::args::ProbeArgs;
use crate::clients::Launch;
use crate::report::Report;
use crate::sandbox::HOME;
use crate::server::tokens::Strictness;
use crate::server::{Behaviour, Rotation};

/// The checks that are about the filesystem.
const CHECKS: [&str; 8] = [
    "filesystem",
    "probe-mkdir",
    "probe-flock",
    "probe-byte-lock",
    "probe-birth-time",
    "probe-other",
    "probe-other-mkdir",
    "probe-other-locks",
];

/// What the command prints, as far as it is looked at: docs/schema/doctor.schema.json.
#[derive(Deserialize)]
struct Document {
    checks: Vec<Check>,
}

#[derive(Serialize, Deserialize)]
struct Check {
    id: String,
    severity: String,
    evidence: String,
}

/// Runs it.
pub fn run(lab: &Lab, args: &ProbeArgs) -> Result<Report> {
    let command = lab.sandbox.command.as_ref().context("the command was not prepared")?;
    let behaviour = Behaviour {
        strictness: Strictness::Strict,
        rotation: Rotation::OnArrival,
        delay: Duration::ZERO,
        first_delay: None,
    };
    let mut run = Run::prepare(lab, args.setting.setting(), behaviour, &[0, 0])?;
    let launch = Launch {
        argv: vec![command.into(), "doctor".into(), "--probe".into(), "--json".into()],
        environment: BTreeMap::from([("HOME".into(), HOME.into()), ("PATH".into(), "/usr/bin:/bin".into())]),
    };
    let mut doctors = Vec::new();
    for container in run.containers() {
        doctors.push(run.start_command(container, &launch)?);
    }
    let title = format!("probe: {}", args.setting.place.words());
    let mut report = Report::new(title, &["what `lockspan doctor --probe` says in each of two containers"]);
    report.columns = vec!["container", "check", "severity", "evidence"];
    for (container, (mut doctor, output)) in doctors.into_iter().enumerate() {
        let deadline = Instant::now() + run.timeout();
        while doctor.try_wait()?.is_none() {
            ensure!(Instant::now() < deadline, "`lockspan doctor --probe` does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        let text = fs::read(&output)?;
        let document: Document = serde_json::from_slice(&text).context("what `lockspan doctor` printed")?;
        let checks: Vec<Check> =
            document.checks.into_iter().filter(|check| CHECKS.contains(&check.id.as_str())).collect();
        ensure!(checks.len() == CHECKS.len(), "`lockspan doctor` left out a check");
        for Check { id, severity, evidence } in &checks {
            report.rows.push(vec![container.to_string(), id.clone(), severity.clone(), evidence.clone()]);
        }
        report.details.push(json!({ "container": container, "checks": checks }));
    }
    Ok(report)
}
