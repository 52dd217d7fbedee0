//! A running process: whether the library is in it, and at work. Of its environment only the library's own settings
//! are looked at.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;

use lockspan_core::settings::Mode;

use super::{Outcome, Problem, Subject, fault};
use crate::settings;

fn read(pid: u32, name: &str) -> Result<Vec<u8>, Problem> {
    fs::read(format!("/proc/{pid}/{name}")).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Problem::Fault {
            evidence: format!("there is no process {pid} here"),
            advice: "ps ax    # pids are those of this container".into(),
        },
        _ => Problem::Skipped(format!("process {pid}: {error}; ask as its own user")),
    })
}

fn asked(subject: &Subject<'_>) -> Result<u32, Problem> {
    subject.options.pid.ok_or_else(|| Problem::Skipped("no --pid given".into()))
}

pub fn loaded(subject: &Subject<'_>) -> Outcome {
    let pid = asked(subject)?;
    let maps = read(pid, "maps")?;
    let paths = maps
        .split(|&byte| byte == b'\n')
        .filter_map(|line| line.iter().position(|&byte| byte == b'/').map(|at| &line[at..]));
    match paths.map(String::from_utf8_lossy).find(|path| path.contains("liblockspan.so")) {
        Some(path) if path.ends_with(" (deleted)") => {
            Ok(format!("process {pid} has loaded {}, replaced since", path.trim_end_matches(" (deleted)")))
        }
        Some(path) => Ok(format!("process {pid} has loaded {path}")),
        None => fault(
            format!("process {pid} has not loaded the library"),
            "start it again by: lockspan run -- COMMAND",
        ),
    }
}

pub fn active(subject: &Subject<'_>) -> Outcome {
    let pid = asked(subject)?;
    let environment = read(pid, "environ")?;
    let value = |name: &str| {
        environment.split(|&byte| byte == 0).find_map(|variable| {
            let value = variable.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
            Some(OsString::from_vec(value.to_vec()))
        })
    };
    match settings::mode_of(value) {
        Ok(Mode::Redirect) => Ok("active".into()),
        Ok(_) => fault(
            format!("process {pid} was started with the library turned off"),
            "start it again without LOCKSPAN_DISABLE and LOCKSPAN_MODE",
        ),
        Err(error) => fault(format!("process {pid}: {error}"), "start it again without that setting"),
    }
}
