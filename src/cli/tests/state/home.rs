//! A made-up home and a made-up shared mount, in which a shell runs the command.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::skip::skip;

pub struct Home {
    temporary: tempfile::TempDir,
}

impl Home {
    pub fn new() -> Home {
        let home = Home { temporary: tempfile::tempdir().expect("a temporary directory") };
        for directory in [home.path(), home.shared()] {
            fs::create_dir(directory).expect("a directory");
        }
        home
    }

    /// The same with an empty `~/.claude`.
    pub fn with_config() -> Home {
        let home = Home::new();
        fs::create_dir(home.config()).expect("a directory");
        home
    }

    /// The same with a made-up login in it.
    pub fn with_login() -> Home {
        let home = Home::with_config();
        fs::write(home.config().join(".credentials.json"), LOGIN).expect("a file");
        home
    }

    pub fn path(&self) -> PathBuf {
        self.temporary.path().join("home")
    }

    pub fn shared(&self) -> PathBuf {
        self.temporary.path().join("shared")
    }

    pub fn config(&self) -> PathBuf {
        self.path().join(".claude")
    }

    pub fn lock(&self) -> PathBuf {
        self.config().join(".oauth_refresh.lock")
    }

    /// A shell that finds the command and nothing of this machine's settings.
    pub fn shell(&self, line: &str) -> Command {
        let command = Path::new(env!("CARGO_BIN_EXE_lockspan")).parent().expect("a directory");
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", line]).env_clear().current_dir(self.path());
        shell.env("HOME", self.path()).env("SHARED", self.shared());
        shell.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", command.display()));
        shell
    }

    pub fn run(&self, line: &str) -> Output {
        self.shell(line).output().expect("a shell")
    }

    /// Whether a shell here may do this; a test is skipped otherwise.
    pub fn can(&self, line: &str, why: &str) -> bool {
        let can = self.run(line).status.success();
        if !can {
            skip(why);
        }
        can
    }

    /// Whether mounts can be made here.
    pub fn can_mount(&self) -> bool {
        self.can("unshare -m true", "no right to mount; run it as root")
    }

    /// Runs a line that must succeed, and gives what it printed.
    pub fn output(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Runs a line that must fail with this status, and gives what it complained of.
    pub fn refusal(&self, line: &str, status: i32) -> String {
        let output = self.run(line);
        assert_eq!(output.status.code(), Some(status), "{line}");
        String::from_utf8(output.stderr).expect("UTF-8")
    }
}

/// Made up.
pub const LOGIN: &str = r#"{"claudeAiOauth":{"accessToken":"sk-ant-oat01-made-up","refreshToken":"sk-ant-ort01-made-up","expiresAt":1700000000000}}"#;

/// The permission bits of a path, a link not followed.
pub fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("a file").mode() & 0o777
}
