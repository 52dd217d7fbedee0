//! The last component of a path, by which the library knows locks and credentials files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lockspan_core::path::split_last;

fuzz_target!(|path: &[u8]| {
    let last = path.split(|&byte| byte == b'/').rfind(|part| !part.is_empty());
    let expected = last.filter(|last| *last != b"." && *last != b"..");
    let found = split_last(path);
    assert_eq!(found.map(|(_, last)| last), expected);
    if let Some((parent, last)) = found {
        assert!(parent.is_empty() || parent.ends_with(b"/"));
        let slashes = path.strip_prefix([parent, last].concat().as_slice()).expect("the start of the path");
        assert!(slashes.iter().all(|&byte| byte == b'/'));
    }
});
