//! A process that holds the refresh lock as a client with the library does, and can be killed.

use std::io::{BufRead, BufReader, Read as _};
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Stdio};

use lockspan_core::Cycle;
use lockspan_core::names::LOCKS;
use lockspan_lock::linux::Linux;
use lockspan_lock::protocol::{self, Patience};
use lockspan_lock::slot::Slot;

use crate::home::Home;

/// Says to this program, run again, which config directory's lock it is to hold.
const VARIABLE: &str = "LOCKSPAN_TEST_HOLDS";
const HOLDS: &str = "it holds the lock";

pub struct Holder(Child);

impl Holder {
    pub fn start(home: &Home) -> Holder {
        Holder::start_by(home, "")
    }

    /// Started by a command that runs the rest of its line.
    pub fn start_by(home: &Home, command: &str) -> Holder {
        let words = "--exact holder::a_process_that_holds_the_lock --ignored --nocapture";
        let mut child = home
            .shell(&format!("exec {command} \"$0\" {words}"))
            .arg(std::env::current_exe().expect("this program"))
            .env(VARIABLE, home.config())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program runs");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        assert!(output.lines().map_while(Result::ok).any(|line| line.contains(HOLDS)));
        Holder(child)
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Ends it by SIGKILL.
    pub fn kill(mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("a child");
    }
}

#[test]
#[ignore = "a process of other tests, which start it"]
fn a_process_that_holds_the_lock() {
    let Some(directory) = std::env::var_os(VARIABLE) else { return };
    let (mut kernel, slot) = (Linux::new(), Slot::new());
    kernel.serve_path(directory.as_bytes(), &LOCKS[0]).expect("a short path");
    let at_once = Patience { total: 0, step: 1, absent: 0 };
    protocol::take(&mut kernel, &slot, Cycle::Redirected, 0o755, at_once).expect("a free lock");
    println!("{HOLDS}");
    // Until the other end is closed, or this process killed.
    std::io::stdin().read_to_end(&mut Vec::new()).expect("a pipe");
}
