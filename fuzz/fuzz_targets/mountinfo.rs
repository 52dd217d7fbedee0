//! A line of mountinfo, compared with another reader's.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use lockspan_fuzz::layout::Mount;
use procfs::process::MountInfo;

fuzz_target!(|line: &str| {
    // The kernel writes one, and no paths of this name.
    if line.split(' ').filter(|word| *word == "-").count() != 1 {
        return;
    }
    // The other one takes a negative one, too.
    let Some(id) = line.split(' ').next().and_then(|word| word.parse().ok()) else { return };
    let found = Mount::parse(line, id, true);
    let Ok(expected) = MountInfo::from_line(line) else { return };
    let Some(found) = found else { panic!("a line that is one to others") };
    assert_eq!((found.root, found.filesystem), (expected.root, expected.fs_type));
    assert_eq!(Path::new(&found.point), expected.mount_point);
});
