//! lockspan as a parent: signals, job control and status.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Child;
use std::sync::{Arc, Mutex};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::support::{Home, Talker, UNTIL_TOLD, lockspan, state, until};

#[test]
fn the_status_passes() {
    let home = Home::new();
    let status = |script: &str| home.run(&["--serial", "--", "sh", "-c", script]).status().expect("lockspan");
    assert_eq!(status("exit 42").code(), Some(42));
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGINT, Signal::SIGSEGV, Signal::SIGUSR1] {
        let ended = status(&format!("kill -{} $$", signal as i32));
        assert_eq!((ended.signal(), ended.core_dumped()), (Some(signal as i32), false), "{signal}");
    }
    assert_eq!(status("kill -35 $$").code(), Some(128 + 35), "a real-time signal, as a shell shows it");
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

/// An interactive shell on a terminal of its own.
struct Terminal {
    keyboard: fs::File,
    screen: Arc<Mutex<String>>,
    shell: Child,
}

impl Terminal {
    fn new(home: &Home) -> Terminal {
        let pair = nix::pty::openpty(None, None).expect("a terminal");
        let (screen, mut output) =
            (Arc::default(), fs::File::from(pair.master.try_clone().expect("a descriptor")));
        let mut bash = home.command("setsid");
        bash.args(["--ctty", "bash", "--norc", "--noprofile", "-i"]).env("PS1", "> ");
        let line = |pair: &nix::pty::OpenptyResult| pair.slave.try_clone().expect("a descriptor");
        let shell = bash.stdin(line(&pair)).stdout(line(&pair)).stderr(line(&pair)).spawn().expect("bash");
        let terminal = Terminal { keyboard: pair.master.into(), screen, shell };
        let screen = Arc::clone(&terminal.screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Fails when the last one who writes to the terminal is gone.
            while let Ok(length @ 1..) = output.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..length]);
                screen.lock().expect("nobody fails with it").push_str(&text);
            }
        });
        terminal
    }

    fn keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("a terminal");
    }

    /// Waits until this is on the screen, and answers the rest of its line.
    fn shows(&self, text: &str) -> String {
        let screen = || self.screen.lock().expect("nobody fails with it").clone();
        until(text, || screen().split(text).nth(1).is_some_and(|rest| rest.contains('\n')));
        screen().split(text).nth(1).and_then(|rest| rest.lines().next()).expect("a line").to_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Its terminal goes with it, and hangs up whatever a failed test left there.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// The process group that has a process's terminal.
fn foreground(pid: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let group = stat.rsplit(") ").next()?.split(' ').nth(5)?;
    group.parse().ok().map(Pid::from_raw)
}

#[test]
fn a_shells_job_control_sees_one_job() {
    let home = Home::new();
    let mut terminal = Terminal::new(&home);
    let run = format!("{} run --serial -- sh -c 'echo p\"\"id=$$; exec sleep 100'\n", lockspan().display());
    terminal.keys(&run);
    let command = Pid::from_raw(terminal.shows("pid=").trim().parse().expect("a pid"));
    terminal.keys("\x1a");
    terminal.shows("Stopped");
    assert_eq!(state(command), Some('T'));
    let lock = fs::File::open(home.session_lock()).expect("the lock");
    assert!(fs2::FileExt::try_lock_exclusive(&lock).is_err(), "a stopped command keeps its turn");
    terminal.keys("fg\n");
    until("it goes on in the foreground", || {
        state(command) == Some('S') && foreground(command) == nix::unistd::getpgid(Some(command)).ok()
    });
    terminal.keys("\x03");
    until("Ctrl-C ends it", || fs2::FileExt::try_lock_exclusive(&lock).is_ok());
    terminal.keys("echo st\"\"atus=$?\n");
    assert_eq!(terminal.shows("status=").trim(), "130");
}
