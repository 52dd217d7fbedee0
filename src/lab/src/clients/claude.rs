//! The real Claude Code, of any release, as the npm registry has it.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Result;

use super::registry::Package;
use crate::failure::cannot_run;
use crate::sandbox::Sandbox;
use crate::spec::{Libc, Release};

/// What is asked for: the shortest run that needs a working login.
const ARGUMENTS: [&str; 2] = ["-p", "hi"];

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

/// How a release on node is started.
pub fn node_argv(release: Release, sandbox: &Sandbox) -> Vec<OsString> {
    let script = node_package(release).file(&sandbox.packages, "cli.js");
    let node = sandbox.node.clone().unwrap_or_else(|| "node".into());
    [node.into(), script.into()].into_iter().chain(ARGUMENTS.map(OsString::from)).collect()
}

/// How a native build is started.
pub fn native_argv(release: Release, libc: Libc, sandbox: &Sandbox) -> Vec<OsString> {
    let executable = native_package(release, libc).file(&sandbox.packages, "claude");
    std::iter::once(executable.into()).chain(ARGUMENTS.map(OsString::from)).collect()
}
