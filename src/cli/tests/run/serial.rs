//! `--serial` and a shell's flock(1) on the same file.

use std::fs;
use std::process::Stdio;
use std::time::Instant;

use crate::support::{GENEROUS, Home, Talker, UNTIL_TOLD, outcome};

#[test]
fn waits_for_a_shell_and_gives_up_in_time() {
    let home = Home::new();
    let lock = home.session_lock();
    let mut shell =
        Talker::start(home.command("flock").args(["-w", "600"]).arg(&lock).args(["sh", "-c", UNTIL_TOLD]));
    assert_eq!(shell.line(), "here");
    let start = Instant::now();
    let output = home.run(&["--serial", "--wait", "4.5", "--", "echo", "ran"]).output().expect("lockspan");
    let took = start.elapsed();
    let (status, said) = outcome(&output);
    assert_eq!((status, &*output.stdout), (1, &b""[..]), "{said}");
    assert!(took.as_secs_f64() >= 4.5 && took < GENEROUS, "{took:?}");
    let holder = format!("session.lock, held by pid {} (flock), up to", shell.pid());
    assert!(said.contains("waiting for ") && said.contains(&holder), "{said}");
    assert!(said.contains("not free after 4.5 s") && said.contains("--wait"), "{said}");

    let waiter = Talker::start(home.run(&["--serial", "--", "echo", "ran"]).stderr(Stdio::null()));
    assert!(shell.end().success());
    let mut waiter = waiter;
    assert_eq!(waiter.line(), "ran");
    assert!(waiter.end().success());
}

#[test]
fn a_shell_waits_for_it() {
    let home = Home::new();
    let lock = home.session_lock();
    let flock = |wait: &str| {
        home.command("flock").args(["-w", wait]).arg(&lock).arg("true").status().expect("flock").code()
    };
    let mut holder = Talker::start(&mut home.run(&["--serial", "--", "sh", "-c", UNTIL_TOLD]));
    assert_eq!(holder.line(), "here");
    assert_eq!(flock("0.3"), Some(1));
    assert!(holder.end().success());
    assert_eq!(flock("600"), Some(0));
}

#[test]
fn a_grandchild_that_lives_on_does_not_keep_the_lock() {
    let home = Home::new();
    let output = home
        .run(&["--serial", "--", "sh", "-c", "sleep 100 <&- >&- 2>&- & echo $!; ls -l /proc/self/fd"])
        .output()
        .expect("lockspan");
    let text = String::from_utf8_lossy(&output.stdout);
    let pid = text.lines().next().expect("a pid").parse().expect("a pid");
    let pid = nix::unistd::Pid::from_raw(pid);
    assert!(nix::sys::signal::kill(pid, None).is_ok(), "it lives on");
    let file = fs::File::open(home.session_lock()).expect("the lock");
    let taken = fs2::FileExt::try_lock_exclusive(&file);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("it lived on");
    taken.expect("the lock is free");
    assert!(!text.contains("session.lock"), "{text}");
}

#[test]
fn a_killed_lockspan_keeps_nothing() {
    let home = Home::new();
    let mut holder = Talker::start(&mut home.run(&["--serial", "--", "sh", "-c", UNTIL_TOLD]));
    assert_eq!(holder.line(), "here");
    holder.child.kill().expect("a child");
    holder.child.wait().expect("a child");
    let output = home.run(&["--serial", "--wait", "30", "--", "echo", "ran"]).output().expect("lockspan");
    assert_eq!(output.stdout, b"ran\n");
}

#[test]
fn it_goes_together_with_a_slot() {
    let home = Home::new();
    let both = ["--serial", "--slot", "nightly", "--timeout", "50", "--", "sh", "-c", UNTIL_TOLD];
    let mut holder = Talker::start(&mut home.run(&both));
    assert_eq!(holder.line(), "here");
    for option in ["--serial", "--slot=nightly"] {
        let output = home.run(&[option, "--wait", "0", "--", "true"]).output().expect("lockspan");
        assert_eq!(outcome(&output).0, 1, "{option}");
    }
    assert!(holder.end().success());
}
