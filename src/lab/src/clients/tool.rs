//! Models of programs that are not Claude Code: one with a lock of proper-lockfile's, the others in Python.
//!
//! Each has a configuration for the library, as its user would write it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;

use super::proper_lockfile;
use crate::credentials::Login;
use crate::failure::cannot_run;
use crate::layout::Layout;
use crate::sandbox::{self, Sandbox};
use crate::server::http::ANSWER;
use crate::spec::{Program, Tool};

const SCRIPT: &str = include_str!("tool.py");
const SCRIPT_NAME: &str = "tool.py";

/// Of the machine, not of somebody's home: containers must see it.
const PYTHON: &str = "/usr/bin/python3";

/// Writes the script and the configuration where containers see them.
pub fn install(tool: Tool, sandbox: &Sandbox) -> Result<()> {
    sandbox::write(&configuration(tool, sandbox), &store(tool))?;
    if Program::Tool(tool).is_proper_lockfile() {
        return proper_lockfile::install(sandbox);
    }
    if !Path::new(PYTHON).exists() {
        return Err(cannot_run(format!("{PYTHON} is missing; scripts/setup installs it")));
    }
    sandbox::write(&sandbox.programs.join(SCRIPT_NAME), SCRIPT)
}

/// The configuration for the library.
pub fn configuration(tool: Tool, sandbox: &Sandbox) -> PathBuf {
    sandbox.programs.join(Program::Tool(tool).to_string()).with_extension("toml")
}

fn store(tool: Tool) -> String {
    let directory = format!("~/{}", Login::Tool.directory());
    let file = format!("{directory}/{}", Login::Tool.file_name());
    let (path, lock, more) = match tool {
        Tool::Directory => (file, "directory", ""),
        Tool::DirectoryBeside => (directory, "directory", ""),
        Tool::Fcntl | Tool::Flock => (file, "file", ""),
        Tool::Lockless | Tool::LocklessRename | Tool::InMemory => (file, "none", "gate = \"expires_at\"\n"),
    };
    format!("[[store]]\npath = \"{path}\"\nlock = \"{lock}\"\n{more}")
}

/// How it is started.
pub fn argv(tool: Tool, layout: Layout, sandbox: &Sandbox) -> Vec<OsString> {
    let lock = match tool {
        Tool::Directory => return proper_lockfile::tool_argv("file", layout, sandbox),
        Tool::DirectoryBeside => return proper_lockfile::tool_argv("directory", layout, sandbox),
        Tool::Fcntl => Some("fcntl"),
        Tool::Flock => Some("flock"),
        Tool::Lockless | Tool::LocklessRename | Tool::InMemory => None,
    };
    let settings = json!({
        "store": layout.credentials(Login::Tool),
        "lock": lock,
        "renames": tool != Tool::Lockless,
        "reads_again": tool != Tool::InMemory,
        "answer": ANSWER,
    });
    vec![PYTHON.into(), sandbox.programs.join(SCRIPT_NAME).into(), settings.to_string().into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_says_what_is_locked() {
        assert_eq!(store(Tool::DirectoryBeside), "[[store]]\npath = \"~/.tool\"\nlock = \"directory\"\n");
        assert_eq!(store(Tool::Fcntl), "[[store]]\npath = \"~/.tool/auth.json\"\nlock = \"file\"\n");
        assert!(store(Tool::Lockless).ends_with("lock = \"none\"\ngate = \"expires_at\"\n"));
    }
}
