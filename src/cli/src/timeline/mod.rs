//! `lockspan timeline`: events files as a picture of who held and who waited.
//!
//! It reads files and writes one; the picture needs nothing but itself.

mod axis;
mod history;
mod picture;
mod summary;
mod svg;
mod symbols;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::trace::event::Event;
use crate::trace::lines::{Line, Lines};
use history::History;

/// Draws events files; `-` is standard output.
///
/// # Errors
/// A file cannot be read or written, or there is nothing to draw.
pub fn timeline(files: &[PathBuf], output: &Path) -> Result<()> {
    let mut events = Vec::new();
    for (number, path) in files.iter().enumerate() {
        let (found, foreign) = read(path)?;
        if foreign > 0 {
            eprintln!("lockspan: {}: {foreign} foreign or torn lines left out", path.display());
        }
        events.extend(found.into_iter().map(|event| (number, event)));
    }
    let Some(history) = History::new(events) else {
        bail!(
            "no event of a lock; LOCKSPAN_EVENTS=/path makes the library write them, and `lockspan trace` shows them"
        );
    };
    let names: Vec<String> = files.iter().map(|path| name(path)).collect();
    let picture = picture::draw(&history, &names);
    if output == Path::new("-") {
        return match io::stdout().write_all(picture.as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.context("standard output"),
        };
    }
    fs::write(output, picture).with_context(|| output.display().to_string())
}

/// The events of a file, and how many other lines it has.
fn read(path: &Path) -> Result<(Vec<Event>, usize)> {
    let text = fs::read(path).with_context(|| path.display().to_string())?;
    let mut lines = Lines::default();
    let mut found = lines.push(&text);
    found.extend(lines.finish());
    let count = found.len();
    let events: Vec<Event> = found
        .into_iter()
        .filter_map(|line| match line {
            Line::Event(event) => Some(event),
            Line::Foreign { .. } => None,
        })
        .collect();
    let foreign = count - events.len();
    Ok((events, foreign))
}

/// What a file is called in the picture.
fn name(path: &Path) -> String {
    path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}
