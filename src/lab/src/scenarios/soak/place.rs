//! One login of the soak: a small disk that containers share, and what is on it in the end.
//!
//! Unmounted when dropped, however the soak ends.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::super::run;
use super::judge::Shared;
use crate::container::Container;
use crate::credentials::Login;
use crate::layout::{Filesystem, Layout, Place, STATE_NAME};
use crate::sandbox;

/// The disk of the shared files.
const DISK: &std::ffi::CStr = c"size=512k,mode=0755";
/// What fills it.
const FILLER: &str = "filler";

/// What lies in the shared directory in the end.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Remains {
    /// Records of siblings and temporary files, which only a process that was killed leaves.
    pub of_killed: Vec<String>,
    /// What nobody knows.
    pub strange: Vec<String>,
}

/// A login that containers share.
pub struct Home {
    /// What of it they share.
    pub shared: Shared,
    /// The containers.
    pub containers: Vec<Container<'static>>,
    directory: PathBuf,
}

impl Home {
    /// Makes the disk and the containers.
    pub fn prepare(shared: Shared, containers: usize, credentials: &str) -> Result<Self> {
        let (_, directory) = run::new_directory();
        let mut home = Self { shared, containers: Vec::new(), directory };
        let directory = home.directory.clone();
        let mounted = crate::shared::Shared::Tmpfs.mount(&directory)?;
        let place = Place {
            layout: home.layout(),
            home: Filesystem::Tmpfs,
            directory: &directory,
            shared: &mounted,
            read_only: false,
            owner: 0,
            login: Login::Claude,
            credentials,
        };
        sandbox::mount("tmpfs", &mounted.directory, "tmpfs", DISK)?;
        for step in place.shared_steps() {
            step.perform()?;
        }
        for number in 0..containers {
            home.containers.push(Container::of_namespaces(place.container_steps(number, 0), true)?);
        }
        Ok(home)
    }

    /// For the clients.
    pub fn layout(&self) -> Layout {
        match self.shared {
            Shared::Directory => Layout::Dir,
            Shared::File => Layout::File,
        }
    }

    /// The log that the clients and the lab write.
    pub fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// A file for what clients say of their failures.
    pub fn complaints(&self) -> PathBuf {
        self.directory.join("complaints")
    }

    /// The credentials, seen from outside.
    pub fn credentials(&self) -> PathBuf {
        match self.shared {
            Shared::Directory => self.disk().join("claude/.credentials.json"),
            Shared::File => self.disk().join("credentials.json"),
        }
    }

    fn disk(&self) -> PathBuf {
        self.directory.join("shared")
    }

    /// Leaves no room on the disk.
    pub fn fill(&self) -> Result<()> {
        let path = self.disk().join(FILLER);
        let mut file = File::create(&path).with_context(|| path.display().to_string())?;
        for size in [4096, 1] {
            loop {
                match file.write(&[0; 4096][..size]) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Makes room again.
    pub fn empty(&self) -> Result<()> {
        match fs::remove_file(self.disk().join(FILLER)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The lock directories that are there, each path once.
    pub fn locks(&self) -> Vec<String> {
        let mut left = Vec::new();
        for (number, container) in self.containers.iter().enumerate() {
            for lock in self.layout().locks(Login::Claude) {
                if container.view(&lock).symlink_metadata().is_ok() {
                    left.push(format!("{} in container {number}", lock.display()));
                }
            }
        }
        left
    }

    /// All that is on the disk, or, where the file alone is shared, in the containers' config directories too.
    pub fn remains(&self) -> Result<Remains> {
        let mut remains = Remains::default();
        match self.shared {
            Shared::Directory => look(&self.disk().join("claude"), &mut remains)?,
            Shared::File => {
                look(&self.disk(), &mut remains)?;
                for container in &self.containers {
                    look(&container.view(&Layout::File.config_directory(Login::Claude)), &mut remains)?;
                }
            }
        }
        Ok(remains)
    }
}

fn look(directory: &Path, remains: &mut Remains) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        match name.as_str() {
            ".lockspan" => look(&entry.path(), remains)?,
            ".credentials.json" | "credentials.json" | STATE_NAME => {}
            "oauth_refresh.guard" | "oauth_refresh.owner" | "removal" => {}
            _ if name.starts_with("sibling-") || name.starts_with(".credentials.json.") => {
                remains.of_killed.push(name);
            }
            _ => remains.strange.push(name),
        }
    }
    Ok(())
}

impl Drop for Home {
    fn drop(&mut self) {
        self.containers.clear();
        // Both go with the lab's namespaces in any case.
        let _ = rustix::mount::unmount(self.disk(), rustix::mount::UnmountFlags::DETACH);
        let _ = fs::remove_dir_all(&self.directory);
    }
}
