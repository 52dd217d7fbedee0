//! The control groups of podman's containers: the only thing of a lab that lies outside its namespaces.
//!
//! They are empty when their lab has ended, but stay. A lab that was killed leaves them to the next one.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::FlockOperation;

use super::image;

/// The parent of all of them, below the root of each hierarchy.
pub const PARENT: &str = "lockspan-lab";

/// Held by every lab that has such groups, for as long as it runs.
pub struct ControlGroups(File);

impl ControlGroups {
    /// Must be called before the first container.
    pub fn share(cache: &Path) -> Result<Self> {
        let path = image::storage(cache);
        let file = File::open(&path).with_context(|| path.display().to_string())?;
        rustix::fs::flock(&file, FlockOperation::LockShared)
            .with_context(|| format!("locking {}", path.display()))?;
        Ok(Self(file))
    }

    /// Removes all groups, unless another lab runs: one that was just made has no process in it yet.
    pub fn remove(self) {
        if rustix::fs::flock(&self.0, FlockOperation::NonBlockingLockExclusive).is_err() {
            return;
        }
        let root = Path::new("/sys/fs/cgroup");
        // One hierarchy, or one for each controller.
        let controllers = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
        for hierarchy in std::iter::once(root.to_owned()).chain(controllers) {
            remove_tree(&hierarchy.join(PARENT));
        }
    }
}

/// One with a process in it stays, since the kernel refuses.
fn remove_tree(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    let _ = fs::remove_dir(group);
}
