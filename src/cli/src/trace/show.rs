//! Events as text or JSON.
//!
//! Whatever comes from the file is escaped: a terminal must not be told what to do by it.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::event::Event;
use super::lines::Line;
use super::meaning::meaning;

/// How events are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// A line and a sentence for each.
    Text,
    /// A line of JSON for each.
    Json,
}

/// An event and its sentence.
#[derive(Serialize)]
struct Explained<'a> {
    #[serde(flatten)]
    event: &'a Event,
    meaning: &'static str,
}

/// A line that is no event.
#[derive(Serialize)]
struct Foreign {
    schema_version: u32,
    event: &'static str,
    offset: u64,
    length: u64,
}

/// Writes one line of an events file.
///
/// # Errors
/// It cannot be written.
pub fn show(output: &mut impl Write, line: &Line, format: Format) -> io::Result<()> {
    match (line, format) {
        (Line::Event(event), Format::Text) => text(output, event),
        (Line::Event(event), Format::Json) => {
            json(output, &Explained { event, meaning: meaning(&event.event, &event.detail) })
        }
        (Line::Foreign { offset, length }, Format::Text) => {
            let (style, plain) = (colour("foreign"), Style::new());
            writeln!(
                output,
                "{style}foreign or torn line{plain:#} of {length} bytes at {offset}; its content is not shown"
            )
        }
        (&Line::Foreign { offset, length }, Format::Json) => {
            json(output, &Foreign { schema_version: 1, event: "foreign", offset, length })
        }
    }?;
    output.flush()
}

fn json(output: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    output.write_all(text.as_bytes())
}

fn text(output: &mut impl Write, event: &Event) -> io::Result<()> {
    let dim = Style::new().dimmed();
    let name = colour(&event.event);
    let word = |text: &str| text.escape_debug().to_string();
    write!(output, "{dim}{}{dim:#} {} {}", clock(event.time_ms), word(&event.host), event.pid)?;
    if !event.lock.is_empty() {
        write!(output, " {}", word(&event.lock))?;
    }
    write!(output, " {name}{}{name:#}", word(&event.event))?;
    if !event.detail.is_empty() {
        write!(output, " {}", word(&event.detail))?;
    }
    if event.took_ms > 0 {
        write!(output, ", {} ms", event.took_ms)?;
    }
    if event.errno != 0 {
        write!(output, ", {}", io::Error::from_raw_os_error(event.errno))?;
    }
    writeln!(output, "\n    {}", meaning(&event.event, &event.detail))
}

/// A lock taken is good, a lock waited for is to be known, and a lock that is not served is bad.
fn colour(event: &str) -> Style {
    let colour = match event {
        "taken" | "taken-from-dead" | "released" | "nested" | "published" | "patched" => AnsiColor::Green,
        "blind" | "inert" | "robbed" | "heartbeat-refused" | "foreign" => AnsiColor::Red,
        _ => AnsiColor::Yellow,
    };
    colour.on_default()
}

/// The time of the day, in UTC, as the lines of all containers have it.
fn clock(time_ms: u64) -> String {
    let (seconds, milliseconds) = (time_ms / 1000, time_ms % 1000);
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{milliseconds:03}Z", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::super::event::tests::event;
    use super::*;

    fn shown(line: &Line, format: Format) -> String {
        let mut bytes = Vec::new();
        show(&mut anstream::StripStream::new(&mut bytes), line, format).expect("room");
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn events_as_text() {
        let blocked = Line::Event(event(1_795_245_845_299, 9, "blocked", "held", 2000));
        let expected = "07:24:05.299Z box 9 refresh blocked held, 2000 ms, File exists (os error 17)\n    \
                        A live process with the library holds the lock; the client was told that it exists.\n";
        assert_eq!(shown(&blocked, Format::Text), expected);
        let foreign = Line::Foreign { offset: 7, length: 3 };
        let expected = "foreign or torn line of 3 bytes at 7; its content is not shown\n";
        assert_eq!(shown(&foreign, Format::Text), expected);
    }

    #[test]
    fn events_as_json() {
        let taken = event(1, 9, "taken", "in-place", 0);
        let value: serde_json::Value =
            serde_json::from_str(&shown(&Line::Event(taken), Format::Json)).expect("JSON");
        assert_eq!(value["schema_version"], 1);
        assert_eq!(value["detail"], "in-place");
        assert_eq!(value["meaning"], meaning("taken", "in-place"));
        let foreign = shown(&Line::Foreign { offset: 7, length: 3 }, Format::Json);
        assert_eq!(foreign, "{\"schema_version\":1,\"event\":\"foreign\",\"offset\":7,\"length\":3}\n");
    }

    #[test]
    fn a_terminal_is_told_nothing_by_the_file() {
        let mut bytes = Vec::new();
        let mut evil = event(1, 9, "\u{1b}]0;title\u{7}", "\u{1b}[2J", 0);
        evil.host = "a\nb".into();
        text(&mut anstream::StripStream::new(&mut bytes), &evil).expect("room");
        let text = String::from_utf8(bytes).expect("text");
        assert!(text.contains(r"a\nb") && text.contains(r"\u{1b}[2J"), "{text}");
    }
}
