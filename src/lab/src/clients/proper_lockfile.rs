//! A model client: npm proper-lockfile on node, refreshing as the real ones do.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use super::registry::Package;
use super::{TURN_OF_CLIENT, TURN_OF_LAB, Task};
use crate::credentials::Login;
use crate::layout::Layout;
use crate::sandbox::{self, Sandbox};
use crate::server::http::ANSWER;
use crate::spec::Band;

const SCRIPT: &str = include_str!("proper_lockfile.js");
const SCRIPT_NAME: &str = "proper_lockfile.js";

/// The release that the real clients' lock cycle was recognised as.
pub fn package() -> Package {
    Package { name: "proper-lockfile".to_owned(), version: "4.1.2".to_owned() }
}

/// Where Debian's package node-proper-lockfile puts the same release, for machines without the npm registry.
const OF_DEBIAN: &str = "/usr/share/nodejs/proper-lockfile/index.js";

/// The module: from the cache, else Debian's.
pub fn module(packages: &Path) -> Option<PathBuf> {
    [package().file(packages, "index.js"), OF_DEBIAN.into()].into_iter().find(|path| path.is_file())
}

/// Writes the script where containers see it.
pub fn install(sandbox: &Sandbox) -> Result<()> {
    sandbox::write(&sandbox.programs.join(SCRIPT_NAME), SCRIPT)
}

/// How it is started.
pub fn argv(band: Band, layout: Layout, task: &Task, sandbox: &Sandbox) -> Vec<OsString> {
    let band = match band {
        Band::Old => "old",
        Band::New => "new",
    };
    let mut settings = settings(band, Login::Claude, layout, sandbox);
    if let Task::LogOut { how, turn } = task {
        settings["logOut"] =
            json!({ "how": how, "turn": turn, "lab": TURN_OF_LAB, "client": TURN_OF_CLIENT });
    }
    if let Task::Stress { name, log, duration, hold } = task {
        settings["stress"] = json!({
            "name": name,
            "log": log,
            "durationMs": duration.as_millis() as u64,
            "holdMs": hold.as_millis() as u64,
        });
    }
    command(&settings, sandbox)
}

/// How it is started as a model of another program, which locks its `file` or its `directory`.
pub fn tool_argv(locked: &str, layout: Layout, sandbox: &Sandbox) -> Vec<OsString> {
    let mut settings = settings("tool", Login::Tool, layout, sandbox);
    settings["locked"] = locked.into();
    command(&settings, sandbox)
}

fn settings(band: &str, login: Login, layout: Layout, sandbox: &Sandbox) -> Value {
    json!({
        "module": module(&sandbox.packages),
        "band": band,
        "directory": layout.config_directory(login),
        "credentials": layout.credentials(login),
        "answer": ANSWER,
    })
}

fn command(settings: &Value, sandbox: &Sandbox) -> Vec<OsString> {
    let node = sandbox.node.clone().unwrap_or_else(|| "node".into());
    vec![node.into(), sandbox.programs.join(SCRIPT_NAME).into(), settings.to_string().into()]
}
