//! What is known of the client that is installed here, by its files and variables alone: it is not started, and of a
//! secret nothing but whether it is set is looked at.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use serde::{Serialize, Serializer};

use crate::{program, settings};

/// Variables by which clients use something else than a login, in the order in which clients ask.
const KEYS: [&str; 5] = [
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_API_KEY",
];
/// The setting that does so, by a program that brings a key.
pub const KEY_HELPER: &str = "apiKeyHelper";
/// The variable for what `claude setup-token` makes.
pub const SETUP_TOKEN: &str = "CLAUDE_CODE_OAUTH_TOKEN";
/// Variables whose value is a secret.
pub const SECRETS: [&str; 3] = ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", SETUP_TOKEN];

/// What clients use instead of the login that is stored.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum Instead {
    /// A key, by this variable or setting.
    Key(&'static str),
    SetupToken,
}

/// What a client here uses instead of the login, the first that there is. The order is the documented one.
pub fn instead() -> Option<Instead> {
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let key = KEYS.into_iter().find(is_set).or_else(|| has_key_helper().then_some(KEY_HELPER));
    key.map(Instead::Key).or_else(|| is_set(&SETUP_TOKEN).then_some(Instead::SetupToken))
}

/// Whether the user's settings name a program that brings a key. Its command line is not looked at.
fn has_key_helper() -> bool {
    let Ok(directory) = settings::user_directory() else { return false };
    let Ok(text) = read(&directory.join("settings.json")) else { return false };
    serde_json::from_slice::<serde_json::Value>(&text)
        .is_ok_and(|settings| settings.get(KEY_HELPER).is_some_and(serde_json::Value::is_string))
}

/// The client's own files are far smaller. Bytes.
const LARGEST: u64 = 1 << 20;

/// What is in a file of the client's. One that is no regular file, such as a FIFO, or far too large is not read: that
/// could take for ever, and whoever shares the directory could have put it there.
///
/// # Errors
/// The kernel's, or it is no such file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let not_waiting = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(not_waiting).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("no regular file"));
    }
    if found.len() > LARGEST {
        return Err(io::Error::other("larger than 1 MiB"));
    }
    let mut text = Vec::new();
    file.take(LARGEST).read_to_end(&mut text)?;
    Ok(text)
}

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
