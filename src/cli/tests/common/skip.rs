//! A test that cannot run here says why, and counts as skipped: Rust's tests cannot say so by themselves at run time.

use std::fs::OpenOptions;
use std::io::{self, Write};

/// Says why a test, or a part of it, does not run here. scripts/test counts the lines of `$LOCKSPAN_TEST_SKIPS`.
pub fn skip(why: &str) {
    let line = format!("skipped: {why}\n");
    // Past the harness, which keeps what a test prints that passes.
    io::stderr().write_all(line.as_bytes()).expect("standard error");
    if let Some(path) = std::env::var_os("LOCKSPAN_TEST_SKIPS") {
        let file = OpenOptions::new().append(true).create(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("$LOCKSPAN_TEST_SKIPS");
    }
}
