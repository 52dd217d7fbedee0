//! Which version of the client is installed here, by its files alone: it is not started.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::Path;

use serde::{Serialize, Serializer};

use crate::program;

/// A version, by its three numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Version(pub u32, pub u32, pub u32);

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The version of `claude` in PATH; `None` if there is none, or it does not tell.
pub fn version() -> Option<Version> {
    let program = program::find(OsStr::new("claude")).ok()?;
    of_program(&fs::canonicalize(program).ok()?)
}

/// By the path's own name, as the installer of native builds makes it, or by the package that it lies in.
fn of_program(program: &Path) -> Option<Version> {
    if let Some(version) = program.file_name().and_then(OsStr::to_str).and_then(parse) {
        return Some(version);
    }
    program.ancestors().skip(1).take(3).find_map(|directory| {
        let text = fs::read(directory.join("package.json")).ok()?;
        let package: serde_json::Value = serde_json::from_slice(&text).ok()?;
        parse(package.get("version")?.as_str()?)
    })
}

fn parse(text: &str) -> Option<Version> {
    let numbers: Vec<u32> = text.split('.').map(|number| number.parse().ok()).collect::<Option<_>>()?;
    let [major, minor, patch] = numbers[..] else { return None };
    Some(Version(major, minor, patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_a_native_build_and_of_a_package() {
        assert_eq!(of_program(Path::new("/proc/self/none/versions/2.1.150")), Some(Version(2, 1, 150)));
        assert_eq!(of_program(Path::new("/proc/self/none/bin/claude")), None);
        let package = tempfile::tempdir().expect("a temporary directory");
        let text = r#"{"name":"@anthropic-ai/claude-code","version":"2.1.112"}"#;
        fs::write(package.path().join("package.json"), text).expect("a file");
        assert_eq!(of_program(&package.path().join("cli.js")), Some(Version(2, 1, 112)));
        assert!(Version(2, 1, 143) > Version(2, 1, 131));
    }
}
