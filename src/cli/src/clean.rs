//! `lockspan clean`: removes the locks of proven dead holders, and says of every other lock why it stays.
//!
//! It must not decide by a lock's age, and must not remove anything but empty directories.

use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use crate::status::{self, State};
use crate::{dead, output, settings};

/// Exit status when a lock was kept of which nobody can tell whether its holder lives.
const DOUBTFUL: u8 = 3;

#[derive(Serialize)]
struct Report {
    schema_version: u32,
    /// As far as it is UTF-8.
    config_directory: String,
    /// The directories that were removed.
    removed: Vec<String>,
    kept: Vec<Kept>,
}

#[derive(Serialize)]
struct Kept {
    path: String,
    state: State,
    why: &'static str,
}

/// Removes what is proven dead and reports; the exit status tells whether a lock is left that may be a dead holder's.
///
/// # Errors
/// No config directory, or a directory that is proven dead cannot be removed.
pub fn clean(json: bool) -> Result<ExitCode> {
    let directory = settings::config_directory_path()?;
    let removed = dead::remove(&directory)?;
    let locks = status::every_lock(&directory)?.into_iter();
    let kept: Vec<Kept> = locks
        .filter_map(|lock| Some(Kept { why: why_kept(lock.state)?, path: lock.path, state: lock.state }))
        .collect();
    let is_clear = kept.iter().all(|kept| kept.state == State::Held);
    let report = Report {
        schema_version: 1,
        config_directory: directory.display().to_string(),
        removed: removed.iter().map(|path| path.display().to_string()).collect(),
        kept,
    };
    output::print(&if json { serde_json::to_string_pretty(&report)? + "\n" } else { text(&report) })?;
    Ok(if is_clear { ExitCode::SUCCESS } else { ExitCode::from(DOUBTFUL) })
}

/// Why a lock in this state stays; `None` if there is none.
fn why_kept(state: State) -> Option<&'static str> {
    match state {
        State::Free => None,
        State::Held => Some("its holder lives"),
        State::Orphan => Some("its holder died just now, or another process is at it; try again"),
        State::Left => Some(
            "its holder exited and left it on purpose; clients remove it after 10 to 60 s without a touch",
        ),
        State::Foreign => Some(
            "the library knows nothing of its holder; clients remove it after 10 to 60 s without a touch, and \
             `lockspan doctor --fix --yes` after watching it",
        ),
        State::FutureDated => Some(
            "its time lies in the future, so no client ever calls it stale; `lockspan doctor --fix --yes` removes \
             it after watching it",
        ),
    }
}

fn text(report: &Report) -> String {
    let removed =
        report.removed.iter().map(|path| format!("removed {}: its holder is dead\n", path.escape_debug()));
    let kept = report.kept.iter().map(|kept| format!("kept {}: {}\n", kept.path.escape_debug(), kept.why));
    let lines: String = removed.chain(kept).collect();
    if lines.is_empty() { format!("{}: no locks\n", report.config_directory.escape_debug()) } else { lines }
}
