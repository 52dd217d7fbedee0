//! Bytes of an events file as lines, however they come in.
//!
//! What is no event is counted, never kept: the file may be any, and a token in it must not be shown.

use super::event::Event;

/// The library's lines are shorter than this; what is longer is none of its lines.
const LONGEST: usize = 4096;

/// A line of an events file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line {
    /// One that the library wrote.
    Event(Event),
    /// One that somebody else wrote, or of which a part is missing.
    Foreign {
        /// Where in the file it begins.
        offset: u64,
        /// How many bytes it has.
        length: u64,
    },
}

/// Cuts bytes into lines.
#[derive(Default)]
pub struct Lines {
    /// The beginning of the line that has no end yet.
    kept: Vec<u8>,
    /// Where that line begins.
    offset: u64,
    /// How long it is so far.
    length: u64,
}

impl Lines {
    /// Begins in the middle of a file.
    pub fn from(offset: u64) -> Self {
        Lines { offset, ..Lines::default() }
    }

    /// How much of the file was taken in.
    pub fn position(&self) -> u64 {
        self.offset + self.length
    }

    /// Takes in what comes next in the file; returns the lines that it ends.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Line> {
        let mut ended = Vec::new();
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            let text = part.strip_suffix(b"\n");
            let room = LONGEST.saturating_sub(self.kept.len());
            let wanted = text.unwrap_or(part);
            self.kept.extend_from_slice(&wanted[..wanted.len().min(room)]);
            self.length += wanted.len() as u64;
            if text.is_some() {
                ended.push(self.take(1));
            }
        }
        ended
    }

    /// What is left where the file ends.
    pub fn finish(&mut self) -> Option<Line> {
        (self.length > 0).then(|| self.take(0))
    }

    fn take(&mut self, end: u64) -> Line {
        let (offset, length) = (self.offset, self.length);
        let event = Some(&self.kept).filter(|kept| kept.len() as u64 == length);
        let line =
            event.and_then(|kept| Event::read(kept)).map_or(Line::Foreign { offset, length }, Line::Event);
        *self = Lines::from(offset + length + end);
        line
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::tests::event;
    use super::*;

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let first = event(1, 2, "taken", "redirected", 0);
        let second = event(3, 2, "released", "", 0);
        let text = [
            serde_json::to_string(&first).expect("JSON"),
            "sk-made-up".into(),
            String::new(),
            "x".repeat(3 * LONGEST),
            serde_json::to_string(&second).expect("JSON"),
            "{\"schema_ver".into(),
        ]
        .join("\n");
        let at = first_length(&text);
        let expected = vec![
            Line::Event(first),
            Line::Foreign { offset: at, length: 10 },
            Line::Foreign { offset: at + 11, length: 0 },
            Line::Foreign { offset: at + 12, length: 3 * LONGEST as u64 },
            Line::Event(second),
            Line::Foreign { offset: text.len() as u64 - 12, length: 12 },
        ];
        for size in [1, 7, 4096, text.len()] {
            let mut lines = Lines::default();
            let mut found: Vec<Line> =
                text.as_bytes().chunks(size).flat_map(|chunk| lines.push(chunk)).collect();
            found.extend(lines.finish());
            assert_eq!(found, expected, "in pieces of {size}");
            assert_eq!(lines.position(), text.len() as u64);
        }
    }

    fn first_length(text: &str) -> u64 {
        text.find('\n').expect("several lines") as u64 + 1
    }
}
