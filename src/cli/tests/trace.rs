//! `lockspan trace` as a user runs it. The command's events are those of the real library where it is built.

#[path = "common/skip.rs"]
mod skip;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The library that `scripts/build` makes, beside the directory of the command under test.
fn library() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_BIN_EXE_lockspan")).parent()?.parent()?;
    target.join("release/liblockspan.so").canonicalize().ok()
}

/// A directory with the command and the library in it, and a made-up home.
struct Installed {
    directory: tempfile::TempDir,
}

impl Installed {
    /// `None` if the library is not built; then the test says so.
    fn new() -> Option<Self> {
        let Some(library) = library() else {
            skip::skip("liblockspan.so is not built; scripts/build makes it");
            return None;
        };
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
        // Not a copy: a child of another test could still have it open for writing, and then it cannot be run.
        fs::hard_link(env!("CARGO_BIN_EXE_lockspan"), directory.path().join("lockspan")).expect("room");
        symlink(library, directory.path().join("liblockspan.so")).expect("room");
        fs::create_dir_all(directory.path().join("home/.claude")).expect("room");
        Some(Installed { directory })
    }

    fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    /// `lockspan trace ARGUMENTS`, with a made-up home for its only home.
    fn trace(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.directory.path().join("lockspan"));
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", self.home());
        command.env("TMPDIR", self.directory.path()).arg("trace").args(arguments).stdin(Stdio::null());
        command
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

fn output(mut command: Command) -> Output {
    command.output().expect("the command runs")
}

const CYCLE: &str = "echo before; mkdir $HOME/.claude.lock; rmdir $HOME/.claude.lock; echo after";

/// The value of a field in each line of JSON.
fn field(lines: &[u8], name: &str) -> Vec<String> {
    let value = |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("JSON")[name].clone();
    text(lines).lines().map(|line| value(line).as_str().expect("a string").to_owned()).collect()
}

#[test]
fn a_command_passes_through_and_its_events_are_shown() {
    let Some(installed) = Installed::new() else { return };
    // mkdir and rmdir are processes of their own: the second ends the lock of a dead one.
    let script = format!("{CYCLE}; exit 7");
    let found = output(installed.trace(&["--json", "--", "/bin/sh", "-c", &script]));
    assert_eq!(text(&found.stdout), "before\nafter\n");
    assert_eq!(found.status.code(), Some(7));
    assert_eq!(field(&found.stderr, "event").first().map(String::as_str), Some("taken"), "{found:?}");
    assert!(field(&found.stderr, "meaning").iter().all(|sentence| sentence.ends_with('.')));

    let found = output(installed.trace(&["--", "/bin/sh", "-c", CYCLE]));
    assert!(text(&found.stderr).contains("refresh taken redirected"), "{found:?}");
    assert!(!text(&found.stderr).contains('\u{1b}'), "no colours but on a terminal");
    let left = fs::read_dir(installed.directory.path()).expect("a directory").filter(|entry| {
        entry.as_ref().expect("an entry").file_name().to_string_lossy().starts_with("lockspan-trace-")
    });
    assert_eq!(left.count(), 0, "the events file is gone");
}

#[test]
fn the_exit_status_is_the_commands_own() {
    let Some(installed) = Installed::new() else { return };
    let status = |arguments: &[&str]| output(installed.trace(arguments)).status.code();
    assert_eq!(status(&["--", "/bin/sh", "-c", "kill -KILL $$"]), Some(128 + 9));
    assert_eq!(status(&["--", "/bin/true"]), Some(0));
    assert_eq!(status(&["--", "/nonexistent/command"]), Some(127));
    assert_eq!(status(&["--", "/etc/passwd"]), Some(126));
    assert_eq!(status(&["--no-such-option"]), Some(125));
    assert_eq!(status(&[]), Some(125), "nothing to follow");
    let mut refused = installed.trace(&["--", "/bin/true"]);
    refused.env("LOCKSPAN_MODE", "sideways");
    assert_eq!(output(refused).status.code(), Some(125));
}

#[test]
fn a_termination_is_handed_on_and_reported() {
    let Some(installed) = Installed::new() else { return };
    // It ends by itself, should the signal not come.
    let script = "trap 'echo trapped; exit 3' TERM; echo ready; \
                  for _ in $(/usr/bin/seq 200); do /bin/sleep 0.05; done; echo not killed";
    let mut trace = installed.trace(&["--", "/bin/sh", "-c", script]);
    let mut trace = trace.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the command runs");
    let mut lines = BufReader::new(trace.stdout.take().expect("a pipe")).lines();
    assert_eq!(lines.next().expect("a line").expect("text"), "ready");
    let killed = Command::new("/bin/kill").arg(trace.id().to_string()).status().expect("kill runs");
    assert!(killed.success());
    assert_eq!(lines.next().expect("a line").expect("text"), "trapped");
    assert_eq!(trace.wait().expect("its own child").code(), Some(3));
}

#[test]
fn a_command_inherits_no_blocked_signal() {
    let Some(installed) = Installed::new() else { return };
    let question = ["SigBlk", "/proc/self/status"];
    let plain = Command::new("/bin/grep").args(question).output().expect("grep runs");
    let traced = output(installed.trace(&[&["--", "/bin/grep"], &question[..]].concat()));
    assert_eq!(text(&traced.stdout), text(&plain.stdout));
}

#[test]
fn a_command_goes_on_when_nobody_looks() {
    let Some(installed) = Installed::new() else { return };
    let mut trace = installed.trace(&["--", "/bin/sh", "-c", CYCLE]);
    let mut trace = trace.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command runs");
    drop(trace.stderr.take());
    let found = trace.wait_with_output().expect("its own child");
    assert_eq!(text(&found.stdout), "before\nafter\n");
    assert_eq!(found.status.code(), Some(0));
}

/// Ends the process at the end of a test, however it ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_file_is_followed_until_nobody_reads() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("events");
    let mut file = File::options().append(true).create(true).open(&path).expect("room");
    writeln!(file, "old").expect("room");
    let mut trace = Command::new(env!("CARGO_BIN_EXE_lockspan"));
    trace.env_clear().env("LOCKSPAN_EVENTS", &path).args(["trace", "--json"]);
    let mut trace = Ended(trace.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs"));
    let mut talk = BufReader::new(trace.0.stderr.take().expect("a pipe")).lines();
    assert!(talk.next().expect("a line").expect("text").contains("following"));

    writeln!(file, "sk-ant-made-up").expect("room");
    let event = r#"{"schema_version":1,"time_ms":1,"pid":2,"host":"h","lock":"refresh","event":"released","detail":"","errno":0,"took_ms":0}"#;
    writeln!(file, "{event}").expect("room");
    let mut lines = BufReader::new(trace.0.stdout.take().expect("a pipe")).lines();
    let mut next = || lines.next().expect("a line").expect("text");
    let foreign = next();
    assert!(foreign.contains("\"foreign\"") && !foreign.contains("sk-ant"), "{foreign}");
    assert!(next().contains("It gave the lock back."));

    // No event has to come first.
    drop(lines);
    assert!(trace.0.wait().expect("its own child").success(), "a broken pipe is no error");
}
