//! The image that podman's containers start from: a minimal Debian with what clients load, kept in the lab's cache.
//!
//! Must be built before the network is left behind.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::failure::cannot_run;

/// What containers are started from.
pub const NAME: &str = "localhost/lockspan-lab:bookworm";
/// Below the cache. Change it with the recipe, so that nobody goes on with an old image.
const DIRECTORY: &str = "image-bookworm-1";
const RECIPE: &str = include_str!("image.sh");

/// Where podman finds the image, below a directory of packages.
pub fn storage(packages: &Path) -> PathBuf {
    packages.join(DIRECTORY).join("storage")
}

/// Builds the image unless the cache has it.
pub fn fetch(cache: &Path) -> Result<()> {
    for tool in ["podman", "runc"] {
        which(tool)?;
    }
    if storage(cache).is_dir() {
        return Ok(());
    }
    which("debootstrap")?;
    eprintln!("building the image of the containers with debootstrap");
    std::fs::create_dir_all(cache).with_context(|| format!("making {}", cache.display()))?;
    // Renamed at the end, so that half an image is not taken for one.
    let partial = tempfile::Builder::new()
        .prefix(".partial-")
        .tempdir_in(cache)
        .with_context(|| format!("writing to {}", cache.display()))?;
    let output = Command::new("unshare")
        // Nothing that the recipe mounts is seen outside, or outlives it.
        .args(["--mount", "sh", "-euc", RECIPE, "image.sh"])
        .arg(partial.path())
        .arg(NAME)
        .output()
        .map_err(|error| cannot_run(format!("unshare cannot be started ({error})")))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let reason = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no reason given");
        return Err(cannot_run(format!("the containers' image cannot be built ({})", reason.trim())));
    }
    let target = cache.join(DIRECTORY);
    match std::fs::rename(partial.path(), &target) {
        Ok(()) => Ok(()),
        // Somebody else was faster.
        Err(_) if storage(cache).is_dir() => Ok(()),
        Err(error) => Err(error).with_context(|| format!("moving the image to {}", target.display())),
    }
}

/// Refuses to go on without a tool.
pub fn which(tool: &str) -> Result<PathBuf> {
    super::podman::PATH
        .split(':')
        .map(|directory| Path::new(directory).join(tool))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| cannot_run(format!("`{tool}` is not installed; scripts/setup --podman installs it")))
}
