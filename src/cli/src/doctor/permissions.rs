//! Who may read and write the login.

use std::fs;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{Access, AtFlags, CWD};
use rustix::io::Errno;

use super::{Outcome, Subject, fault, skipped};

pub fn access(subject: &Subject<'_>) -> Outcome {
    let directory = subject.directory()?;
    let credentials = subject.credentials()?;
    let wanted = [
        (directory, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK),
        (&credentials, Access::READ_OK | Access::WRITE_OK),
    ];
    for (path, access) in wanted {
        // A read-only mount and a missing file are for other checks.
        if let Err(errno @ (Errno::ACCESS | Errno::PERM)) =
            rustix::fs::accessat(CWD, path, access, AtFlags::EACCESS)
        {
            let owner =
                fs::metadata(path).or_else(|_| fs::metadata(directory)).map_or(0, |found| found.uid());
            let user = rustix::process::geteuid().as_raw();
            return fault(
                format!("{}: {errno} for uid {user}", path.display()),
                format!("docker run --user {owner}, or: chown -R {user} {}", directory.display()),
            );
        }
    }
    Ok(String::new())
}

pub fn owner(subject: &Subject<'_>) -> Outcome {
    let directory = subject.directory()?;
    let user = rustix::process::geteuid().as_raw();
    let owner = fs::metadata(directory)?.uid();
    if owner != user {
        return fault(
            format!("{} belongs to uid {owner}, this is uid {user}", directory.display()),
            format!("run clients as uid {owner}: docker run --user {owner}"),
        );
    }
    let credentials = subject.credentials()?;
    match fs::metadata(&credentials) {
        Ok(found) if found.uid() != user => fault(
            format!("{} belongs to uid {}, its directory to uid {owner}", credentials.display(), found.uid()),
            format!("chown {owner} {}", credentials.display()),
        ),
        _ => Ok(format!("uid {owner}")),
    }
}

pub fn credentials_mode(subject: &Subject<'_>) -> Outcome {
    let path = subject.credentials()?;
    let Ok(found) = fs::metadata(&path) else { return skipped("no credentials file") };
    if !found.is_file() {
        return skipped("no file");
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return fault(
            format!("{} has mode {mode:04o}", path.display()),
            format!("chmod 600 {}", path.display()),
        );
    }
    Ok(format!("credentials {mode:04o}"))
}

pub fn directory_mode(subject: &Subject<'_>) -> Outcome {
    let directory = subject.directory()?;
    let mode = fs::metadata(directory)?.mode() & 0o7777;
    if mode & 0o002 != 0 {
        return fault(
            format!("{} has mode {mode:04o}: everybody may replace the login", directory.display()),
            format!("chmod 700 {}", directory.display()),
        );
    }
    Ok(String::new())
}
