//! Packages from the npm registry, in a cache outside the repository.
//!
//! Uses npm itself; runs no script of a package. Must be called before the network is left behind.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::failure::cannot_run;

/// A package at one version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// Its name in the registry.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Package {
    /// The directory below the cache that it is installed in.
    pub fn directory(&self) -> String {
        let base = self.name.rsplit('/').next().unwrap_or(&self.name);
        format!("{base}-{}", self.version)
    }

    /// A file of it, below a directory of packages.
    pub fn file(&self, packages: &Path, name: &str) -> PathBuf {
        packages.join(self.directory()).join("node_modules").join(&self.name).join(name)
    }
}

/// The cache: `$LOCKSPAN_CACHE`, else `$XDG_CACHE_HOME/lockspan`, else `~/.cache/lockspan`.
pub fn cache() -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("LOCKSPAN_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|base| base.join("lockspan")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/lockspan")))
        .ok_or_else(|| cannot_run("no place for downloads: set LOCKSPAN_CACHE"))
}

/// Installs a package unless the cache has it.
pub fn fetch(package: &Package, cache: &Path) -> Result<()> {
    let target = cache.join(package.directory());
    if package.file(cache, "package.json").is_file() {
        return Ok(());
    }
    let wanted = format!("{}@{}", package.name, package.version);
    eprintln!("fetching {wanted} from the npm registry");
    std::fs::create_dir_all(cache).with_context(|| format!("making {}", cache.display()))?;
    // Renamed at the end, so that an interrupted download is not taken for a package.
    let partial = tempfile::Builder::new()
        .prefix(".partial-")
        .tempdir_in(cache)
        .with_context(|| format!("writing to {}", cache.display()))?;
    let output = Command::new("npm")
        .args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .args(["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000"])
        // A musl build is refused on a glibc machine otherwise; it runs there, given musl's loader.
        .arg("--force")
        .arg("--prefix")
        .arg(partial.path())
        .arg(&wanted)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| cannot_run(format!("npm cannot be started ({error}); scripts/setup installs it")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let reason = said.lines().find(|line| line.contains("npm error")).unwrap_or("no reason given");
        return Err(cannot_run(format!("{wanted} cannot be had from the npm registry ({})", reason.trim())));
    }
    match std::fs::rename(partial.path(), &target) {
        Ok(()) => Ok(()),
        // Somebody else was faster.
        Err(_) if package.file(cache, "package.json").is_file() => Ok(()),
        Err(error) => Err(error).with_context(|| format!("moving {wanted} into {}", cache.display())),
    }
}

/// Node, as an absolute path without symlinks.
pub fn node() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|directory| directory.join("node"))
        .find(|candidate| candidate.is_file())
        .and_then(|found| found.canonicalize().ok())
        .ok_or_else(|| cannot_run("node is not installed; scripts/setup installs it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scoped_package_has_a_plain_directory() {
        let package = Package { name: "@scope/name".to_owned(), version: "1.2.3".to_owned() };
        assert_eq!(package.directory(), "name-1.2.3");
        assert_eq!(
            package.file(Path::new("/c"), "x.js"),
            Path::new("/c/name-1.2.3/node_modules/@scope/name/x.js")
        );
    }
}
