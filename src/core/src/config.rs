//! The configuration file, `/etc/lockspan.toml` or what `LOCKSPAN_CONFIG` names: which other clients are served.
//!
//! It is read by the library and by the command, with this parser, so that they cannot disagree. It takes a part of
//! [TOML](https://toml.io): lines that are a comment, `[[store]]`, or a key with `true`, `false` or a string without
//! escapes. Whatever else a file contains is an error with its line, never skipped: a configuration that is understood
//! by half would redirect by half.

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
    /// The value that says so.
    given: Option<&'a [u8]>,
    stores: [Store<'a>; MAX_STORES],
    count: usize,
}

impl<'a> Config<'a> {
    /// The stores, in the file's order.
    pub fn stores(&self) -> &[Store<'a>] {
        self.stores.get(..self.count).unwrap_or_default()
    }
}

/// What another client protects by a lock, or by none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Store<'a> {
    /// The file or directory: an absolute path, or one below the home directory, which `~/` stands for.
    path: Option<&'a [u8]>,
    /// How the client locks it.
    pub lock: StoreLock,
    /// The value that says so.
    given: Option<&'a [u8]>,
    gate: Option<&'a [u8]>,
}

impl<'a> Store<'a> {
    /// Where it is.
    pub fn path(&self) -> StorePath<'a> {
        let path = self.path.unwrap_or_default();
        match path.strip_prefix(HOME) {
            Some(below) => StorePath::BelowHome(below),
            None => StorePath::Absolute(path),
        }
    }

    /// For [`StoreLock::Gate`], the member of the JSON file that says when its token expires; else empty.
    pub fn gate(&self) -> &'a [u8] {
        self.gate.unwrap_or_default()
    }
}

/// What stands for the home directory.
const HOME: &[u8] = b"~/";

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
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum StoreLock {
    /// By making the directory `PATH.lock`, as npm's proper-lockfile does.
    #[default]
    Directory,
    /// By flock(2) or fcntl(2) on the file `PATH.lock`.
    File,
    /// Not at all. Whoever reads the file once its token has expired waits for the first one that did, which is about to
    /// refresh it.
    Gate,
}

/// What is wrong with a configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadLine {
    /// Its line, from 1; the last one for what is wrong with a store as a whole.
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
    config.read_all(text).map(|()| config)
}
impl<'a> Config<'a> {
    /// Adds what a configuration says.
    ///
    /// # Errors
    /// As [`parse`].
    pub fn read_all(&mut self, text: &'a [u8]) -> Result<(), BadLine> {
        let mut line = 0;
        for text in text.split(|&byte| byte == b'\n') {
            line += 1;
            self.read(trim(text)).map_err(|what| BadLine { line, what })?;
        }
        self.stores().iter().try_for_each(Store::check).map_err(|what| BadLine { line, what })
    }

    fn read(&mut self, line: &'a [u8]) -> Result<(), &'static str> {
        if line.first().is_none_or(|&byte| byte == b'#') {
            return Ok(());
        }
        if line == b"[[store]]" {
            self.count += 1;
            return if self.count <= MAX_STORES { Ok(()) } else { Err("too many stores") };
        }
        let equals =
            line.iter().position(|&byte| byte == b'=').ok_or("not understood: a line is KEY = VALUE")?;
        let (key, value) =
            (trim(line.get(..equals).unwrap_or_default()), trim(line.get(equals + 1..).unwrap_or_default()));
        let text =
            string(value).ok_or("a value is true, false or a string in quotes, with nothing behind it");
        let store = self.count.checked_sub(1).and_then(|last| self.stores.get_mut(last));
        match store {
            None if key == b"inode_preserving" => {
                once(&mut self.given, value)?;
                self.inode_preserving = value == b"true";
                if self.inode_preserving || value == b"false" { Ok(()) } else { Err("must be true or false") }
            }
            Some(store) if key == b"path" => once(&mut store.path, text?),
            Some(store) if key == b"gate" => once(&mut store.gate, text?),
            Some(store) if key == b"lock" => {
                let text = text?;
                once(&mut store.given, text)?;
                store.lock = if text == b"directory" {
                    StoreLock::Directory
                } else if text == b"file" {
                    StoreLock::File
                } else if text == b"none" {
                    StoreLock::Gate
                } else {
                    return Err("must be \"directory\", \"file\" or \"none\"");
                };
                Ok(())
            }
            _ => Err("no such key here"),
        }
    }
}

impl Store<'_> {
    fn check(&self) -> Result<(), &'static str> {
        let path = self.path.unwrap_or_default();
        let starts = path.starts_with(b"/") || path.starts_with(HOME);
        if !starts || path.ends_with(b"/") || split_last(self.path().bytes()).is_none() {
            return Err("a store has a path, which starts with / or ~/ and ends with a name");
        }
        if path.len() > LONGEST_PATH {
            return Err("the path of a store is too long");
        }
        let has_gate = self.gate.is_some();
        if has_gate != (self.lock == StoreLock::Gate) || has_gate && !path.ends_with(b".json") {
            return Err("lock = \"none\" and a gate go together, for a file whose name ends in .json");
        }
        Ok(())
    }
}

fn once<'a>(value: &mut Option<&'a [u8]>, text: &'a [u8]) -> Result<(), &'static str> {
    if value.replace(text).is_some() { Err("given twice") } else { Ok(()) }
}

/// What a TOML string says that has no need of escapes.
fn string(value: &[u8]) -> Option<&[u8]> {
    let text = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | 0..b' ' | 0x7f);
    (!text.is_empty() && text.iter().all(plain)).then_some(text)
}

#[inline(never)]
fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    #[test]
    fn a_whole_configuration() {
        let text = br#"
            # for all containers
            inode_preserving = true

            [[store]]
            path = "~/.config/tool/auth.json"

            [[store]]
              path="/srv/eca/db.transit.json"
            lock  =  "file"

            [[store]]
            path = "~/.gemini/oauth_creds.json"
            lock = "none"
            # milliseconds
            gate = "expiry_date"
        "#;
        let config = parse(text).expect("a configuration");
        assert!(config.inode_preserving);
        let stores: Vec<_> =
            config.stores().iter().map(|store| (store.path(), store.lock, store.gate())).collect();
        assert_eq!(
            stores,
            [
                (StorePath::BelowHome(b".config/tool/auth.json"), StoreLock::Directory, &b""[..]),
                (StorePath::Absolute(b"/srv/eca/db.transit.json"), StoreLock::File, b""),
                (StorePath::BelowHome(b".gemini/oauth_creds.json"), StoreLock::Gate, b"expiry_date"),
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
            ("[[store]]\npath = relative", 2),
            ("[[store]]\npath = \"relative\"", 2),
            ("[[store]]\npath = \"/\"", 2),
            ("[[store]]\npath = \"/a/..\"", 2),
            ("[[store]]\npath = \"/a/\"", 2),
            ("[[store]]\npath = \"~\"", 2),
            ("[[store]]\npath = \"~/\"", 2),
            ("[[store]]\npath = \"/a\\u0020b\"", 2),
            ("[[store]]\npath = \"/a\" b", 2),
            ("[[store]]\npath = \"\"\"/a\"\"\"", 2),
            ("[[store]]\npath = \"/a\"\npath = \"/b\"", 3),
            ("[[store]]\npath = \"/a\"\nlock = \"lease\"", 3),
            ("[[store]]\npath = \"/a\"\nlock = \"file\"\nlock = \"file\"", 4),
            ("inode_preserving = true\n\ninode_preserving = true", 3),
            ("[[store]]\npath = \"/a.json\"\nlock = \"none\"", 3),
            ("[[store]]\npath = \"/a\"\nlock = \"none\"\ngate = \"expires\"", 4),
            ("[[store]]\npath = \"/a.json\"\ngate = \"expires\"", 3),
            ("[[store]]\npath = \"/a\"\ninode_preserving = true", 3),
        ] {
            assert_eq!(line(text), Err(wrong), "{text}");
        }
        let many = "[[store]]\npath = \"/a\"\n".repeat(MAX_STORES);
        assert_eq!(line(&many), Ok(()));
        assert!(line(&(many + "[[store]]\npath = \"/a\"\n")).is_err());
    }
}
