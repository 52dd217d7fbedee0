//! The report: a few lines for people, or JSON. It must never print a token, whatever name or path it hides in.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde::Serialize;

use super::{CHECKS, Check, Group, Problem, Severity, Subject};

#[derive(Serialize)]
struct Report {
    schema_version: u32,
    /// As the environment names it; null where it names none.
    config_directory: Option<String>,
    checks: Vec<Finding>,
}

#[derive(Serialize)]
struct Finding {
    id: &'static str,
    severity: Severity,
    title: &'static str,
    evidence: String,
    advice: Option<String>,
    #[serde(skip)]
    group: Group,
}

/// Makes every check and prints what they found; the exit status that says whether something is wrong.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(subject: &Subject<'_>) -> Result<ExitCode> {
    let report = Report {
        schema_version: 1,
        config_directory: subject.given.as_ref().ok().map(|path| printable(&path.display().to_string())),
        checks: CHECKS.iter().map(|check| finding(check, subject)).collect(),
    };
    let text =
        if subject.options.json { serde_json::to_string_pretty(&report)? + "\n" } else { text(&report) };
    match anstream::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        other => other.context("standard output")?,
    }
    let worst = report.checks.iter().map(|finding| finding.severity).max();
    let tolerated = if subject.options.strict { Severity::Info } else { Severity::Warning };
    Ok(if worst > Some(tolerated) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn finding(check: &Check, subject: &Subject<'_>) -> Finding {
    let (severity, evidence, advice) = match (check.examine)(subject) {
        Ok(evidence) => (Severity::Ok, evidence, None),
        Err(Problem::Fault { evidence, advice }) => (check.severity, evidence, Some(advice)),
        Err(Problem::Skipped(why)) => (Severity::Skipped, why, None),
    };
    Finding {
        id: check.id,
        severity,
        title: check.title,
        evidence: printable(&evidence),
        advice: advice.as_deref().map(printable),
        group: check.group,
    }
}

/// How every token of the clients begins.
const TOKEN: &str = "sk-ant-";

/// A text without control characters, which a name on disk may have, and without anything that looks like a token.
fn printable(text: &str) -> String {
    let is_control = |character: char| character.is_control();
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, token)) = rest.split_once(TOKEN) {
        result.push_str(before);
        result.push_str("[token]");
        let is_of_token = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
        rest = token.trim_start_matches(is_of_token);
    }
    result.push_str(rest);
    result.replace(is_control, "\u{fffd}")
}

const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

/// One line for each group of checks; below it what to do, where something is wrong. Whoever writes it to what is
/// no terminal takes the colours out.
fn text(report: &Report) -> String {
    let mut text =
        format!("lockspan doctor: {}\n", report.config_directory.as_deref().unwrap_or("no config directory"));
    for group in report.checks.chunk_by(|one, other| one.group == other.group) {
        let worst = group.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Skipped);
        let (mark, colour) = match worst {
            // What nobody asked for is not worth a line.
            Severity::Skipped => continue,
            Severity::Ok | Severity::Info => ("[ok]", GREEN),
            Severity::Warning => ("[!]", YELLOW),
            Severity::Error => ("[x]", RED),
        };
        let name = format!("{:?}", group[0].group).to_lowercase();
        let is_shown = |finding: &&Finding| match worst {
            Severity::Warning | Severity::Error => finding.severity >= Severity::Warning,
            _ => !finding.evidence.is_empty() && finding.severity >= Severity::Ok,
        };
        let shown = group.iter().filter(is_shown);
        if worst < Severity::Warning {
            let evidence: Vec<_> = shown.map(|finding| finding.evidence.as_str()).collect();
            if evidence.is_empty() {
                continue;
            }
            line(&mut text, colour, mark, &name, &evidence.join("; "));
            continue;
        }
        let mut mark = mark;
        let mut name = name.as_str();
        for finding in shown {
            line(&mut text, colour, mark, name, &format!("{} ({})", finding.evidence, finding.id));
            if let Some(advice) = &finding.advice {
                line(&mut text, "", "", "", &format!("-> {advice}"));
            }
            (mark, name) = ("", "");
        }
    }
    text.push_str(&summary(report));
    text
}

fn line(text: &mut String, colour: &str, mark: &str, name: &str, rest: &str) {
    let plain = if colour.is_empty() { "" } else { PLAIN };
    let line = format!("{colour}{mark:<4}{plain} {name:<11} {rest}");
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}", line.trim_end());
}

fn summary(report: &Report) -> String {
    let count = |severity| report.checks.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let plural = |count: usize, word: &str| match count {
        0 => format!("no {word}s"),
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    };
    format!("{}, {}\n", plural(errors, "error"), plural(warnings, "warning"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_control_characters_are_taken_out() {
        assert_eq!(printable("/a/sk-ant-oat01-x_Y-9.lock"), "/a/[token].lock");
        assert_eq!(printable("sk-ant-a b sk-ant-c"), "[token] b [token]");
        assert_eq!(printable("a\x1b[31m\nb"), "a\u{fffd}[31m\u{fffd}b");
        assert_eq!(printable("/home/me/.claude"), "/home/me/.claude");
    }

    #[test]
    fn ids_are_unique_and_groups_stay_together() {
        for (index, check) in CHECKS.iter().enumerate() {
            assert!(CHECKS[..index].iter().all(|earlier| earlier.id != check.id), "{}", check.id);
            assert!(check.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", check.id);
        }
        let mut groups: Vec<_> = CHECKS.iter().map(|check| check.group).collect();
        groups.dedup();
        for (index, group) in groups.iter().enumerate() {
            assert!(!groups[..index].contains(group), "{group:?}");
        }
    }
}
