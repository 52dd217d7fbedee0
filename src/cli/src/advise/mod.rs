//! `lockspan advise`: which way of logging in, and which layout, for this machine. It asks nothing, and starts no
//! client: what it cannot know it is told by flags, or it says both.

mod decide;

use std::fmt::Write as _;

use anyhow::Result;
use serde::Serialize;

use crate::{client, layout, output, settings};
pub use decide::Usage;
use decide::{Advice, Facts};

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
    let directory = settings::config_directory_path().ok();
    let layout = directory.and_then(|directory| layout::layout(&directory).ok());
    Facts { instead: client::instead(), usage, layout, client: client::version() }
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
