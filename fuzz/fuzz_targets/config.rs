//! The configuration: what the library takes is TOML, and means the same to another reader.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lockspan_core::config::{self, StoreLock, StorePath};
use toml::{Table, Value};

fuzz_target!(|text: &[u8]| {
    let Ok(config) = config::parse(text) else { return };
    let document = match std::str::from_utf8(text).map(str::parse::<Table>) {
        Ok(Ok(document)) => document,
        // What `lockspan config check` is for.
        Ok(Err(error)) if error.message().contains("duplicate key") => return,
        Ok(Err(error)) => return assert!(has_controls(text), "{error}"),
        Err(_) => return,
    };
    let flag = document.get("inode_preserving").map_or(Some(false), Value::as_bool);
    assert_eq!(flag, Some(config.inode_preserving));
    let tables = document.get("store").map_or(&[][..], |stores| stores.as_array().expect("tables"));
    assert_eq!(tables.len(), config.stores().len());
    for (store, table) in config.stores().iter().zip(tables) {
        let word = |key, default| table.get(key).map_or(default, |value| value.as_str().expect("a string"));
        let (home, path) = match store.path() {
            StorePath::Absolute(path) => ("", path),
            StorePath::BelowHome(path) => ("~/", path),
        };
        assert_eq!(word("path", "").as_bytes(), [home.as_bytes(), path].concat());
        assert_eq!(word("gate", "").as_bytes(), store.gate());
        let lock = match store.lock {
            StoreLock::Directory => "directory",
            StoreLock::File => "file",
            StoreLock::Gate => "none",
        };
        assert_eq!(word("lock", "directory"), lock);
    }
});

/// Whether there are characters that TOML has nowhere, not even in a comment.
fn has_controls(text: &[u8]) -> bool {
    text.iter().any(|byte| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n'))
}
