//! What containers share: the config directory, the credentials file alone, the whole home, or nothing; and whether
//! one login lies in two places.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use lockspan_core::names::CONFIG_BELOW_HOME;

use super::{Outcome, Problem, Subject, credentials_in, fault, login, skipped};
use crate::layout::{Kind, Layout, layout};

pub fn exists(subject: &Subject<'_>) -> Outcome {
    let given = match &subject.given {
        Ok(given) => given,
        Err(why) => return fault(why, "export HOME=/home/me, or CLAUDE_CONFIG_DIR=/path"),
    };
    if subject.directory.is_some() {
        return Ok(String::new());
    }
    let evidence = match (fs::metadata(given), fs::symlink_metadata(given)) {
        (Err(error), _) if error.kind() == io::ErrorKind::PermissionDenied => {
            return fault(
                format!("{}: {error}", given.display()),
                "run as the owner of the login: docker run --user UID",
            );
        }
        (_, Ok(found)) if found.is_symlink() => "is a symbolic link to no directory",
        (_, Ok(_)) => "is no directory",
        (_, Err(_)) => "is missing; a client without it hangs",
    };
    fault(format!("{} {evidence}", given.display()), format!("mkdir -m 700 {}", given.display()))
}

pub fn shared(subject: &Subject<'_>) -> Outcome {
    let directory = subject.directory()?;
    let Layout { kind, mount } = layout(directory).map_err(|error| Problem::Skipped(format!("{error:#}")))?;
    let (point, filesystem) = (&mount.point, &mount.filesystem);
    let from = match mount.root.as_str() {
        "/" => filesystem.clone(),
        root => format!("{root} of {filesystem}"),
    };
    let is_link = || subject.given.as_deref().is_ok_and(|given| given.is_symlink());
    Ok(match kind {
        Kind::File => "file mount: only .credentials.json is shared".into(),
        Kind::Directory => format!("directory mount ({from})"),
        Kind::Unmounted => {
            return fault(
                "no mount of its own: shared with processes here, with no other container",
                format!("to share it: docker run -v {}:/home/me/.claude", directory.display()),
            );
        }
        Kind::Home => format!("the whole home is on the mount {point} ({from})"),
        Kind::Below if is_link() => format!("a symbolic link into the mount {point} ({from})"),
        Kind::Below => format!("below the mount {point} ({from})"),
    })
}

/// The directories that clients may take for the config directory, by the variables that name them.
fn stores() -> Vec<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = set("HOME").map(|home| home.join(OsStr::from_bytes(CONFIG_BELOW_HOME)));
    [set("CLAUDE_SECURESTORAGE_CONFIG_DIR"), set("CLAUDE_CONFIG_DIR"), home].into_iter().flatten().collect()
}

pub fn one_store(subject: &Subject<'_>) -> Outcome {
    let directory = subject.directory()?;
    let credentials = subject.credentials()?;
    let Ok(own) = fs::metadata(&credentials) else { return skipped("no credentials file") };
    let generation = login::generation(&credentials);
    for store in stores() {
        let other = credentials_in(&store);
        let Ok(found) = fs::metadata(&other) else { continue };
        let is_same_file = (found.dev(), found.ino()) == (own.dev(), own.ino());
        if !is_same_file && generation.is_some() && login::generation(&other) == generation {
            return fault(
                format!("{} has a copy of the login in {}", store.display(), directory.display()),
                format!("rm {}; the first refresh of one copy ends the other", other.display()),
            );
        }
    }
    Ok(String::new())
}
