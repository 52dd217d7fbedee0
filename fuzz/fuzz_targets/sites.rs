//! Tables of raw sites, which anybody may put where the library looks.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lockspan_core::sites::{self, LONGEST, Machine};
use lockspan_fuzz::scan::table;

fuzz_target!(|text: &[u8]| {
    let Some(parsed) = sites::parse(text) else { return };
    let (machine, build_id) = (parsed.machine, parsed.build_id);
    let found: Vec<_> = parsed.collect();
    assert!(found.iter().all(|site| (1..=LONGEST).contains(&site.bytes().len())));
    assert!(found.is_sorted_by(|one, next| one.end() <= next.address), "{found:x?}");
    for machine in [Machine::X86_64, Machine::Aarch64].into_iter().filter(|known| known.name() == machine) {
        let written = table::text(machine, &build_id, &found);
        assert!(sites::parse(written.as_bytes()).expect("a table").eq(found.iter().copied()), "{written}");
    }
});
