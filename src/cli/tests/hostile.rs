//! The command among hostile files in the config directory: it ends soon, shows no token and no control character, and
//! changes nothing that is not its own.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use lockspan_core::record::RECORD_LENGTH;

/// Made-up tokens start like this.
const TOKEN: &str = "sk-ant-made-up";

/// Seconds within which each command ends, on a busy machine.
const BOUND: &str = "20";

const COMMANDS: [&str; 5] = ["status", "status --json", "clean", "doctor", "doctor --json"];

/// What somebody may have put there, relative to the home.
const PLACES: [&str; 10] = [
    ".claude",
    ".claude/.lockspan",
    ".claude/.lockspan/oauth_refresh.guard",
    ".claude/.lockspan/oauth_refresh.owner",
    ".claude/.lockspan/removal",
    ".claude/.oauth_refresh.lock",
    ".claude/.oauth_refresh.lock.owner",
    ".claude/.credentials.json",
    ".claude/settings.json",
    ".claude.lock",
];

/// How it is made at `$P`, beside a `victim`.
const KINDS: [&str; 9] = [
    "mkfifo $P",
    "ln -s $P $P",
    "ln -s $HOME/../victim $P",
    "ln -s $HOME/../outside $P",
    "ln $HOME/../victim $P",
    "mkdir $P && chmod 0 $P",
    "head -c 70000 /dev/urandom >$P",
    "truncate -s 3G $P",
    "head -c 1000000 /dev/zero | tr '\\0' '[' >$P",
];

fn shell(home: &Path, script: &str) {
    let made = Command::new("sh").args(["-euc", script]).env("HOME", home).status().expect("sh");
    assert!(made.success(), "{script}");
}

fn lockspan(home: &Path, arguments: &str, events: &Path) -> Output {
    Command::new("timeout")
        .args([BOUND, env!("CARGO_BIN_EXE_lockspan")])
        .args(arguments.split(' '))
        .env_clear()
        .env("HOME", home)
        .env("PATH", "/usr/bin:/bin")
        .env("LOCKSPAN_EVENTS", events)
        .stdin(Stdio::null())
        .output()
        .expect("timeout(1)")
}

/// Runs each command, and looks at what it prints.
fn all_commands(home: &Path, what: &str) {
    for command in COMMANDS {
        let output = lockspan(home, command, &home.join("events"));
        let status = output.status.code();
        assert!(
            matches!(status, Some(0..=3)),
            "{what}: {command}: {status:?} {}",
            String::from_utf8_lossy(&output.stderr)
        );
        for text in [output.stdout, output.stderr] {
            let text = String::from_utf8(text).expect("UTF-8");
            assert!(!text.contains(TOKEN), "{what}: {command}: a token: {text}");
            assert!(!text.contains("panicked"), "{what}: {command}: {text}");
            let control = |letter: char| letter.is_control() && letter != '\n';
            assert!(!text.contains(control), "{what}: {command}: a control character: {text:?}");
        }
    }
}

#[test]
fn hostile_files_neither_stop_nor_mislead_a_command() {
    for place in PLACES {
        for kind in KINDS {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let (home, victim) = (directory.path().join("home"), directory.path().join("victim"));
            fs::create_dir(&home).expect("a directory");
            fs::write(&victim, "victim").expect("room");
            let login = format!(
                r#"{{"claudeAiOauth":{{"accessToken":"{TOKEN}-a","refreshToken":"{TOKEN}-r","expiresAt":1}}}}"#
            );
            let config = home.join(".claude");
            if place != ".claude" {
                fs::create_dir(&config).expect("a directory");
                fs::write(config.join(".credentials.json"), login).expect("room");
            }
            let config = if place == ".claude" {
                ""
            } else {
                // With a lock whose holder nobody knows, for the files that speak of it.
                "mkdir -p $(dirname $P) $HOME/.claude/.oauth_refresh.lock; rm -rf $P"
            };
            shell(&home, &format!("P=$HOME/{place}\n{config}\n{kind}"));
            let before = fs::metadata(&victim).expect("the victim");
            all_commands(&home, &format!("{place}: {kind}"));
            let after = fs::metadata(&victim).expect("the victim");
            let looks = |found: &fs::Metadata| (found.mode(), found.uid(), found.mtime(), found.mtime_nsec());
            assert_eq!(looks(&before), looks(&after), "{place}: {kind}");
            assert_eq!(fs::read_to_string(&victim).expect("the victim"), "victim", "{place}: {kind}");
            assert!(!directory.path().join("outside").exists(), "{place}: {kind}");
            shell(&home, &format!("chmod -R u+rwx $HOME/{place} 2>/dev/null || [ -L $HOME/{place} ]"));
        }
    }
}

#[test]
fn what_others_write_reaches_no_terminal() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let home = directory.path();
    let escape = r"a\u001b]0;title\u0007\u001b[2J";
    let line = format!(
        r#"{{"schema_version":1,"time_ms":1,"pid":1,"host":"{escape}","lock":"refresh","event":"{escape}","detail":"{escape}","errno":0,"took_ms":0}}"#
    );
    fs::write(home.join("events"), format!("{line}\n{}\n\x1b[2J\n", line.replace(escape, "taken")))
        .expect("room");
    fs::create_dir_all(home.join(".claude/.lockspan")).expect("a directory");
    fs::create_dir(home.join(".claude/.oauth_refresh.lock")).expect("a directory");
    let mut record = b"lockspan-owner 3\nleft 0\nredirected 0\ncoherent 1\npid 1\npid-namespace 1\nstarted 1\nsince 1 1\n\
guard 1 1 1 1\nlock 1 1 1 1\nsibling 0 0 0 0\nboot 00000000-0000-0000-0000-000000000000\nhost \x1b[2J\x07\nend\n"
        .to_vec();
    record.resize(RECORD_LENGTH, b'\n');
    fs::write(home.join(".claude/.lockspan/oauth_refresh.owner"), record).expect("room");
    all_commands(home, "events and a record");
    let picture = lockspan(home, &format!("timeline --svg - {}", home.join("events").display()), home);
    let text = String::from_utf8(picture.stdout).expect("UTF-8");
    assert!(text.contains("<svg") && !text.contains('\x1b'), "{text}");
}
