//! `lockspan init --shared DIR`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::holder::Holder;
use crate::home::{Home, LOGIN, mode};
use crate::transcript::Transcript;

const INIT: &str = "lockspan init --shared $SHARED";

fn target(home: &Home) -> PathBuf {
    home.shared().join("claude")
}

fn backup(home: &Home) -> PathBuf {
    home.path().join(".claude.before-lockspan")
}

/// Panics unless `~/.claude` leads to the shared login, and nothing of a migration is left over.
fn assert_moved(home: &Home) {
    assert_eq!(fs::read_link(home.config()).expect("a link"), target(home));
    let read = |directory: PathBuf| fs::read_to_string(directory.join(".credentials.json")).expect("a login");
    assert_eq!(read(home.config()), LOGIN);
    assert_eq!(mode(&target(home)), 0o700);
    assert_eq!(mode(&target(home).join(".credentials.json")), 0o600);
    let shared = fs::read_dir(home.shared()).expect("a directory");
    assert_eq!(shared.map(|entry| entry.expect("an entry").file_name()).collect::<Vec<_>>(), ["claude"]);
    assert!(!home.path().join(".claude.lock").exists());
    assert!(!backup(home).join(".oauth_refresh.lock").exists());
}

#[test]
fn transcript_of_a_migration() {
    let home = Home::with_login();
    let mut transcript = Transcript::new(&home);
    transcript.line(INIT);
    transcript.line("ls -l ~/.claude | sed 's/.* //'");
    transcript.line(INIT);
    transcript.note("Another container, which has no ~/.claude yet.");
    transcript.line("rm ~/.claude");
    transcript.line(INIT);
    transcript.is("init.txt");
    assert_moved(&home);
    assert_eq!(mode(&backup(&home)), 0o700, "nobody else reads the backup");
    assert_eq!(fs::read_to_string(backup(&home).join(".credentials.json")).expect("a backup"), LOGIN);
}

#[test]
fn a_home_with_nothing_in_it_gets_a_link() {
    for home in [Home::new(), Home::with_config()] {
        home.output(INIT);
        assert_eq!(fs::read_link(home.config()).expect("a link"), target(&home));
        assert_eq!(mode(&target(&home)), 0o700);
        assert!(!backup(&home).exists());
        fs::set_permissions(target(&home), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("an own file");
        home.output(INIT);
        assert_eq!(mode(&target(&home)), 0o700, "the second run closes it again");
    }
}

#[test]
fn the_other_way_prints_a_line_for_the_shell() {
    let home = Home::with_login();
    let line = home.output("lockspan init --export --shared $SHARED");
    assert_eq!(line, format!("export CLAUDE_CONFIG_DIR='{}'\n", target(&home).display()));
    assert_eq!(
        home.output(
            "eval \"$(lockspan init --export --shared $SHARED 2>&-)\"; printf %s \"$CLAUDE_CONFIG_DIR\""
        ),
        target(&home).to_string_lossy()
    );
    assert!(home.config().join(".credentials.json").exists());
    assert!(!target(&home).join(".credentials.json").exists(), "no second copy of a login");
    let quoted = home.shared().join("it's");
    fs::create_dir(&quoted).expect("a directory");
    let named = home.output(
        "eval \"$(lockspan init --export --shared \"$SHARED/it's\" 2>&-)\"; printf %s \"$CLAUDE_CONFIG_DIR\"",
    );
    assert_eq!(named, quoted.join("claude").to_string_lossy());
}

#[test]
fn refusals_change_nothing() {
    type Prepare = fn(&Home);
    let cases: [(&str, Prepare, &str); 9] = [
        (
            "both sides",
            |home| {
                fs::create_dir(target(home))
                    .and_then(|()| fs::write(target(home).join("x"), ""))
                    .expect("a file");
            },
            "both ",
        ),
        ("the lock inside", |home| fs::create_dir(home.lock()).expect("a directory"), "is foreign"),
        (
            "the sibling",
            |home| fs::create_dir(home.path().join(".claude.lock")).expect("a directory"),
            "is foreign",
        ),
        (
            "the write lock",
            |home| {
                fs::create_dir(home.config().join(".storage-write.lock")).expect("a directory");
            },
            "is foreign",
        ),
        (
            "a link elsewhere",
            |home| {
                fs::rename(home.config(), home.path().join("x"))
                    .and_then(|()| symlink("x", home.config()))
                    .expect("a link");
            },
            "is a link to x already",
        ),
        (
            "a file",
            |home| {
                fs::rename(home.config(), home.path().join("x"))
                    .and_then(|()| fs::write(home.config(), ""))
                    .expect("a file");
            },
            "is no directory",
        ),
        (
            "a former backup",
            |home| fs::create_dir(backup(home)).expect("a directory"),
            "the backup of a former init",
        ),
        (
            "a file in the shared directory",
            |home| fs::write(target(home), "").expect("a file"),
            "is no directory",
        ),
        (
            "another home's interrupted run",
            |home| {
                fs::create_dir(home.shared().join("claude.ready-1-2-3")).expect("a directory");
            },
            "interrupted in another home",
        ),
    ];
    for (name, prepare, why) in cases {
        let home = Home::with_login();
        prepare(&home);
        let tree = "find . $SHARED -printf '%p %l %m %s\\n' | grep -v lockspan/ | sort";
        let before = home.output(tree);
        let complaint = home.refusal(INIT, 1);
        assert!(complaint.contains(why), "{name}: {complaint}");
        let after = home.output(tree);
        // The library's own directory stays, as after any client.
        let kept = |text: &str| {
            text.lines().filter(|line| !line.contains(".lockspan")).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(kept(&before), kept(&after), "{name}");
    }
}

#[test]
fn more_refusals() {
    let home = Home::with_login();
    let holder = Holder::start(&home);
    assert!(home.refusal(INIT, 1).contains("is held: a client is at work"));
    holder.kill();
    assert!(home.refusal("lockspan init --shared ~/none", 1).contains("mount it first"));
    assert!(home.refusal("lockspan init", 2).contains("--shared"));
    assert!(
        home.refusal("CLAUDE_CONFIG_DIR=/tmp lockspan init --shared $SHARED", 1)
            .contains("CLAUDE_CONFIG_DIR is set")
    );
    assert!(
        home.refusal("mkdir ~/.claude/s; lockspan init --shared ~/.claude/s", 1)
            .contains("mount it elsewhere")
    );
    let mutex = fs::File::open(home.shared()).expect("a directory");
    fs2::FileExt::lock_exclusive(&mutex).expect("a free lock");
    assert!(home.refusal(INIT, 1).contains("another init is at work"));
    drop(mutex);
    // A dead holder's lock is none.
    home.output(INIT);
    assert_moved_after(&home, "s");
}

/// As `assert_moved`, with something else in the directory.
fn assert_moved_after(home: &Home, name: &str) {
    assert!(target(home).join(name).is_dir());
    assert_moved(home);
}

/// Kills a run by strace at the n-th call of a kind that changes something, for every n, and runs it again.
#[test]
fn a_run_that_is_killed_anywhere_is_finished_by_the_next() {
    if !Home::new().can("strace -o /dev/null true", "strace(1) cannot run here; apt-get install strace") {
        return;
    }
    let (mut kills, mut unrecorded) = (0, 0);
    for call in [
        "mkdir",
        "rename",
        "renameat2",
        "symlink",
        "symlinkat",
        "rmdir",
        "syncfs",
        "write",
        "chmod",
        "copy_file_range",
    ] {
        for nth in 1.. {
            let home = Home::with_login();
            let line = format!(
                "strace -qq -o /dev/null -e trace={call} -e inject={call}:signal=KILL:when={nth} {INIT} 2>&-"
            );
            let status = home.run(&line).status;
            if status.success() {
                break;
            }
            kills += 1;
            let usable = [home.config(), target(&home)]
                .iter()
                .filter(|directory| {
                    !fs::symlink_metadata(directory).is_ok_and(|found| found.is_symlink())
                        && directory.join(".credentials.json").exists()
                })
                .count();
            assert!(usable <= 1, "killed at {call} {nth}: two logins in use");
            let mut again = home.run(INIT);
            if String::from_utf8_lossy(&again.stderr).contains("is foreign") {
                // Killed after the mkdir of a lock and before the record of it, as any client can be.
                unrecorded += 1;
                home.output("rm -df ~/.claude.lock ~/.claude/.oauth_refresh.lock");
                again = home.run(INIT);
            }
            let complaint = String::from_utf8_lossy(&again.stderr).into_owned();
            assert!(again.status.success(), "killed at {call} {nth}: {complaint}");
            if home.path().join(".claude.lock").exists() {
                // Nobody asks for it any more (src/cli/src/init/migrate.rs, step 5).
                fs::remove_dir(home.path().join(".claude.lock")).expect("an empty directory");
            }
            assert_moved(&home);
        }
    }
    assert!(kills > 15 && unrecorded <= 4, "{kills} kills, {unrecorded} between a lock and its record");
    println!("{kills} kills, {unrecorded} between a lock and its record");
}

#[test]
fn a_mount_point_is_left_alone() {
    let home = Home::with_login();
    let mounted = |mount: &str| format!("unshare -m sh -c 'mount --bind {mount} && exec {INIT}'");
    if !home.can_mount() {
        return;
    }
    let complaint = home.refusal(&mounted("~/.claude ~/.claude"), 1);
    assert!(complaint.contains("is a mount point") && complaint.contains("CLAUDE_CONFIG_DIR"), "{complaint}");
    let file = "~/.claude/.credentials.json";
    let complaint = home.refusal(&mounted(&format!("{file} {file}")), 1);
    assert!(complaint.contains("is a mount, shared with others"), "{complaint}");
    home.output(INIT);
    assert_moved(&home);
}
