//! Program files: their headers, what the scan finds, and the table that comes of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lockspan_fuzz::scanned;

fuzz_target!(|file: &[u8]| scanned::check(file));
