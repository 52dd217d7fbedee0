//! Events files: as lines, as the waiters and holders of `status`, and as the picture of `timeline`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lockspan_fuzz::status::events::Log;
use lockspan_fuzz::timeline::{history::History, picture};
use lockspan_fuzz::trace::lines::{Line, Lines};

fuzz_target!(|input: (u8, i64, &[u8])| {
    let (size, now, text) = input;
    let whole = lines(text, text.len());
    assert_eq!(whole, lines(text, size.into()), "in pieces of {size}");

    let log = Log::parse(text, now);
    for lock in ["refresh", "write"] {
        let _ = (log.waiting(lock), log.last_holders(lock, Some(now)));
    }

    let events = whole.into_iter().filter_map(|line| match line {
        Line::Event(event) => Some((usize::from(size) % 2, event)),
        Line::Foreign { .. } => None,
    });
    if let Some(history) = History::new(events.collect()) {
        let picture = picture::draw(&history, &["one".into(), "<two>".into()]);
        let document = roxmltree::Document::parse(&picture).expect("an SVG");
        let strange = |node: roxmltree::Node<'_, '_>| {
            matches!(node.tag_name().name(), "script" | "a" | "image" | "use" | "foreignObject")
        };
        assert!(!document.descendants().any(strange), "{picture}");
    }
});

fn lines(text: &[u8], size: usize) -> Vec<Line> {
    let mut lines = Lines::default();
    let mut found: Vec<Line> = text.chunks(size.max(1)).flat_map(|piece| lines.push(piece)).collect();
    found.extend(lines.finish());
    assert_eq!(lines.position(), text.len() as u64);
    found
}
