//! `lockspan advise`: which way of logging in, and which layout, for this machine. It asks nothing, and starts no
//! client: what it cannot know it is told by flags, or it says both.

mod decide;

use std::fmt::Write as _;
use std::fs;

use anyhow::Result;
use serde::Serialize;

use crate::{client, layout, output, settings};
pub use decide::Usage;
use decide::{Advice, Facts, Instead};

#[derive(Serialize)]
struct Report {
    schema_version: u32,
    facts: Facts,
    advice: Vec<Advice>,
}

/// Prints the advice.
///
/// # Errors
/// Standard output cannot be written to.
pub fn advise(json: bool, usage: Option<Usage>) -> Result<()> {
    let facts = look(usage);
    let advice = decide::decide(&facts);
    let report = Report { schema_version: 1, facts, advice };
    output::print(&if json { serde_json::to_string_pretty(&report)? + "\n" } else { text(&report) })
}

fn look(usage: Option<Usage>) -> Facts {
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let key =
        decide::KEYS.into_iter().find(is_set).or_else(|| has_key_helper().then_some(decide::KEY_HELPER));
    let instead = match key {
        Some(name) => Some(Instead::Key(name)),
        None => is_set(&decide::SETUP_TOKEN).then_some(Instead::SetupToken),
    };
    let directory = settings::config_directory_path().ok();
    let layout = directory.and_then(|directory| layout::layout(&directory).ok());
    Facts { instead, usage, layout, client: client::version() }
}

/// Whether the settings name a program that brings an API key. Its command line is not looked at.
fn has_key_helper() -> bool {
    let Ok(directory) = settings::config_directory_path() else { return false };
    let Ok(text) = fs::read(directory.join("settings.json")) else { return false };
    serde_json::from_slice::<serde_json::Value>(&text)
        .is_ok_and(|settings| settings.get("apiKeyHelper").is_some_and(serde_json::Value::is_string))
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for advice in &report.advice {
        let when = match advice.when {
            Some(Usage::Batch) => "Unattended jobs: ",
            Some(Usage::Interactive) => "People at a terminal: ",
            None => "",
        };
        writeln!(text, "* {when}{}\n  because {}", advice.what, advice.because).expect("a string has room");
    }
    text
}
