//! Homes with made-up logins, the command installed beside its library, and processes that can be waited for.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::skip::skip;

/// Longer than anything takes that works.
pub const GENEROUS: Duration = Duration::from_secs(60);

/// Takes signals that whoever started the tests ignores, as a shell does for a job in the background: a command would
/// inherit that, and a shell cannot trap what was ignored when it started.
fn take_signals() {
    for signal in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP] {
        // SAFETY: no handler of ours is set, which could be called at a bad moment.
        unsafe { nix::sys::signal::signal(signal, nix::sys::signal::SigHandler::SigDfl) }.expect("a signal");
    }
}

/// The command with its library beside it, as it is installed.
pub fn lockspan() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let built = Path::new(env!("CARGO_BIN_EXE_lockspan"));
        let target = built.ancestors().nth(2).expect("a target directory");
        let cargo = std::env::var_os("CARGO").expect("run by cargo");
        let library = Command::new(cargo)
            .args(["build", "--quiet", "--release", "--locked", "-p", "lockspan-preload"])
            .env("CARGO_TARGET_DIR", target)
            .status();
        assert!(library.expect("cargo").success(), "the library is needed");
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("run");
        fs::create_dir_all(&directory).expect("a directory");
        // Links: a file that is written while another thread forks cannot be executed.
        let install = |file: &Path| {
            let (name, new) =
                (file.file_name().expect("a name"), directory.join(std::process::id().to_string()));
            fs::hard_link(file, &new).expect("what was built");
            fs::rename(&new, directory.join(name)).expect("an own directory");
            // Where both are links to one file, rename leaves them.
            let _ = fs::remove_file(&new);
            directory.join(name)
        };
        install(&target.join("release/liblockspan.so"));
        install(built)
    })
}

/// A home with a config directory.
pub struct Home(tempfile::TempDir);

impl Home {
    pub fn new() -> Home {
        take_signals();
        let home = Home(tempfile::tempdir().expect("a temporary directory"));
        fs::create_dir(home.config()).expect("a directory");
        fs::set_permissions(home.config(), fs::Permissions::from_mode(0o700)).expect("an own directory");
        home
    }

    /// Another home, whose config directory is this one's.
    pub fn beside(&self) -> Home {
        let home = Home(tempfile::tempdir().expect("a temporary directory"));
        std::os::unix::fs::symlink(self.config(), home.config()).expect("a link");
        home
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn config(&self) -> PathBuf {
        self.path().join(".claude")
    }

    pub fn session_lock(&self) -> PathBuf {
        self.config().join("session.lock")
    }

    /// A program in this home and in no other environment.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", self.path()).env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.stdin(Stdio::null()).current_dir(self.path());
        command
    }

    /// `lockspan run` with these options and this command.
    pub fn run(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(lockspan());
        command.arg("run").args(arguments);
        command
    }

    /// Writes a file that only its owner may read.
    pub fn private_file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).expect("room");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("an own file");
        path
    }
}

/// What a program said, and its exit status, which must not be a signal.
pub fn outcome(output: &Output) -> (i32, String) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap_or_else(|| panic!("{:?}: {text}", output.status)), text)
}

/// A process that says on stdout how far it is, and that ends when its stdin does.
pub struct Talker {
    pub child: Child,
    lines: BufReader<ChildStdout>,
}

impl Talker {
    pub fn start(command: &mut Command) -> Talker {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a program");
        let lines = BufReader::new(child.stdout.take().expect("a pipe"));
        Talker { child, lines }
    }

    /// The next line; waits for it.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a pipe");
        line.trim_end().to_owned()
    }

    pub fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(self.child.id() as i32)
    }

    /// Lets it end, and waits for that.
    pub fn end(mut self) -> std::process::ExitStatus {
        drop(self.child.stdin.take());
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).expect("a pipe");
        self.child.wait().expect("a child")
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        // Ended already, but where a test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a [`Talker`] runs: says that it is there, and ends with its stdin.
pub const UNTIL_TOLD: &str = "echo here; exec cat";

/// Waits until something is so.
pub fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < GENEROUS, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The state letter of a process in /proc.
pub fn state(pid: nix::unistd::Pid) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

/// Whether this is root; a test is skipped otherwise.
pub fn is_root(why: &str) -> bool {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if !is_root {
        skip(why);
    }
    is_root
}

/// The model client, compiled.
pub fn client() -> &'static str {
    static CLIENT: OnceLock<PathBuf> = OnceLock::new();
    let program = CLIENT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run/client.c");
        let program = lockspan().with_file_name("client");
        let status =
            Command::new("cc").args(["-O1", "-Wall", "-Werror", "-o"]).arg(&program).arg(source).status();
        assert!(status.expect("cc is needed").success(), "client.c");
        program
    });
    program.to_str().expect("a plain path")
}
