//! `lockspan doctor --fix` removes what is dead, and nothing else.

mod doctor;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, SystemTime};

use doctor::{Home, finding, locks, report};

fn old_lock(path: &Path) {
    fs::create_dir(path).expect("a directory");
    touch(path, SystemTime::now() - Duration::from_secs(120));
}

fn touch(path: &Path, time: SystemTime) {
    File::open(path).and_then(|directory| directory.set_modified(time)).expect("own directory");
}

#[test]
fn what_a_dead_owner_left_is_removed() {
    for dead in [locks::orphaned, locks::gone] {
        let home = Home::new();
        let _locks = dead(&home.config());
        let report = report(&home.doctor("", "--json --fix"));
        assert_eq!(finding(&report, "orphaned-lock").0, "ok");
        assert!(!home.config().join(".oauth_refresh.lock").exists());
        assert!(!home.path.join(".claude.lock").exists());
    }
}

#[test]
fn what_may_be_held_in_another_container_is_kept() {
    let home = Home::new();
    let _locks = locks::elsewhere(&home.config());
    home.doctor("", "--fix");
    assert!(home.config().join(".oauth_refresh.lock").exists());
}

#[test]
fn what_a_live_owner_holds_is_kept() {
    let home = Home::new();
    let _locks = locks::held(&home.config());
    let lock = home.config().join(".oauth_refresh.lock");
    // However old it looks.
    touch(&lock, SystemTime::now() - Duration::from_secs(3600));
    home.doctor("", "--fix --yes");
    assert!(lock.exists());
    assert!(home.path.join(".claude.lock").exists());
}

#[test]
fn an_old_lock_is_removed_if_it_does_not_change() {
    let home = Home::new();
    let [dead, alive] = [".oauth_refresh.lock", ".storage-write.lock"].map(|name| home.config().join(name));
    let sibling = home.path.join(".claude.lock");
    for lock in [&dead, &alive, &sibling] {
        old_lock(lock);
    }
    let output = home.doctor("", "--fix");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--fix --yes"));
    assert!([&dead, &alive, &sibling].into_iter().all(|lock| lock.exists()), "nobody said yes");

    let mut doctor = home.start("", "--fix --yes");
    let mut talk = BufReader::new(doctor.stderr.take().expect("piped")).lines().map_while(Result::ok);
    assert!(talk.by_ref().any(|line| line.contains("watching") && line.contains(".claude.lock")));
    // Still old, but touched: its owner lives.
    touch(&alive, SystemTime::now() - Duration::from_secs(90));
    let talk: Vec<_> = talk.collect();
    assert!(doctor.wait().expect("own child").success());
    assert!(
        talk.iter().any(|line| line.contains("kept") && line.contains(".storage-write.lock")),
        "{talk:?}"
    );
    assert!(alive.exists() && !dead.exists() && !sibling.exists(), "{talk:?}");
}

#[test]
fn a_lock_with_something_in_it_is_not_removed() {
    let home = Home::new();
    let lock = home.config().join(".storage-write.lock");
    old_lock(&lock);
    fs::write(lock.join("file"), []).expect("room");
    touch(&lock, SystemTime::now() - Duration::from_secs(120));
    let output = home.doctor("", "--fix --yes");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not empty"));
    assert!(lock.join("file").exists());
}
