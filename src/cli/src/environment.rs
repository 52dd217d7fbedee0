//! `lockspan env`: what a bug report needs to know of a machine. Of a secret it says only whether it is set.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::client::{self, Version};
use crate::layout::{self, Layout};
use crate::scan::image::Image;
use crate::{output, run, settings};

#[derive(Serialize)]
struct Environment {
    schema_version: u32,
    lockspan: &'static str,
    kernel: String,
    architecture: &'static str,
    /// The C library that this command runs with.
    libc: Option<String>,
    /// What tells of a container.
    container: Vec<&'static str>,
    /// The version of the client in PATH, by its files.
    client: Option<Version>,
    config_directory: Found<PathBuf>,
    layout: Found<Layout>,
    library: Found<Library>,
    /// Their values, or `set` and `unset`.
    variables: BTreeMap<&'static str, Option<String>>,
}

#[derive(Serialize)]
struct Library {
    path: PathBuf,
    bytes: u64,
    sha256: String,
    build_id: Option<String>,
}

/// Something, or why it could not be found.
#[derive(Serialize)]
#[serde(untagged)]
enum Found<T> {
    Yes(T),
    No { error: String },
}

impl<T> From<Result<T>> for Found<T> {
    fn from(result: Result<T>) -> Self {
        match result {
            Ok(found) => Found::Yes(found),
            Err(error) => Found::No { error: format!("{error:#}") },
        }
    }
}

/// Shown as they are.
const SHOWN: [&str; 14] = [
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_FOUNDRY",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CONFIG_DIR",
    "CLAUDE_SECURESTORAGE_CONFIG_DIR",
    "HOME",
    "LD_PRELOAD",
    "LOCKSPAN_CONFIG",
    "LOCKSPAN_DISABLE",
    "LOCKSPAN_EVENTS",
    "LOCKSPAN_MODE",
    "LOCKSPAN_ROLLBACK",
    "LOCKSPAN_SITES",
    "UV_USE_IO_URING",
];

/// Files that container engines make, and variables that orchestrators set.
const CONTAINER_FILES: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];
const CONTAINER_VARIABLES: [&str; 3] = ["container", "KUBERNETES_SERVICE_HOST", "REMOTE_CONTAINERS"];

/// Prints what there is; with `redact` without the names of home directories and users.
///
/// # Errors
/// Standard output cannot be written to.
pub fn environment(json: bool, redact: bool) -> Result<()> {
    let mut report = serde_json::to_value(look())?;
    if redact {
        let home = std::env::var("HOME").unwrap_or_default();
        let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
        redact_texts(&mut report, home.trim_end_matches('/'), &user);
    }
    let mut text = String::new();
    if json {
        text = serde_json::to_string_pretty(&report)? + "\n";
    } else {
        list(&mut text, "", &report);
    }
    output::print(&text)
}

fn look() -> Environment {
    let uname = rustix::system::uname();
    let directory = settings::config_directory_path();
    let layout = match &directory {
        Ok(directory) => layout::layout(directory),
        Err(_) => Err(anyhow::anyhow!("no config directory")),
    };
    let shown =
        SHOWN.map(|name| (name, std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())));
    let secret =
        client::SECRETS.map(|name| (name, std::env::var_os(name).map(|_| "set, not shown".to_owned())));
    let files = CONTAINER_FILES.into_iter().filter(|file| Path::new(file).exists());
    let variables = CONTAINER_VARIABLES.into_iter().filter(|name| std::env::var_os(name).is_some());
    Environment {
        schema_version: 1,
        lockspan: env!("CARGO_PKG_VERSION"),
        kernel: format!("{} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy()),
        architecture: std::env::consts::ARCH,
        libc: libc(),
        container: files.chain(variables).collect(),
        client: client::version(),
        config_directory: directory.into(),
        layout: layout.into(),
        library: library().into(),
        variables: shown.into_iter().chain(secret).collect(),
    }
}

/// The C library that is mapped into this process; glibc says its version in a line of text.
fn libc() -> Option<String> {
    const BANNER: &[u8] = b"GNU C Library ";
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let mapped = |name: &str| {
        maps.lines().filter_map(|line| line.split_whitespace().nth(5)).find(|path| path.contains(name))
    };
    if let Some(musl) = mapped("/ld-musl-") {
        return Some(format!("musl ({musl})"));
    }
    let image = fs::read(mapped("/libc.so.6")?).ok()?;
    let start = memchr::memmem::find(&image, BANNER)?;
    let line = image.get(start..)?.split(|&byte| byte == b'\n').next()?;
    Some(String::from_utf8_lossy(line).into_owned())
}

fn library() -> Result<Library> {
    let path = run::library::find()?;
    let content = fs::read(&path)?;
    let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let image = Image::read(content.as_slice()).map_err(anyhow::Error::msg)?;
    Ok(Library {
        bytes: content.len() as u64,
        sha256: hexadecimal(&Sha256::digest(&content)),
        build_id: image.build_id.as_deref().map(hexadecimal),
        path,
    })
}

/// Writes every value in a line of its own, under its path.
fn list(text: &mut String, name: &str, value: &Value) {
    let mut line =
        |shown: &str| writeln!(text, "{name}: {}", shown.escape_debug()).expect("a string has room");
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let inner = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
                list(text, &inner, value);
            }
        }
        Value::Array(items) if items.is_empty() => line("none"),
        Value::Array(items) => items.iter().for_each(|item| list(text, name, item)),
        Value::Null if name.starts_with("variables.") => line("unset"),
        Value::Null => line("unknown"),
        Value::String(shown) => line(shown),
        other => line(&other.to_string()),
    }
}

fn redact_texts(value: &mut Value, home: &str, user: &str) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|value| redact_texts(value, home, user)),
        Value::Array(items) => items.iter_mut().for_each(|item| redact_texts(item, home, user)),
        Value::String(text) => *text = redacted(text, home, user),
        _ => {}
    }
}

/// A text with `~` for the home directory, and `USER` for the user's name and whatever follows `/home`, where these
/// are whole parts of a path.
fn redacted(text: &str, home: &str, user: &str) -> String {
    let is_end = |byte: Option<u8>| byte.is_none_or(|byte| b"/: ".contains(&byte));
    let mut result = String::new();
    let mut rest = text;
    while let Some(slash) = rest.find('/') {
        let (before, path) = rest.split_at(slash);
        let starts = is_end(result.bytes().chain(before.bytes()).last());
        result += before;
        if starts
            && !home.is_empty()
            && path.strip_prefix(home).is_some_and(|rest| is_end(rest.bytes().next()))
        {
            result.push('~');
            rest = path.get(home.len()..).unwrap_or_default();
            continue;
        }
        let name = path.get(1..).unwrap_or_default();
        let name = name.split(['/', ':', ' ']).next().unwrap_or_default();
        let is_name = !name.is_empty() && (name == user || result.ends_with("/home"));
        result.push('/');
        result += if is_name { "USER" } else { name };
        rest = path.get(1 + name.len()..).unwrap_or_default();
    }
    result + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_homes_and_users_are_redacted() {
        let redacted = |text| redacted(text, "/home/ann", "ann");
        assert_eq!(redacted("/home/ann/.claude"), "~/.claude");
        assert_eq!(redacted("/a.so:/home/ann/b.so /srv/ann/c"), "/a.so:~/b.so /srv/USER/c");
        assert_eq!(redacted("/home/annabel/x"), "/home/USER/x");
        assert_eq!(redacted("no config directory at /home/ann"), "no config directory at ~");
        assert_eq!(redacted("/srv/joann/annex//x/"), "/srv/joann/annex//x/");
        assert_eq!(super::redacted("/srv/x", "", ""), "/srv/x");
    }
}
