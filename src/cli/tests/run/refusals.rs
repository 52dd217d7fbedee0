//! What `run` refuses before anything starts, and what it says then.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::{Home, is_root, lockspan, outcome};

fn refused(command: &mut Command) -> String {
    let output = command.output().expect("lockspan");
    let (status, said) = outcome(&output);
    assert_eq!((status, &*output.stdout), (125, &b""[..]), "{said}");
    said
}

#[test]
fn a_missing_config_directory() {
    let home = Home::new();
    fs::remove_dir(home.config()).expect("an empty directory");
    let path = home.config();
    let said = refused(&mut home.run(&["--", "echo", "ran"]));
    assert!(said.contains(&format!("type: mkdir -p -m 700 {}", path.display())), "{said}");
    // What it says to type is enough.
    let typed = said.split("type: ").nth(1).expect("what to type").trim();
    assert!(home.command("sh").args(["-c", typed]).status().expect("sh").success());
    assert_eq!(home.run(&["--", "echo", "ran"]).output().expect("lockspan").stdout, b"ran\n");

    let named = home.path().join("my logins");
    let said = refused(home.run(&["--", "true"]).env("CLAUDE_CONFIG_DIR", &named));
    assert!(said.contains(&format!("'{}'", named.display())), "{said}");

    fs::remove_dir(home.config()).expect("an empty directory");
    std::os::unix::fs::symlink("elsewhere", home.config()).expect("a link");
    let said = refused(&mut home.run(&["--", "true"]));
    assert!(said.contains(&home.path().join("elsewhere").display().to_string()), "{said}");
    fs::write(home.path().join("elsewhere"), "").expect("room");
    assert!(refused(&mut home.run(&["--", "true"])).contains("is no directory"));
}

#[test]
fn a_read_only_config_directory() {
    if !is_root("a read-only mount needs root") {
        return;
    }
    let home = Home::new();
    fs::write(home.config().join(".credentials.json"), "{}").expect("room");
    let run = |mounts: &str| {
        let script = format!("{mounts} && exec \"$1\" run -- echo ran");
        let mut unshare = home.command("unshare");
        unshare.args(["--mount", "sh", "-c", &script, "sh"]).arg(lockspan());
        unshare
    };
    let read_only = "mount --bind .claude .claude && mount -o remount,bind,ro .claude";
    let said = refused(&mut run(read_only));
    assert!(said.contains("Read-only") && said.contains("mount it without `ro`"), "{said}");
    fs::write(home.path().join("login"), "{}").expect("room");
    let file = format!("{read_only} && mount --bind login .claude/.credentials.json");
    assert_eq!(run(&file).output().expect("unshare").stdout, b"ran\n", "the login can be stored");
}

#[test]
fn a_config_directory_of_another_user() {
    if !is_root("another user needs root") {
        return;
    }
    let home = Home::new();
    // Readable for the other user down to the config directory.
    for (path, mode) in [(home.path(), 0o755), (&home.config(), 0o755)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("an own directory");
    }
    let installed = home.path().join("bin");
    fs::create_dir(&installed).expect("a directory");
    for file in ["lockspan", "liblockspan.so"] {
        fs::copy(lockspan().with_file_name(file), installed.join(file)).expect("a copy");
    }
    let mut command = home.command("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    let said = refused(command.arg(installed.join("lockspan")).args(["run", "--", "true"]));
    assert!(said.contains("Permission denied") && said.contains("chown -R"), "{said}");
}

#[test]
fn words_that_are_no_option_and_statuses_of_env() {
    let home = Home::new();
    let status = |arguments: &[&str]| outcome(&home.run(arguments).output().expect("lockspan")).0;
    assert_eq!(status(&["--seriel", "--", "true"]), 125);
    assert_eq!(status(&["--slots", "2", "--", "true"]), 125, "no --slot");
    assert_eq!(status(&["--wait", "2", "--", "true"]), 125, "nothing to wait for");
    assert_eq!(status(&["--timeout", "soon", "--", "true"]), 125);
    for option in ["--", "--serial"] {
        assert_eq!(status(&[option, "no-such-command-here"]), 127);
        assert_eq!(status(&[option, "/etc/passwd"]), 126);
    }
    assert_eq!(status(&["sh", "-c", "exit 42"]), 42, "options of the command are its own");
}
