//! lockspan as a parent: signals, job control and status.

use std::os::unix::process::{CommandExt, ExitStatusExt};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::support::{Home, Talker, UNTIL_TOLD, state, until};

#[test]
fn the_status_passes() {
    let home = Home::new();
    let status = |script: &str| home.run(&["--serial", "--", "sh", "-c", script]).status().expect("lockspan");
    assert_eq!(status("exit 42").code(), Some(42));
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGINT, Signal::SIGSEGV, Signal::SIGUSR1] {
        let ended = status(&format!("kill -{} $$", signal as i32));
        assert_eq!((ended.signal(), ended.core_dumped()), (Some(signal as i32), false), "{signal}");
    }
}

#[test]
fn signals_reach_the_command() {
    let home = Home::new();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1] {
        let name = signal.as_str().trim_start_matches("SIG");
        let script = format!("trap 'echo got; exit 7' {name}; echo here; while :; do sleep 0.02; done");
        let mut run = Talker::start(&mut home.run(&["--serial", "--", "sh", "-c", &script]));
        assert_eq!(run.line(), "here");
        kill(run.pid(), signal).expect("it lives");
        assert_eq!(run.line(), "got");
        assert_eq!(run.end().code(), Some(7), "{signal}");
    }
    let mut run = Talker::start(&mut home.run(&["--serial", "--", "sh", "-c", UNTIL_TOLD]));
    assert_eq!(run.line(), "here");
    kill(run.pid(), Signal::SIGTERM).expect("it lives");
    assert_eq!(run.end().signal(), Some(Signal::SIGTERM as i32), "it ends as the command did");
}

#[test]
fn the_command_has_the_signals_that_lockspan_was_given() {
    let home = Home::new();
    let masks = |options: &[&str]| {
        let mut arguments = options.to_vec();
        arguments.extend(["--", "grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"]);
        let mut lockspan = home.run(&arguments);
        let mut shell = home.command("sh");
        shell.args(["-c", "trap '' HUP USR2; exec \"$@\"", "sh"]);
        shell.arg(lockspan.get_program()).args(lockspan.get_args());
        lockspan = shell;
        String::from_utf8(lockspan.output().expect("lockspan").stdout).expect("digits")
    };
    assert_eq!(masks(&["--serial"]), masks(&[]));
}

#[test]
fn both_stop_and_go_on() {
    let home = Home::new();
    // In a process group of its own, as a shell's job is.
    let script = "echo $$; read -r _; exit 5";
    let mut run = Talker::start(home.run(&["--serial", "--", "sh", "-c", script]).process_group(0));
    let (lockspan, command) = (run.pid(), Pid::from_raw(run.line().parse().expect("a pid")));
    for stop in [Signal::SIGTSTP, Signal::SIGTTIN] {
        kill(if stop == Signal::SIGTSTP { lockspan } else { command }, stop).expect("it lives");
        until("both stop", || state(command) == Some('T') && state(lockspan) == Some('T'));
        killpg(lockspan, Signal::SIGCONT).expect("they live");
        until("both go on", || state(command) == Some('S') && state(lockspan) == Some('S'));
    }
    assert_eq!(run.end().code(), Some(5));
}
