//! `--slot`: how many run at a time, across homes that share a config directory.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use crate::support::{Home, Talker, UNTIL_TOLD, is_root, lockspan, outcome};

/// A token that nobody ever had.
const TOKEN: &str = "sk-ant-oat01-made-up-one";

#[test]
fn one_at_a_time_until_the_holder_is_dead() {
    let home = Home::new();
    let other = home.beside();
    let mut holder = Talker::start(&mut home.run(&["--slot", "nightly", "--", "sh", "-c", UNTIL_TOLD]));
    assert_eq!(holder.line(), "here");
    let busy = other.run(&["--slot", "nightly", "--wait", "0.2", "--", "true"]).output().expect("lockspan");
    let (status, said) = outcome(&busy);
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("one of 1 slots") && said.contains(&format!("pid {}", holder.pid())), "{said}");
    let another = other.run(&["--slot", "daily", "--wait", "0", "--", "true"]).status().expect("lockspan");
    assert!(another.success(), "another name is another slot");
    holder.child.kill().expect("a child");
    holder.child.wait().expect("a child");
    let free = other.run(&["--slot", "nightly", "--wait", "30", "--", "true"]).status().expect("lockspan");
    assert!(free.success(), "freed by death");
}

#[test]
fn never_more_than_the_slots() {
    let (home, log) = (Home::new(), tempfile::NamedTempFile::new().expect("a temporary file"));
    let homes: Vec<Home> = (0..8).map(|_| home.beside()).collect();
    let script = "echo + >>\"$1\"; sleep 0.1; echo - >>\"$1\"";
    let path = log.path().to_str().expect("a plain path");
    let starts = homes.iter().chain(&homes);
    let runs: Vec<_> = starts
        .map(|home| {
            let arguments = ["--slot", "two", "--slots", "2", "--", "sh", "-c", script, "sh", path];
            home.run(&arguments).spawn().expect("lockspan")
        })
        .collect();
    for mut run in runs {
        assert!(run.wait().expect("a child").success());
    }
    let (mut now, mut most) = (0, 0);
    for line in fs::read_to_string(log.path()).expect("a log").lines() {
        now += if line == "+" { 1 } else { -1 };
        most = most.max(now);
    }
    assert_eq!((now, most), (0, 2));
}

#[test]
fn a_token_waits_for_itself_and_for_no_other() {
    let home = Home::new();
    let slot = |token: &str, rest: &[&str]| {
        let mut command = home.run(&["--slot", "token", "--wait", "0.2", "--"]);
        command.args(rest).env("CLAUDE_CODE_OAUTH_TOKEN", token);
        command
    };
    let mut holder = Talker::start(&mut slot(TOKEN, &["sh", "-c", UNTIL_TOLD]));
    assert_eq!(holder.line(), "here");
    let same = slot(TOKEN, &["true"]).output().expect("lockspan");
    let (status, said) = outcome(&same);
    assert_eq!(status, 1, "{said}");
    assert!(!said.contains("made-up"), "{said}");
    assert!(slot("sk-ant-oat01-made-up-two", &["true"]).status().expect("lockspan").success());
    assert!(holder.end().success());
    assert!(slot(TOKEN, &["true"]).status().expect("lockspan").success());
    for entry in fs::read_dir(home.config().join(".lockspan/slots")).expect("a directory") {
        let entry = entry.expect("an entry");
        assert!(!entry.file_name().to_string_lossy().contains("made-up"));
        let text = fs::read(entry.path()).expect("a file");
        assert!(!text.windows(7).any(|part| part == b"made-up"), "{entry:?}");
        assert_eq!(entry.metadata().expect("a file").mode() & 0o077, 0, "as the config directory");
    }
}

#[test]
fn a_token_in_place_of_a_name_is_refused_and_not_repeated() {
    let output = Home::new().run(&["--slot", TOKEN, "--", "true"]).output().expect("lockspan");
    let (status, said) = outcome(&output);
    assert_eq!(status, 125);
    assert!(!said.contains("made-up") && said.contains("--slot token"), "{said}");
    let output = Home::new().run(&["--slot", "token", "--", "true"]).output().expect("lockspan");
    let (status, said) = outcome(&output);
    assert_eq!(status, 125);
    assert!(said.contains("CLAUDE_CODE_OAUTH_TOKEN"), "{said}");
}

/// Two containers, each with a mount namespace of its own, where the shared directory lies at another path.
#[test]
fn containers_that_share_a_config_directory_share_its_slots() {
    if !is_root("mount namespaces need root") {
        return;
    }
    let (shared, homes) = (Home::new(), [Home::new(), Home::new()]);
    let container = |home: &Home, wait: &str, command: &str| {
        let mut unshare: Command = home.command("unshare");
        let script =
            "mount --bind \"$1\" \"$HOME/.claude\" && exec \"$2\" run --slot c --wait \"$3\" -- sh -c \"$4\"";
        unshare.args([
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "sh",
            "-c",
            script,
            "sh",
        ]);
        unshare.arg(shared.config()).arg(lockspan()).args([wait, command]);
        unshare
    };
    let [one, other] = &homes;
    let mut holder = Talker::start(&mut container(one, "0", UNTIL_TOLD));
    assert_eq!(holder.line(), "here");
    let (status, said) = outcome(&container(other, "0.2", "true").output().expect("unshare"));
    assert_eq!(status, 1, "{said}");
    // The first process of the container is killed, and all of it with it.
    holder.child.kill().expect("a child");
    holder.child.wait().expect("a child");
    let (status, said) = outcome(&container(other, "30", "true").output().expect("unshare"));
    assert_eq!(status, 0, "{said}");
}
