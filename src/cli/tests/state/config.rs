//! `lockspan config`, and what other commands say of a configuration that cannot be followed.

use std::fs;

use serde_json::Value;

use crate::home::Home;
use crate::transcript::Transcript;

const GOOD: &str = "[[store]]\npath = \"~/auth.json\"\n\n[[store]]\npath = \"~/tool\"\n\n[[store]]\npath = \"/proc/none/db.json\"\nlock = \"file\"\n\n[[store]]\npath = \"~/oauth.json\"\nlock = \"none\"\ngate = \"expires\"\n";

/// A home with a configuration in it, and the words that make commands use that.
fn home(text: &str) -> (Home, &'static str) {
    let home = Home::with_login();
    fs::write(home.path().join("lockspan.toml"), text).expect("room");
    (home, "export LOCKSPAN_CONFIG=$HOME/lockspan.toml;")
}

#[test]
fn a_transcript_of_both() {
    let (home, _) = home(GOOD);
    fs::create_dir(home.path().join("tool")).expect("a directory");
    fs::write(home.path().join("auth.json"), "{}").expect("room");
    let mut transcript = Transcript::new(&home);
    transcript.line("export LOCKSPAN_CONFIG=$HOME/lockspan.toml; lockspan config check");
    transcript.line("LOCKSPAN_CONFIG=$HOME/lockspan.toml lockspan config show");
    transcript.line("printf '[[store]]\\npath = \"auth.json\"\\n' >bad.toml; lockspan config check bad.toml");
    transcript.is("config.txt");
}

#[test]
fn what_is_shown_as_json() {
    let (home, configured) = home(GOOD);
    fs::create_dir(home.path().join("tool")).expect("a directory");
    let report: Value =
        serde_json::from_str(&home.output(&format!("{configured} lockspan config show --json")))
            .expect("JSON");
    assert_eq!(report["schema_version"], 1);
    let config = home.config().canonicalize().expect("a directory");
    let stores = report["stores"].as_array().expect("stores");
    assert_eq!(stores[0]["client"], "claude-code");
    assert_eq!(stores[0]["real_path"], config.to_str().expect("UTF-8"));
    assert_eq!(stores[0]["locks"].as_array().expect("locks").len(), 3);
    let field = |name: &str| stores[1..].iter().map(|store| store[name].clone()).collect::<Vec<_>>();
    assert_eq!(field("lock"), ["directory", "directory", "file", "none"]);
    let real = home.path().canonicalize().expect("a directory");
    let path = |name: &str| Value::from(real.join(name).to_str().expect("UTF-8"));
    assert_eq!(field("real_path"), [Value::Null, path("tool"), Value::Null, Value::Null]);
    let locks = |names: &[&str]| Value::from(names.iter().map(|name| path(name)).collect::<Vec<_>>());
    let expected = [locks(&["auth.json.lock"]), locks(&["tool/.lockspan.lock"]), locks(&[]), locks(&[])];
    assert_eq!(field("locks"), expected);
    assert_eq!(field("gate"), [Value::Null, Value::Null, Value::Null, "expires".into()]);
    let bare: Value = serde_json::from_str(&home.output("lockspan config show --json")).expect("JSON");
    assert_eq!(bare["stores"].as_array().expect("stores").len(), 1, "{bare}");
}

#[test]
fn a_configuration_that_cannot_be_followed_is_refused_by_its_line() {
    for (text, says) in [
        ("[[store]]\npath = \"relative\"", "lockspan.toml:2: a store has a path"),
        ("\ninode_preserving = yes", "lockspan.toml:2: "),
        ("inode_preserving = true\ninode_preserving = true", "lockspan.toml:2: given twice"),
        ("# \u{1}", "lockspan.toml: is no TOML: "),
    ] {
        let (home, configured) = home(text);
        let refused = home.refusal(&format!("{configured} lockspan config check"), 1);
        assert!(refused.contains(says), "{text}: {refused}");
    }
    let (home, _) = home("");
    for (file, says) in
        [("nowhere.toml", "No such file"), (".", "is no regular file"), ("large", "larger than")]
    {
        fs::write(home.path().join("large"), "#\n".repeat(9000)).expect("room");
        let refused = home.refusal(&format!("lockspan config check {file}"), 1);
        assert!(refused.contains(says), "{refused}");
        let refused = home.refusal(&format!("LOCKSPAN_CONFIG=$HOME/{file} lockspan config show"), 1);
        assert!(refused.contains(says) && refused.contains("would do nothing"), "{refused}");
    }
    home.refusal("mkfifo pipe; lockspan config check pipe", 1);
}

#[test]
fn other_commands_know_that_the_library_would_do_nothing() {
    let (home, configured) = home("nonsense");
    let says = "lockspan.toml:1: not understood: a line is KEY = VALUE; the library would do nothing";
    assert!(home.refusal(&format!("{configured} lockspan run -- true"), 125).contains(says));
    let status = home.run(&format!("{configured} lockspan status"));
    assert!(status.status.success());
    assert!(String::from_utf8_lossy(&status.stderr).contains(says));
    let doctor = home.run(&format!("{configured} lockspan doctor --json"));
    let report: Value = serde_json::from_slice(&doctor.stdout).expect("JSON");
    let settings =
        report["checks"].as_array().expect("checks").iter().find(|check| check["id"] == "settings");
    let settings = settings.expect("a check");
    assert_eq!(settings["severity"], "error");
    assert_eq!(settings["advice"], "correct it, then: lockspan config check");
    let turned_off = home.run(&format!("{configured} LOCKSPAN_DISABLE=1 lockspan config show"));
    assert!(turned_off.stderr.starts_with(b"lockspan: "), "shown is what is in the file");
}
