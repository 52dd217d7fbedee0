//! `lockspan timeline` as a user runs it.

#[path = "common/skip.rs"]
mod skip;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn event(time_ms: u64, host: &str, pid: u32, event: &str, detail: &str, took_ms: u64) -> String {
    format!(
        r#"{{"schema_version":1,"time_ms":{time_ms},"pid":{pid},"host":"{host}","lock":"refresh","event":"{event}","detail":"{detail}","errno":0,"took_ms":{took_ms}}}"#
    )
}

/// Two containers: one holder is killed, and its lock taken over; somebody else writes into the file.
fn events() -> String {
    [
        event(10_000, "left<&>", 7, "taken", "redirected", 0),
        event(12_000, "right", 7, "blocked", "held", 1_900),
        "sk-ant-made-up".to_owned(),
        event(14_000, "right", 7, "taken-from-dead", "in-place", 500),
        event(14_500, "right", 7, "stale-refused", "", 0),
        event(14_500, "right", 7, "publish-refused", "pair-older-than-present", 0),
        event(15_000, "right", 7, "released", "", 0),
        "{\"schema_version\":1,\"time".to_owned(),
    ]
    .join("\n")
}

struct Drawn {
    directory: tempfile::TempDir,
}

impl Drawn {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::write(directory.path().join("events.jsonl"), events()).expect("room");
        Drawn { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn draw(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lockspan"));
        command.env_clear().current_dir(self.directory.path()).arg("timeline").args(arguments);
        command.output().expect("the command runs")
    }

    /// The picture of the events.
    fn picture(&self) -> String {
        let found = self.draw(&["events.jsonl", "--svg", "out.svg"]);
        assert!(found.status.success() && found.stdout.is_empty(), "{found:?}");
        fs::read_to_string(self.path("out.svg")).expect("a picture")
    }
}

/// The value of an attribute in a line.
fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!(" {name}=\""))?;
    rest.split('"').next()
}

#[test]
fn who_held_and_who_waited_is_drawn() {
    let picture = Drawn::new().picture();
    for part in [
        "role=\"img\" aria-labelledby=\"title description\"",
        "<title id=\"title\">Who held the refresh lock, and who waited</title>",
        "2 processes on 2 hosts · taken 2 times · 1 from a dead holder",
        "left&lt;&amp;&gt;",
        "left&lt;&amp;&gt;, pid 7: held, then died, 0.000 s to 4.000 s",
        "right, pid 7: held, 4.000 s to 5.000 s",
        "right, pid 7: waited, 0.100 s to 2.000 s",
        "1  right, pid 7, 4.500 s: stale-refused",
        "2  right, pid 7, 4.500 s: publish-refused: pair-older-than-present",
        "prefers-color-scheme: dark",
    ] {
        assert!(picture.contains(part), "{part}\n{picture}");
    }
    assert!(!picture.contains("sk-ant") && !picture.contains("http://www.w3.org/1999/xlink"));
    let links = picture.matches("http").count();
    assert_eq!(links, 1, "nothing from elsewhere but the name of the format");
}

#[test]
fn the_same_events_make_the_same_picture() {
    let drawn = Drawn::new();
    assert_eq!(drawn.picture(), drawn.picture());
    let printed = drawn.draw(&["events.jsonl", "--svg", "-"]);
    assert_eq!(String::from_utf8(printed.stdout).expect("text"), drawn.picture());
}

#[test]
fn no_text_runs_out_of_the_picture_or_into_another() {
    let drawn = Drawn::new();
    let long = "a-container-with-a-very-long-name-".repeat(4);
    let text = event(1, &long, 4_000_000, "blocked", "held", 0) + "\n" + &event(2, "b", 1, "robbed", "", 0);
    fs::write(drawn.path("events.jsonl"), text).expect("room");
    for picture in [drawn.picture(), Drawn::new().picture()] {
        let number = |line: &str, name| attribute(line, name).and_then(|value| value.parse::<f64>().ok());
        let width = number(&picture, "width").expect("a width");
        let mut ends: Vec<(f64, f64)> = Vec::new();
        for line in picture.lines().filter(|line| line.trim_start().starts_with("<text ")) {
            let (x, y) = (number(line, "x").expect("a place"), number(line, "y").expect("a place"));
            let text = line.split(['<', '>']).nth(2).expect("a text");
            // Of the narrowest letters that a reader may have.
            let length = text.chars().count() as f64 * 6.0;
            let is_centred = line.contains("text-anchor") || line.contains("\"number\"");
            let left = if is_centred { x - length / 2.0 } else { x };
            assert!(left >= 0.0 && left + length <= width, "{line}");
            let before = ends.iter().rev().find(|(_, other)| *other == y);
            assert!(before.is_none_or(|(end, _)| *end <= left), "{line}");
            ends.push((left + length, y));
        }
        assert!(ends.len() > 8, "{picture}");
    }
}

#[test]
fn a_renderer_draws_it() {
    let Some(renderer) = Some(Path::new("/usr/bin/rsvg-convert")).filter(|path| path.exists()) else {
        skip::skip("no rsvg-convert here (Debian: librsvg2-bin)");
        return;
    };
    let drawn = Drawn::new();
    drawn.picture();
    let found = Command::new(renderer).arg(drawn.path("out.svg")).output().expect("the renderer runs");
    assert!(found.status.success() && found.stderr.is_empty(), "{found:?}");
    assert!(found.stdout.starts_with(b"\x89PNG"));
}

#[test]
fn what_is_left_out_is_said() {
    let drawn = Drawn::new();
    let found = drawn.draw(&["events.jsonl", "--svg", "out.svg"]);
    assert_eq!(found.stderr, b"lockspan: events.jsonl: 2 foreign or torn lines left out\n");
    fs::write(drawn.path("events.jsonl"), "").expect("room");
    let found = drawn.draw(&["events.jsonl", "--svg", "out.svg"]);
    assert_eq!(found.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&found.stderr).contains("LOCKSPAN_EVENTS"), "{found:?}");
    assert_eq!(drawn.draw(&["missing", "--svg", "out.svg"]).status.code(), Some(1));
    assert_eq!(drawn.draw(&["events.jsonl"]).status.code(), Some(2), "there is no other output");
}
