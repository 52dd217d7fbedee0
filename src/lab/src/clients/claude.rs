//! The real Claude Code, of any release, as the npm registry has it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Task;
use super::registry::Package;
use crate::failure::cannot_run;
use crate::sandbox::Sandbox;
use crate::spec::{Libc, Release};

/// The shortest run that needs a working login.
const ASK: [&str; 2] = ["-p", "hi"];

fn arguments(task: &Task) -> impl Iterator<Item = OsString> {
    let words: &[&str] = if matches!(task, Task::Version) { &["--version"] } else { &ASK };
    words.iter().map(OsString::from)
}

/// The package of a release that runs on node.
pub fn node_package(release: Release) -> Package {
    Package { name: "@anthropic-ai/claude-code".to_owned(), version: release.to_string() }
}

/// The package of a native build.
pub fn native_package(release: Release, libc: Libc) -> Package {
    let machine = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "x64",
    };
    let suffix = match libc {
        Libc::Gnu => "",
        Libc::Musl => "-musl",
    };
    Package {
        name: format!("@anthropic-ai/claude-code-linux-{machine}{suffix}"),
        version: release.to_string(),
    }
}

/// Refuses a musl build where its loader is missing: exec would only say that there is no such file.
pub fn require_loader(libc: Libc) -> Result<()> {
    let loader = format!("/lib/ld-musl-{}.so.1", std::env::consts::ARCH);
    if libc == Libc::Musl && !Path::new(&loader).exists() {
        return Err(cannot_run(format!("a musl build needs {loader}; scripts/setup installs it")));
    }
    Ok(())
}

/// What a release on node is installed as: a script whose first line names node.
pub fn node_script(release: Release, sandbox: &Sandbox) -> PathBuf {
    node_package(release).file(&sandbox.packages, "cli.js")
}

/// The program of a native build.
pub fn native_executable(release: Release, libc: Libc, sandbox: &Sandbox) -> PathBuf {
    native_package(release, libc).file(&sandbox.packages, "claude")
}

/// How a release on node is started.
pub fn node_argv(release: Release, task: &Task, sandbox: &Sandbox) -> Vec<OsString> {
    let script = node_script(release, sandbox);
    let node = sandbox.node.clone().unwrap_or_else(|| "node".into());
    [node.into(), script.into()].into_iter().chain(arguments(task)).collect()
}

/// How a native build is started.
pub fn native_argv(release: Release, libc: Libc, task: &Task, sandbox: &Sandbox) -> Vec<OsString> {
    let executable = native_executable(release, libc, sandbox);
    std::iter::once(executable.into()).chain(arguments(task)).collect()
}
