//! An event as the library writes it: one line of JSON.
//!
//! Only reads; the library's `events.rs` is the writer.

use serde::{Deserialize, Serialize};

/// The version of the lines that this command reads.
const SCHEMA_VERSION: u32 = 1;

/// What happened to a lock, in the words of the library.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
pub struct Event {
    schema_version: u32,
    /// When the call had ended, in milliseconds since 1970.
    pub time_ms: u64,
    /// As the process itself sees its number.
    pub pid: u32,
    /// The host name, which is the container's.
    pub host: String,
    /// The lock's title; empty for what concerns the whole process.
    pub lock: String,
    /// What happened.
    pub event: String,
    /// Why or how.
    pub detail: String,
    /// What the client was answered, 0 for success.
    pub errno: i32,
    /// How long the call took.
    pub took_ms: u64,
}

impl Event {
    /// Reads a line; `None` if the library did not write it, or only a part of it is there.
    pub fn read(line: &[u8]) -> Option<Event> {
        serde_json::from_slice(line).ok().filter(|event: &Event| event.schema_version == SCHEMA_VERSION)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// An event for tests.
    pub fn event(time_ms: u64, pid: u32, event: &str, detail: &str, took_ms: u64) -> Event {
        Event {
            schema_version: SCHEMA_VERSION,
            time_ms,
            pid,
            host: "box".into(),
            lock: "refresh".into(),
            event: event.into(),
            detail: detail.into(),
            errno: if event == "blocked" { 17 } else { 0 },
            took_ms,
        }
    }

    #[test]
    fn a_line_of_the_library_is_read() {
        let line = br#"{"schema_version":1,"time_ms":1795245845299,"pid":9,"host":"box","lock":"refresh","event":"blocked","detail":"held","errno":17,"took_ms":2000}"#;
        assert_eq!(Event::read(line), Some(event(1_795_245_845_299, 9, "blocked", "held", 2000)));
        assert_eq!(Event::read(&line[..line.len() - 1]), None, "torn");
        assert_eq!(Event::read(&line[1..]), None, "torn at its start");
        let other = String::from_utf8_lossy(line).replace("\"schema_version\":1", "\"schema_version\":2");
        assert_eq!(Event::read(other.as_bytes()), None, "of a version that is not known");
        assert_eq!(Event::read(b"\xff\xfe"), None);
    }
}
