//! A model client in C: the lock cycle in libc calls, without a token server.

use std::ffi::OsString;
use std::process::Command;

use anyhow::Result;

use super::Task;
use crate::layout::Layout;
use crate::sandbox::{self, Sandbox};
use crate::server::http::ANSWER;
use crate::spec::Band;

const SOURCE: &str = include_str!("client.c");
const NAME: &str = "lock-client";

/// Compiles it where containers see it.
pub fn compile(sandbox: &Sandbox) -> Result<()> {
    let source = sandbox.programs.join("client.c");
    sandbox::write(&source, SOURCE)?;
    sandbox::run(
        Command::new("cc")
            .args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"])
            .arg(sandbox.programs.join(NAME))
            .arg(&source),
    )
}

/// How it is started.
pub fn argv(band: Band, layout: Layout, task: &Task, sandbox: &Sandbox) -> Vec<OsString> {
    let (sibling, in_dir) = (layout.sibling_lock(), layout.in_dir_lock());
    let milliseconds = |duration: &std::time::Duration| duration.as_millis().to_string().into();
    let mut argv: Vec<OsString> = vec![sandbox.programs.join(NAME).into()];
    match band {
        Band::Old => argv.extend(["old".into(), "10000".into(), sibling.into(), "-".into()]),
        Band::New => argv.extend(["new".into(), "60000".into(), in_dir.into(), sibling.into()]),
    }
    match task {
        Task::Refresh { hold } => argv.extend(["hold".into(), milliseconds(hold), ANSWER.into()]),
        // Not asked of models.
        Task::Version => {}
        Task::Stress { name, log, duration, hold } => argv.extend([
            "stress".into(),
            milliseconds(hold),
            milliseconds(duration),
            name.into(),
            log.into(),
        ]),
    }
    argv
}
