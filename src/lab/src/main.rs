//! `lockspan-lab`: token server, containers, clients and scenarios that show what a shared login goes through.
//!
//! The lab only observes: it links neither the library nor the protocol, and takes no figure from the library's own
//! events. It talks to no network but the loopback of its own namespace, except to fetch clients before it goes there.

#![deny(unsafe_code)]

mod args;
mod clients;
mod container;
mod credentials;
mod failure;
mod intervals;
mod layout;
mod namespaces;
mod report;
mod sandbox;
mod scenarios;
mod server;
mod shared;
mod spec;
mod trace;
mod usage;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;

use args::{Cli, Scenario};
use clients::registry;
use container::{ControlGroups, Engine, image};
use failure::cannot_run;
use report::Report;
use sandbox::Sources;
use scenarios::matrix::{self, Case};
use scenarios::run::Lab;
use spec::Program;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match &cli.scenario {
        Scenario::Container => container::keep().map(|()| ExitCode::from(failure::OK)),
        Scenario::Matrix(args) if args.list => matrix::list(args),
        _ => run(&cli),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("lockspan-lab: {error:#}");
        failure::exit_code(&error)
    })
}

fn run(cli: &Cli) -> Result<ExitCode> {
    let cases = match &cli.scenario {
        Scenario::Matrix(args) => matrix::cases(args)?,
        scenario => vec![Case::single(scenario)],
    };
    let programs = programs(&cases)?;
    let cache = registry::cache()?;
    let needs_podman = cases.iter().any(|case| case.scenario.needs_podman());
    if !cli.inside {
        for &program in &programs {
            clients::fetch(program, &cache)?;
        }
        if matches!(cli.scenario, Scenario::Fetch { .. }) {
            return Ok(ExitCode::from(failure::OK));
        }
        std::fs::create_dir_all(&cache).with_context(|| cache.display().to_string())?;
        sandbox::require_root()?;
        let groups = if needs_podman {
            image::fetch(&cache)?;
            Some(ControlGroups::share(&cache)?)
        } else {
            None
        };
        let outcome = sandbox::reenter();
        if let Some(groups) = groups {
            groups.remove();
        }
        return outcome;
    }

    // Opened before the lab covers any directory, and before it has worked for minutes in vain.
    let json = match &cli.common.json {
        Some(path) if path != Path::new("-") => {
            Some(File::create(path).with_context(|| format!("writing {}", path.display()))?)
        }
        _ => None,
    };
    let mut sources = Sources {
        cache,
        library: None,
        events: cli.common.events.clone(),
        node: None,
        directory: None,
        command: None,
    };
    match &cli.scenario {
        Scenario::Recipe(args) => sources.directory = Some(args.directory.clone()),
        Scenario::Probe(_) => {
            sources.command = Some(library(cli.common.library_path.as_deref())?.with_file_name("lockspan"));
        }
        _ => {}
    }
    if cases.iter().any(|case| case.scenario.needs_library()) {
        sources.library = Some(library(cli.common.library_path.as_deref())?);
    }
    if programs.iter().any(|&program| clients::needs_node(program)) {
        sources.node = Some(registry::node()?);
    }
    let sandbox = sandbox::prepare(&sources)?;
    let lab = Lab {
        engine: needs_podman.then(|| Engine::prepare(&sandbox)).transpose()?,
        sandbox,
        timeout: seconds(cli.common.timeout, "--timeout")?,
        environment: cli.common.env.iter().map(|(name, value)| (name.into(), value.into())).collect(),
    };
    for &program in &programs {
        clients::install(program, &lab.sandbox)?;
    }

    let quiet = json.is_none() && cli.common.json.is_some();
    let mut reports = Vec::new();
    for case in &cases {
        let mut report = scenario(&lab, &case.scenario)?;
        if let Some(name) = case.name {
            report.title = format!("{name}: {}", report.title);
        }
        if !quiet {
            report.print()?;
        }
        reports.push(report);
    }
    let text = format!("{:#}\n", report::document(&reports));
    match json {
        Some(mut file) => file.write_all(text.as_bytes())?,
        None if quiet => std::io::stdout().write_all(text.as_bytes())?,
        None => {}
    }
    let ok = reports.iter().all(|report| report.failures.is_empty());
    Ok(ExitCode::from(if ok { failure::OK } else { failure::FAILED }))
}

fn scenario(lab: &Lab, scenario: &Scenario) -> Result<Report> {
    match scenario {
        Scenario::Race(args) => scenarios::race::run(lab, args),
        Scenario::Killed(args) => scenarios::killed::run(lab, args),
        Scenario::Stopped(args) => scenarios::stopped::run(lab, args),
        Scenario::LongHolder(args) => scenarios::long_holder::run(lab, args),
        Scenario::Stress(args) => scenarios::stress::run(lab, args),
        Scenario::Soak(args) => scenarios::soak::run(lab, args),
        Scenario::Reader(args) => scenarios::reader::run(lab, args),
        Scenario::ReadOnly(args) => scenarios::read_only::run(lab, args),
        Scenario::Stale(args) => scenarios::stale::run(lab, args),
        Scenario::Logout(args) => scenarios::logout::run(lab, args),
        Scenario::Start(args) => scenarios::start::run(lab, args),
        Scenario::Probe(args) => scenarios::probe::run(lab, args),
        Scenario::Recipe(args) => scenarios::recipe::run(lab, args),
        Scenario::Matrix(_) | Scenario::Fetch { .. } | Scenario::Container => {
            anyhow::bail!("only scenarios can be run in a set")
        }
    }
}

/// The programs of all cases, each once.
fn programs(cases: &[Case]) -> Result<Vec<Program>> {
    ensure!(!cases.is_empty(), "no scenario has that name");
    let mut seen = BTreeSet::new();
    let mut programs = Vec::new();
    for program in cases.iter().flat_map(|case| case.scenario.programs()) {
        if seen.insert(program.to_string()) {
            programs.push(program);
        }
    }
    Ok(programs)
}

/// The library: where the user says, else where scripts/build puts it, here or in a directory above.
fn library(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = given {
        ensure!(path.is_file(), "there is no library at {}", path.display());
        return Ok(path.to_owned());
    }
    let here = std::env::current_dir()?;
    here.ancestors()
        .map(|directory| directory.join("target/release/liblockspan.so"))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| {
            cannot_run(
                "target/release/liblockspan.so is not built (scripts/build makes it; --library none does without)",
            )
        })
}

/// A time that the user gave in seconds.
fn seconds(value: f64, option: &str) -> Result<Duration> {
    Duration::try_from_secs_f64(value).with_context(|| format!("{option} {value} is no time"))
}
