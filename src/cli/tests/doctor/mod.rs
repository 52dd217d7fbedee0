//! A made-up home for `lockspan doctor`, and what it says there. Setting up is shell, as it would be typed; as root it
//! happens in a mount namespace of its own.

use std::any::Any;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// What no output may have in it: all made-up tokens start like this.
pub const TOKEN: &str = "sk-ant-";

/// A home with a healthy login in it, and an installed command beside it.
pub struct Home {
    _directory: tempfile::TempDir,
    _installed: tempfile::TempDir,
    pub path: PathBuf,
    pub command: PathBuf,
}

/// Whether mounts can be made here.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Home {
    pub fn new() -> Home {
        // A filesystem that is everywhere the same.
        let base = Path::new("/dev/shm");
        let directory = if base.is_dir() { tempfile::tempdir_in(base) } else { tempfile::tempdir() };
        let directory = directory.expect("a temporary directory");
        let installed = tempfile::tempdir().expect("a temporary directory");
        for open in [directory.path(), installed.path()] {
            fs::set_permissions(open, fs::Permissions::from_mode(0o755)).expect("own directory");
        }
        for name in ["bin", "lib"] {
            fs::create_dir(installed.path().join(name)).expect("a directory");
        }
        let command = installed.path().join("bin/lockspan");
        fs::hard_link(env!("CARGO_BIN_EXE_lockspan"), &command)
            .or_else(|_| fs::copy(env!("CARGO_BIN_EXE_lockspan"), &command).map(drop))
            .expect("a copy of the command");
        let library = installed.path().join("lib/liblockspan.so");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .arg(&library)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctor/broken.c"))
            .status()
            .expect("cc");
        assert!(built.success());
        let path = directory.path().join("home");
        let config = path.join(".claude");
        fs::create_dir_all(&config).expect("a directory");
        fs::set_permissions(&config, fs::Permissions::from_mode(0o700)).expect("own directory");
        let credentials = config.join(".credentials.json");
        fs::write(&credentials, login()).expect("room");
        fs::set_permissions(&credentials, fs::Permissions::from_mode(0o600)).expect("own file");
        Home { _directory: directory, _installed: installed, path, command }
    }

    pub fn config(&self) -> PathBuf {
        self.path.join(".claude")
    }

    /// Runs `setup` as root in a mount namespace in which the config directory is a mount of its own, then the command
    /// with these arguments.
    pub fn doctor(&self, setup: &str, arguments: &str) -> Output {
        let output = self.start(setup, arguments).wait_with_output().expect("own child");
        for text in [&output.stdout, &output.stderr] {
            let text = String::from_utf8_lossy(text);
            assert!(!text.contains(TOKEN), "a token in the output: {text}");
        }
        output
    }

    pub fn start(&self, setup: &str, arguments: &str) -> std::process::Child {
        let mount = if is_root() { "mount --bind .claude .claude\n" } else { "" };
        let script = format!(
            "set -eu\ncd \"$HOME\"\n{mount}{setup}\nexec ${{AS-}} \"$LOCKSPAN\" doctor {arguments}\n"
        );
        let mut command = Command::new(if is_root() { "unshare" } else { "sh" });
        if is_root() {
            command.args(["-m", "sh"]);
        }
        command
            .args(["-c", &script])
            .env_clear()
            .env("HOME", &self.path)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LOCKSPAN", &self.command)
            .env("LIBRARY", self.command.with_file_name("../lib/liblockspan.so"))
            .env("TOKEN", "sk-ant-oat01-current")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("sh or unshare")
    }
}

/// A login whose access token expired three hours ago.
fn login() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let expired = now.as_millis() - 3 * 3_600_000 - 60_000;
    format!(
        r#"{{"claudeAiOauth":{{"accessToken":"sk-ant-oat01-current","refreshToken":"sk-ant-ort01-gen0","expiresAt":{expired}}}}}"#
    )
}

/// What a report says of a check: severity and evidence.
pub fn finding(report: &Value, id: &str) -> (String, String) {
    let checks = report["checks"].as_array().expect("checks");
    let found = checks.iter().find(|check| check["id"] == id).unwrap_or_else(|| panic!("no check {id}"));
    let text = |name: &str| found[name].as_str().expect("text").to_owned();
    (text("severity"), text("evidence"))
}

/// The report in an output.
pub fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "{error}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// Locks of a login, as the library leaves them; what is returned keeps a held one held.
pub mod locks {
    use super::{Any, Path};
    use std::os::unix::ffi::OsStrExt;

    use lockspan_core::Cycle;
    use lockspan_core::names::LOCKS;
    use lockspan_core::record::Record;
    use lockspan_lock::kernel::{Kernel, Place};
    use lockspan_lock::linux::Linux;
    use lockspan_lock::protocol::{self, Patience};
    use lockspan_lock::slot::Slot;

    fn take(config: &Path) -> (Linux, Slot) {
        let (mut kernel, slot) = (Linux::new(), Slot::new());
        kernel.serve_path(config.as_os_str().as_bytes(), &LOCKS[0]).expect("a short path");
        let patience = Patience { total: 0, step: 1, absent: 0 };
        protocol::take(&mut kernel, &slot, Cycle::Redirected, 0o755, patience).expect("a free lock");
        (kernel, slot)
    }

    /// This process holds the refresh lock.
    pub fn held(config: &Path) -> Box<dyn Any> {
        Box::new(take(config))
    }

    /// A process that is no more held it.
    pub fn orphaned(config: &Path) -> Box<dyn Any> {
        left(config, |record| record)
    }

    /// The same where flock does not work: nothing but its pid proves it dead.
    pub fn gone(config: &Path) -> Box<dyn Any> {
        left(config, |record| Record { coherent: false, ..record })
    }

    /// The same in another pid namespace: nothing proves it dead.
    pub fn elsewhere(config: &Path) -> Box<dyn Any> {
        left(config, |record| Record { coherent: false, pid_namespace: 1, ..record })
    }

    fn left(config: &Path, change: fn(Record) -> Record) -> Box<dyn Any> {
        let (mut kernel, slot) = take(config);
        let record = kernel.read_record(Place::Record).expect("a record");
        let sibling = lockspan_core::names::sibling_key(record.sibling.expect("a sibling"));
        // No pid is that large.
        let dead = change(Record { pid: i32::MAX.unsigned_abs(), ..record });
        for place in [Place::Record, Place::SiblingRecord(sibling)] {
            kernel.write_record(place, &dead).expect("room");
        }
        kernel.guard_drop(slot.held(std::process::id()).and_then(|held| held.guard).expect("a guard"));
        Box::new(())
    }
}
