//! `lockspan status --watch`: on a terminal the table once a second, else a line for each change.

use std::io::{self, IsTerminal as _};
use std::time::Instant;

use anyhow::Result;

use super::lock::{Lock, State};
use super::{LOOK_EVERY_MS, Status, table};
use crate::output;

/// From the upper left corner on, nothing.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Prints what `look` finds, until nobody reads it any more.
///
/// # Errors
/// Those of `look`, and of standard output.
pub fn watch(json: bool, look: impl Fn() -> Result<Status>) -> Result<()> {
    if !json && io::stdout().is_terminal() {
        loop {
            output::print(&(CLEAR.to_owned() + &table::text(&look()?)))?;
            if !output::reader_stays(1000) {
                return Ok(());
            }
        }
    }
    let start = Instant::now();
    let mut before: Vec<Seen> = Vec::new();
    loop {
        let status = look()?;
        let now: Vec<Seen> = status.locks.iter().map(seen).collect();
        if json && now != before {
            output::print(&(serde_json::to_string(&status)? + "\n"))?;
        }
        for lock in now.iter().filter(|lock| !json && !before.contains(lock)) {
            output::print(&format!("{:9.1} s  {}\n", start.elapsed().as_secs_f64(), line(lock)))?;
        }
        before = now;
        if !output::reader_stays(LOOK_EVERY_MS) {
            return Ok(());
        }
    }
}

/// What is a change when it is not as before; ages are none.
#[derive(PartialEq)]
struct Seen {
    name: &'static str,
    state: State,
    /// The holder's number and host.
    holder: Option<(u32, Option<String>)>,
    waiting: usize,
}

fn seen(lock: &Lock) -> Seen {
    Seen {
        name: lock.name,
        state: lock.state,
        holder: lock.holder.as_ref().map(|holder| (holder.pid, holder.host.clone())),
        waiting: lock.waiting.as_ref().map_or(0, Vec::len),
    }
}

fn line(lock: &Seen) -> String {
    let mut line = format!("{:8} {}", lock.name, lock.state.word());
    if let Some((pid, host)) = &lock.holder {
        line += &format!(" by {pid}");
        if let Some(host) = host {
            line += &format!(" on {}", host.escape_debug());
        }
    }
    match lock.waiting {
        0 => line,
        waiting => format!("{line}, {waiting} waiting"),
    }
}
