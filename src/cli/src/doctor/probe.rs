//! `doctor --probe`: what the shared filesystem really does, alone, against a second process, and against a second
//! container that probes at the same time. Everything is made in the library's own directory inside the config
//! directory and removed again.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use lockspan_core::names::LOCKS;
use lockspan_lock::linux::Linux;

use super::kept::Kept;
use super::meeting::{self, Met, RACES};
use super::{Outcome, Problem, Subject, credentials_in, fault, place, skipped};

/// How long a second container is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long the second process, which is started here, is waited for.
const OWN: Duration = Duration::from_secs(10);

/// What a probe found.
pub struct Probe {
    /// Whether a second open in this process is refused a flock.
    flock: bool,
    /// Whether it is refused a byte.
    byte: bool,
    birth_time: bool,
    second: Met,
    /// The second container; `None` if none came.
    other: Option<Met>,
    /// Whether containers share only the credentials file.
    file_mount: bool,
}

/// Probes a config directory, given by its real path.
///
/// # Errors
/// Nothing can be made there, or the second process cannot be started or does not answer.
pub fn probe(directory: &Path) -> io::Result<Probe> {
    let mut kernel = Linux::new();
    kernel
        .serve_path(directory.as_os_str().as_bytes(), &LOCKS[0])
        .ok_or_else(|| io::Error::other("the config directory's path is too long"))?;
    let file_mount = kernel.credentials_are_mounted();
    let state = directory.join(".lockspan");
    let made = place::make_directory(&state)?;
    let shared = state.join("probe");
    let name = format!("{}.own", place::unique());
    // Keeps the place from being removed by another container that leaves.
    let own = place::create(&shared, &name)?;
    let probe = probe_in(&shared, &name, own, file_mount.then(|| credentials_in(directory)));
    fs::remove_file(shared.join(&name))?;
    place::remove_if_empty(&shared)?;
    if made {
        place::remove_if_empty(&state)?;
    }
    probe
}

/// Probes in a place with this file in it. `mounted` is the credentials file, where that is all that is shared.
fn probe_in(place: &Path, name: &str, own: File, mounted: Option<PathBuf>) -> io::Result<Probe> {
    let file = place.join(name);
    let birth_time = own.metadata()?.created().is_ok();
    let locked = Kept::flock(&file)?;
    let flock = meeting::flock_refused(&file)?;
    drop(locked);
    let shared = mounted.as_ref().unwrap_or(&file);
    let locked = Kept::byte(shared)?;
    let byte = meeting::byte_refused(shared)?;
    drop(locked);

    let second = second_process(&file.with_extension("second"))?;
    let file_mount = mounted.is_some();
    let other = if file_mount {
        None
    } else {
        meeting::meet(place, PATIENCE, |left| {
            if left % 5 == 4 {
                eprintln!(
                    "lockspan: waiting for `lockspan doctor --probe` in another container, {} s left",
                    left + 1
                );
            }
        })?
    };
    Ok(Probe { flock, byte, birth_time, second, other, file_mount })
}

/// Meets a second process of this program.
fn second_process(place: &Path) -> io::Result<Met> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["doctor", "--probe-second"])
        .arg(place)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    let met = meeting::meet(place, OWN, |_| {});
    let status = child.wait()?;
    met?.filter(|_| status.success())
        .ok_or_else(|| io::Error::other("the second process of the probe did not answer"))
}

fn probed<'a>(subject: &'a Subject<'_>) -> Result<&'a Probe, Problem> {
    match &subject.probe {
        None => Err(Problem::Skipped("no --probe given".into())),
        Some(Err(why)) => Err(Problem::Skipped(why.clone())),
        Some(Ok(probe)) => Ok(probe),
    }
}

fn met<'a>(subject: &'a Subject<'_>) -> Result<&'a Met, Problem> {
    probed(subject)?.other.as_ref().ok_or_else(|| Problem::Skipped("alone".into()))
}

const OTHER_FILESYSTEM: &str =
    "put the config directory on a filesystem of one host (ext4, xfs, btrfs, tmpfs)";

pub fn mkdir(subject: &Subject<'_>) -> Outcome {
    match probed(subject)?.second.wrong_races {
        0 => Ok(format!("mkdir: one winner in each of {RACES} races")),
        wrong => {
            fault(format!("mkdir: {wrong} of {RACES} races had not exactly one winner"), OTHER_FILESYSTEM)
        }
    }
}

pub fn flock(subject: &Subject<'_>) -> Outcome {
    let probe = probed(subject)?;
    locks("flock", probe.flock, probe.second.flock_refused)
}

pub fn byte_lock(subject: &Subject<'_>) -> Outcome {
    let probe = probed(subject)?;
    if probe.file_mount && !probe.byte {
        return fault(
            "byte lock: a second open can take it as well; nothing excludes here, and the library changes nothing",
            "mount the directory instead of the file",
        );
    }
    locks("byte lock", probe.byte, probe.second.byte_refused)
}

fn locks(kind: &str, open: bool, process: bool) -> Outcome {
    let by = match (open, process) {
        (true, true) => return Ok(format!("{kind}: coherent")),
        (false, true) => "a second open",
        (true, false) => "a second process",
        (false, false) => "a second open and a second process",
    };
    fault(format!("{kind}: {by} can take it as well; a killed holder is waited for"), OTHER_FILESYSTEM)
}

pub fn birth_time(subject: &Subject<'_>) -> Outcome {
    if probed(subject)?.birth_time {
        return Ok("birth times".into());
    }
    fault("no birth times: a killed holder is waited for", OTHER_FILESYSTEM)
}

pub fn other(subject: &Subject<'_>) -> Outcome {
    let probe = probed(subject)?;
    if probe.file_mount {
        return skipped("only the credentials file is shared, by which no other container can be met");
    }
    match &probe.other {
        Some(other) => Ok(format!("met {}", other.name)),
        None => fault(
            "alone: no other container came within 20 s",
            "lockspan doctor --probe    # in both containers at the same time",
        ),
    }
}

pub fn other_mkdir(subject: &Subject<'_>) -> Outcome {
    let other = met(subject)?;
    match other.wrong_races {
        0 => Ok(String::new()),
        wrong => fault(
            format!("mkdir: {wrong} of {RACES} races with {} had not exactly one winner", other.name),
            OTHER_FILESYSTEM,
        ),
    }
}

pub fn other_locks(subject: &Subject<'_>) -> Outcome {
    let other = met(subject)?;
    match (other.flock_refused, other.byte_refused) {
        (true, true) => Ok(format!("coherent with {}", other.name)),
        (false, _) => fault(
            format!("flock: what {} has locked can be taken here; a killed holder is waited for", other.name),
            OTHER_FILESYSTEM,
        ),
        (true, false) => {
            fault(format!("byte lock: what {} has locked can be taken here", other.name), OTHER_FILESYSTEM)
        }
    }
}
