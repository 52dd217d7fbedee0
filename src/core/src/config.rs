//! The configuration file, `/etc/lockspan.toml` or what `LOCKSPAN_CONFIG` names: which other clients are served.
//!
//! It is read by the library and by the command, with this parser, so that they cannot disagree. It takes a part of
//! [TOML](https://toml.io): comments, `[[store]]`, and keys with `true`, `false` or a string without escapes. Whatever
//! else a file contains is an error with its line, never skipped: a configuration that is understood by half would
//! redirect by half.

use crate::path::split_last;

/// Where the configuration is if `LOCKSPAN_CONFIG` does not say.
pub const DEFAULT_PATH: &core::ffi::CStr = c"/etc/lockspan.toml";

/// How many stores there may be.
pub const MAX_STORES: usize = 6;

/// How large the file may be. Bytes.
pub const LARGEST: usize = 16 << 10;

/// How long the path of a store may be. Bytes.
const LONGEST_PATH: usize = 1024;

/// What the file says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Config<'a> {
    /// Whether a credentials file is never replaced by a rename, but always in place: then containers that mount the
    /// file alone, and were started before, go on sharing it.
    pub inode_preserving: bool,
    stores: [Option<Store<'a>>; MAX_STORES],
}

impl<'a> Config<'a> {
    /// The stores, in the file's order.
    pub fn stores(self) -> impl Iterator<Item = Store<'a>> {
        self.stores.into_iter().flatten()
    }
}

/// What another client protects by a lock, or by none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Store<'a> {
    /// The file or directory: an absolute path, or one below the home directory.
    pub path: StorePath<'a>,
    /// How the client locks it.
    pub lock: StoreLock<'a>,
}

/// Where a store is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StorePath<'a> {
    /// At this path.
    Absolute(&'a [u8]),
    /// At this path below `$HOME`.
    BelowHome(&'a [u8]),
}

impl<'a> StorePath<'a> {
    /// The path as it was written, without what stands for the home directory.
    pub fn bytes(self) -> &'a [u8] {
        match self {
            StorePath::Absolute(path) | StorePath::BelowHome(path) => path,
        }
    }
}

/// How a client locks its store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreLock<'a> {
    /// By making the directory `PATH.lock`, as npm's proper-lockfile does.
    Directory,
    /// By flock(2) or fcntl(2) on the file `PATH.lock`.
    File,
    /// Not at all. Whoever reads the file once the time in this JSON member has passed waits for the first one that
    /// did, which is about to refresh it.
    Gate(&'a [u8]),
}

/// What is wrong with a configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadLine {
    /// Its line, from 1.
    pub line: u32,
    /// What is wrong with it.
    pub what: &'static str,
}

/// Reads a configuration.
///
/// # Errors
/// The first line that cannot be followed.
pub fn parse(text: &[u8]) -> Result<Config<'_>, BadLine> {
    let mut config = Config::default();
    let mut stores = 0;
    let mut draft: Option<Draft<'_>> = None;
    let mut number = 0;
    for line in text.split(|&byte| byte == b'\n') {
        number += 1;
        let bad = |what| BadLine { line: number, what };
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        if line.starts_with(b"[") {
            if without_comment(line) != Some(b"[[store]]") {
                return Err(bad("the only table is [[store]]"));
            }
            config.add(&mut stores, draft.replace(Draft::new(number)))?;
            continue;
        }
        let (key, value) = assignment(line).ok_or(bad("not understood: a line is KEY = VALUE"))?;
        match (&mut draft, key, value) {
            (None, b"inode_preserving", Value::Flag(flag)) => config.inode_preserving = flag,
            (Some(draft), b"path", Value::Text(path)) => draft.path = Some(path),
            (Some(draft), b"lock", Value::Text(lock)) => draft.lock = Some(lock),
            (Some(draft), b"gate", Value::Text(member)) => draft.gate = Some(member),
            (_, b"inode_preserving" | b"path" | b"lock" | b"gate", _) => {
                return Err(bad("in the wrong place, or with a value of the wrong kind"));
            }
            _ => return Err(bad("unknown key")),
        }
    }
    config.add(&mut stores, draft)?;
    Ok(config)
}

impl<'a> Config<'a> {
    fn add(&mut self, count: &mut usize, draft: Option<Draft<'a>>) -> Result<(), BadLine> {
        let Some(draft) = draft else { return Ok(()) };
        let bad = |what| BadLine { line: draft.line, what };
        let store = draft.store().map_err(bad)?;
        *self.stores.get_mut(*count).ok_or(bad("too many stores"))? = Some(store);
        *count += 1;
        Ok(())
    }
}

/// A store as far as it has been read.
struct Draft<'a> {
    line: u32,
    path: Option<&'a [u8]>,
    lock: Option<&'a [u8]>,
    gate: Option<&'a [u8]>,
}

impl<'a> Draft<'a> {
    fn new(line: u32) -> Draft<'a> {
        Draft { line, path: None, lock: None, gate: None }
    }

    fn store(&self) -> Result<Store<'a>, &'static str> {
        let written = self.path.ok_or("a store needs a path")?;
        let path = match written.strip_prefix(b"~/") {
            Some(below) => StorePath::BelowHome(below),
            None => StorePath::Absolute(written),
        };
        let names_something = written.last() != Some(&b'/') && split_last(path.bytes()).is_some();
        if !names_something || !(written.starts_with(b"/") || written.starts_with(b"~/")) {
            return Err("the path of a store starts with / or ~/ and ends with a name");
        }
        if written.len() > LONGEST_PATH {
            return Err("the path is too long");
        }
        let lock = match (self.lock.unwrap_or(b"directory"), self.gate) {
            (b"directory", None) => StoreLock::Directory,
            (b"file", None) => StoreLock::File,
            (b"none", Some(member)) if written.ends_with(b".json") && !member.is_empty() => {
                StoreLock::Gate(member)
            }
            (b"none", Some(_)) => {
                return Err("a gate is for a file whose name ends in .json, and names a member of it");
            }
            (b"none", None) => return Err("lock = \"none\" needs a gate"),
            (b"directory" | b"file", Some(_)) => {
                return Err("a gate is only for a client that takes no lock");
            }
            _ => return Err("lock is \"directory\", \"file\" or \"none\""),
        };
        Ok(Store { path, lock })
    }
}

enum Value<'a> {
    Flag(bool),
    Text(&'a [u8]),
}

/// Splits `key = value`, with a comment behind it or not.
fn assignment(line: &[u8]) -> Option<(&[u8], Value<'_>)> {
    let equals = line.iter().position(|&byte| byte == b'=')?;
    let (key, rest) = line.split_at_checked(equals)?;
    let (_, value) = rest.split_first()?;
    let value = value.trim_ascii();
    let value = match value.split_first()? {
        (quote @ (b'"' | b'\''), rest) => {
            let end = rest.iter().position(|byte| byte == quote)?;
            let (text, after) = rest.split_at_checked(end)?;
            let (_, after) = after.split_first()?;
            // What follows may only be a comment; TOML's escapes, and multi-line strings, are not taken.
            if !matches!(after.trim_ascii().first(), None | Some(b'#'))
                || *quote == b'"' && text.contains(&b'\\')
                || text.iter().any(|byte| byte.is_ascii_control())
            {
                return None;
            }
            Value::Text(text)
        }
        _ => match without_comment(value)? {
            b"true" => Value::Flag(true),
            b"false" => Value::Flag(false),
            _ => return None,
        },
    };
    Some((key.trim_ascii(), value))
}

fn without_comment(line: &[u8]) -> Option<&[u8]> {
    line.split(|&byte| byte == b'#').next().map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    fn store<'a>(path: StorePath<'a>, lock: StoreLock<'a>) -> Store<'a> {
        Store { path, lock }
    }

    #[test]
    fn a_whole_configuration() {
        let text = br#"
            # for all containers
            inode_preserving = true   # they mount the file alone

            [[store]]
            path = "~/.config/tool/auth.json"

            [[store]] # flock
            path = '/srv/eca/db.transit.json'
            lock = "file"

            [[store]]
            path = "~/.gemini/oauth_creds.json"
            lock = "none"
            gate = "expiry_date"
        "#;
        let config = parse(text).expect("a configuration");
        assert!(config.inode_preserving);
        let stores: Vec<_> = config.stores().collect();
        assert_eq!(
            stores,
            [
                store(StorePath::BelowHome(b".config/tool/auth.json"), StoreLock::Directory),
                store(StorePath::Absolute(b"/srv/eca/db.transit.json"), StoreLock::File),
                store(StorePath::BelowHome(b".gemini/oauth_creds.json"), StoreLock::Gate(b"expiry_date")),
            ]
        );
        assert_eq!(parse(b""), Ok(Config::default()));
    }

    #[test]
    fn what_cannot_be_followed_is_named_with_its_line() {
        let line = |text: &str| parse(text.as_bytes()).map(drop).map_err(|bad| bad.line);
        for (text, wrong) in [
            ("inode_preserving = yes", 1),
            ("\ninode_preserving = \"true\"", 2),
            ("inode_preserving", 1),
            ("unknown = true", 1),
            ("[store]", 1),
            ("[[stores]]", 1),
            ("path = \"/a/b\"", 1),
            ("[[store]]", 1),
            ("[[store]]\npath = \"relative\"", 1),
            ("[[store]]\npath = \"/\"", 1),
            ("[[store]]\npath = \"/a/..\"", 1),
            ("[[store]]\npath = \"/a/\"", 1),
            ("[[store]]\npath = \"~\"", 1),
            ("[[store]]\npath = \"/a\\u0020b\"", 2),
            ("[[store]]\npath = \"/a\" b", 2),
            ("[[store]]\npath = \"\"\"/a\"\"\"", 2),
            ("[[store]]\npath = \"/a\"\nlock = \"lease\"", 1),
            ("[[store]]\npath = \"/a\"\nlock = \"none\"", 1),
            ("[[store]]\npath = \"/a\"\nlock = \"none\"\ngate = \"expires\"", 1),
            ("[[store]]\npath = \"/a.json\"\ngate = \"expires\"", 1),
            ("[[store]]\npath = \"/a\"\ninode_preserving = true", 3),
        ] {
            assert_eq!(line(text), Err(wrong), "{text}");
        }
        let many = "[[store]]\npath = \"/a\"\n".repeat(MAX_STORES);
        assert_eq!(line(&many), Ok(()));
        assert!(line(&(many + "[[store]]\npath = \"/a\"\n")).is_err());
    }
}
