//! Tables of sites as files: their text, their place, and how they get there.
//!
//! The form is that of `lockspan_core::sites`, which reads it.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use lockspan_core::sites::{self, BuildId, Machine, Site};

/// The text of a table.
pub fn text(machine: Machine, build_id: &BuildId, sites: &[Site]) -> String {
    let machine = String::from_utf8_lossy(machine.name());
    let mut text = format!("lockspan-sites 1\nmachine {machine}\nbuild-id {}\n", hexadecimal(build_id));
    for site in sites {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "site {:x} {}", site.address, hexadecimal(site.bytes()));
    }
    let _ = writeln!(text, "end {}", sites.len());
    text
}

/// Bytes as tables have them.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The directory in which the library looks for tables that are not compiled in.
///
/// # Errors
/// One that the library does not look into: it takes absolute paths only.
pub fn directory() -> Result<PathBuf> {
    directory_of(std::env::var_os("LOCKSPAN_SITES"))
}

fn directory_of(variable: Option<OsString>) -> Result<PathBuf> {
    let directory =
        variable.map_or_else(|| PathBuf::from(OsStr::from_bytes(sites::DIRECTORY)), PathBuf::from);
    if !directory.is_absolute() {
        bail!("LOCKSPAN_SITES must be an absolute path; the library would find no table");
    }
    Ok(directory)
}

/// The file in this directory that has a build's table.
pub fn path(directory: &Path, build_id: &BuildId) -> PathBuf {
    let mut name = hexadecimal(build_id).into_bytes();
    name.extend(sites::SUFFIX.to_bytes());
    directory.join(OsStr::from_bytes(&name))
}

/// Puts a table in its place in one step, so that no process reads half of it. Everybody may read it, whatever the
/// umask: the programs that it is for may run as anybody. What is there and is no file, a device or a pipe, is
/// written to and never replaced.
///
/// # Errors
/// The file system's. Nothing is left behind then.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    // A link is followed: what it leads to is what was asked for.
    let path = &match fs::canonicalize(path) {
        Ok(target) if !target.is_file() => return fs::write(target, text),
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))?;
    let directory = path.parent().unwrap_or(Path::new(""));
    if !directory.as_os_str().is_empty() && !directory.exists() {
        fs::create_dir_all(directory)?;
        // Whatever the umask: a table that another user's client cannot find is none.
        fs::set_permissions(directory, Permissions::from_mode(0o755))?;
    }
    let mut temporary = OsStr::new(".").to_owned();
    temporary.push(name);
    temporary.push(format!(".{}", std::process::id()));
    let temporary = directory.join(temporary);
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.set_permissions(Permissions::from_mode(0o644))?;
            fs::rename(&temporary, path)
        });
    if written.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::AlreadyExists) {
        // It may not be there at all.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Whether the library would take this text for the table of this build on this machine.
pub fn serves(text: &[u8], build_id: &BuildId) -> bool {
    sites::parse(text).is_some_and(|mut table| {
        table.build_id == *build_id
            && table.machine == sites::MACHINE
            && table.all(|site| sites::number(&site).is_some_and(sites::wanted))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileTypeExt;
    use std::os::unix::net::UnixListener;

    fn example() -> Vec<Site> {
        [0x1000, 0x2000]
            .iter()
            .filter_map(|&address| Site::new(address, &[0xb8, 83, 0, 0, 0, 0x0f, 5]))
            .collect()
    }

    #[test]
    fn what_is_written_is_read_the_same() {
        let text = text(Machine::X86_64, &[0xab; 20], &example());
        let table = sites::parse(text.as_bytes()).expect("a table");
        assert_eq!((table.machine, table.build_id), (Machine::X86_64.name(), [0xab; 20]));
        assert_eq!(table.collect::<Vec<_>>(), example());
    }

    #[test]
    fn a_table_is_put_in_its_place_for_everybody() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let directory = home.path().join("tables");
        let path = path(&directory, &[1; 20]);
        write(&path, "old").expect("room");
        write(&path, "new").expect("room");
        assert_eq!(fs::read(&path).expect("a file"), b"new");
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(&directory).expect("a directory").count(), 1);
        // What is no file stays what it is, by a link, too.
        let socket = directory.join("socket");
        let _listener = UnixListener::bind(&socket).expect("a socket");
        std::os::unix::fs::symlink(&socket, directory.join("link")).expect("room");
        assert!(write(&directory.join("link"), "text").is_err());
        assert!(fs::metadata(&socket).expect("the socket").file_type().is_socket());
        fs::remove_file(directory.join("link")).expect("the link");
        fs::remove_file(&socket).expect("the socket");
        fs::create_dir(directory.join("taken")).expect("a directory");
        assert!(write(&directory.join("taken"), "text").is_err());
        assert_eq!(fs::read_dir(&directory).expect("a directory").count(), 2);
    }

    #[test]
    fn tables_are_where_the_library_looks() {
        assert_eq!(directory_of(None).ok(), Some(PathBuf::from("/var/lib/lockspan")));
        assert_eq!(directory_of(Some("/tables".into())).ok(), Some(PathBuf::from("/tables")));
        assert!(directory_of(Some("tables".into())).is_err());
        assert!(directory_of(Some("".into())).is_err());
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn only_the_builds_own_table_serves() {
        let own = text(Machine::X86_64, &[1; 20], &example());
        assert!(serves(own.as_bytes(), &[1; 20]));
        assert!(!serves(own.as_bytes(), &[2; 20]));
        assert!(!serves(own.replace("x86_64", "aarch64").as_bytes(), &[1; 20]));
        assert!(!serves(own.replace("b853", "b801").as_bytes(), &[1; 20]));
        assert!(!serves(&own.as_bytes()[..own.len() - 1], &[1; 20]));
    }
}
