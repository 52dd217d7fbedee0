//! In C: a model client, the lock cycle in libc calls without a token server, and a reader of the credentials.

use std::ffi::OsString;
use std::process::Command;

use anyhow::Result;

use super::Task;
use crate::credentials::Login;
use crate::layout::Layout;
use crate::sandbox::{self, Sandbox};
use crate::server::http::ANSWER;
use crate::spec::Band;

const CLIENT: &str = "lock-client";
const READER: &str = "credentials-reader";
const SOURCES: [(&str, &str); 2] = [(CLIENT, include_str!("client.c")), (READER, include_str!("reader.c"))];

/// Compiles both where containers see them.
pub fn compile(sandbox: &Sandbox) -> Result<()> {
    for (name, text) in SOURCES {
        let program = sandbox.programs.join(name);
        let source = program.with_extension("c");
        sandbox::write(&source, text)?;
        sandbox::run(
            Command::new("cc")
                .args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"])
                .arg(&program)
                .arg(&source),
        )?;
    }
    Ok(())
}

/// How it is started.
pub fn argv(band: Band, layout: Layout, task: &Task, sandbox: &Sandbox) -> Vec<OsString> {
    if let Task::Read { log } = task {
        let file = layout.credentials(Login::Claude);
        return vec![sandbox.programs.join(READER).into(), file.into(), log.into()];
    }
    let [in_dir, sibling] = layout.locks(Login::Claude);
    let milliseconds = |duration: &std::time::Duration| duration.as_millis().to_string().into();
    let mut argv: Vec<OsString> = vec![sandbox.programs.join(CLIENT).into()];
    match band {
        Band::Old => argv.extend(["old".into(), "10000".into(), sibling.into(), "-".into()]),
        Band::New => argv.extend(["new".into(), "60000".into(), in_dir.into(), sibling.into()]),
    }
    match task {
        Task::Refresh { hold } => argv.extend(["hold".into(), milliseconds(hold), ANSWER.into()]),
        // Not asked of models.
        Task::Version | Task::Read { .. } | Task::LogOut { .. } => {}
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
