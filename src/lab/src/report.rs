//! What a scenario found, as a table for people and as JSON for programs.
//!
//! Only formats: whether a figure is good or bad is said by the scenario.

use std::io::Write;

use anyhow::{Context, Result};
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

/// Of the JSON output. Grows when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

/// The findings of one scenario.
pub struct Report {
    /// A heading.
    pub title: String,
    /// Notes below the heading: what was measured, and how.
    pub notes: Vec<String>,
    /// Names of the columns.
    pub columns: Vec<&'static str>,
    /// One row per variant.
    pub rows: Vec<Vec<String>>,
    /// Everything, for programs: one entry per row.
    pub details: Vec<Value>,
    /// Expectations that did not hold.
    pub failures: Vec<String>,
}

impl Report {
    /// Without findings yet.
    pub fn new(title: String, notes: &[&str]) -> Self {
        Self {
            title,
            notes: notes.iter().map(|note| (*note).to_owned()).collect(),
            columns: Vec::new(),
            rows: Vec::new(),
            details: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// For people.
    pub fn print(&self) -> Result<()> {
        let mut table = Table::new();
        table
            .load_preset(presets::UTF8_BORDERS_ONLY)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(&self.columns)
            .add_rows(&self.rows);
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n{}", self.title)?;
        for note in &self.notes {
            writeln!(out, "  {note}")?;
        }
        writeln!(out, "{table}")?;
        for failure in &self.failures {
            writeln!(out, "FAILED: {failure}")?;
        }
        out.flush().context("writing to standard output")
    }
}

/// All reports of a call as one JSON document.
pub fn document(reports: &[Report]) -> Value {
    let scenarios: Vec<Value> = reports
        .iter()
        .map(|report| {
            json!({
                "title": report.title,
                "details": report.details,
                "failures": report.failures,
            })
        })
        .collect();
    let ok = reports.iter().all(|report| report.failures.is_empty());
    json!({ "schema_version": SCHEMA_VERSION, "ok": ok, "scenarios": scenarios })
}

/// Figures of several runs in one cell.
pub fn join<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
    let words: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    words.join(" ")
}

/// Words of several runs in one cell, said once where all agree.
pub fn agree(values: &[String]) -> String {
    match values.split_first() {
        Some((first, rest)) if rest.iter().all(|value| value == first) => first.clone(),
        _ => values.join(", "),
    }
}

/// The locks that several runs left behind, in one cell.
pub fn left<'a>(runs: impl IntoIterator<Item = &'a Vec<String>>) -> String {
    let words: Vec<String> = runs
        .into_iter()
        .map(|names| match names.as_slice() {
            [] => "-".to_owned(),
            names => names.join(" "),
        })
        .collect();
    agree(&words)
}
