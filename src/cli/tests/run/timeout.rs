//! `--timeout`: a model client that takes and releases the lock is ended at random moments, and no lock stays.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Home, Talker, client, outcome, until};

/// Ends a model client `count` times, and counts the locks that stay: of both kinds, old and new clients.
fn end_at_random_moments(count: u32) {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let client = client();
    let (home, mut removed, mut cycles) = (Home::new(), 0, 0);
    let locks = [home.config().join(".oauth_refresh.lock"), home.path().join(".claude.lock")];
    for _ in 0..count {
        let seconds = format!("{:.4}", 0.05 + random.f64() * 0.2);
        let lock = random.choice(&locks).expect("two").to_str().expect("a plain path");
        let run = home.run(&["--timeout", &seconds, "--", client, "dies", lock]).output().expect("lockspan");
        let (status, said) = outcome(&run);
        assert_eq!(status, 124, "seed {seed}: {said}");
        removed += u32::from(said.contains("lockspan: removed "));
        cycles += run.stdout.len();
        for lock in &locks {
            assert!(!lock.exists(), "seed {seed}: {} was left behind: {said}", lock.display());
        }
    }
    println!(
        "seed {seed}: {count} clients ended, {removed} of them with the lock in hand, after {cycles} cycles; 0 locks left"
    );
    assert!(removed > 0 && cycles > 0, "seed {seed}: nobody held the lock, so nothing was shown");
}

#[test]
fn no_lock_is_left_behind() {
    end_at_random_moments(12);
}

#[test]
#[ignore = "half a minute; scripts/test --full runs it"]
fn no_lock_is_left_behind_in_50_kills() {
    end_at_random_moments(50);
}

fn took(start: Instant) -> f64 {
    start.elapsed().as_secs_f64()
}

#[test]
fn a_client_that_ends_by_itself_is_not_disturbed() {
    let home = Home::new();
    let start = Instant::now();
    let status = home.run(&["--timeout", "50", "--", "sh", "-c", "exit 3"]).status().expect("lockspan");
    assert_eq!(status.code(), Some(3));
    let status = home.run(&["--timeout", "0", "--", "sh", "-c", "kill -9 $$"]).status().expect("lockspan");
    assert_eq!(status.signal(), Some(9));
    assert!(start.elapsed() < Duration::from_secs(40));
}

#[test]
fn descendants_in_the_process_group_are_told_to_end_too() {
    let home = Home::new();
    let script = "sh -c 'echo $$; exec sleep 100' & setsid sh -c 'echo $$; exec sleep 100' & wait";
    let mut run = Talker::start(&mut home.run(&["--timeout", "0.5", "--", "sh", "-c", script]));
    let pids = [run.line(), run.line()].map(|line| Pid::from_raw(line.parse().expect("a pid")));
    // Its stdout stays open in the one that lives on.
    let status = run.child.wait().expect("a child");
    assert_eq!(status.code(), Some(124));
    let alive: Vec<_> = pids.into_iter().filter(|&pid| kill(pid, None).is_ok()).collect();
    alive.iter().for_each(|&pid| kill(pid, Signal::SIGKILL).expect("it lives"));
    assert_eq!(alive.len(), 1, "the one with a session of its own lives on");
}

/// One that does not listen is killed after the grace, which a holder gets more of.
#[test]
fn a_holder_that_does_not_listen_gets_time_to_finish() {
    let client = client();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (home, start) = (Home::new(), Instant::now());
            let run = home.run(&["--timeout", "0.2", "--", "sh", "-c", "trap '' TERM; sleep 100"]).output();
            let (status, said) = outcome(&run.expect("lockspan"));
            assert_eq!(status, 124, "{said}");
            assert!((10.2..40.0).contains(&took(start)) && said.contains("is killed"), "{said}");
        });
        scope.spawn(|| {
            let (home, start) = (Home::new(), Instant::now());
            let lock = home.path().join(".claude.lock");
            let lock = lock.to_str().expect("a plain path");
            let run = home.run(&["--timeout", "0.2", "--", client, "finishes", lock, "14"]).output();
            let (status, said) = outcome(&run.expect("lockspan"));
            assert_eq!(status, 124, "{said}");
            assert!(said.contains("given time to finish") && !said.contains("is killed"), "{said}");
            assert!((14.0..40.0).contains(&took(start)), "{said}");
            assert!(!Path::new(lock).exists());
        });
    });
}

#[test]
#[ignore = "a minute; scripts/test --full runs it"]
fn a_holder_that_never_finishes_is_killed_and_its_lock_removed() {
    let client = client();
    let (home, start) = (Home::new(), Instant::now());
    let lock = home.path().join(".claude.lock");
    let run = home
        .run(&["--timeout", "0.2", "--", client, "finishes", lock.to_str().expect("a plain path"), "1000"])
        .output();
    let (status, said) = outcome(&run.expect("lockspan"));
    assert_eq!(status, 124, "{said}");
    assert!((60.2..90.0).contains(&took(start)), "{said}");
    assert!(said.contains("is killed") && said.matches("removed ").count() == 2, "{said}");
    assert!(!lock.exists() && !home.config().join(".oauth_refresh.lock").exists());
}

/// A lock of somebody else's is none of lockspan's business.
#[test]
fn the_lock_of_another_client_stays() {
    let client = client();
    let home = Home::new();
    let lock = home.config().join(".oauth_refresh.lock");
    let path = lock.to_str().expect("a plain path");
    let mut holder = Talker::start(&mut home.run(&["--", client, "finishes", path, "1000"]));
    until("the lock is held", || lock.exists());
    let status = home.run(&["--timeout", "0.1", "--", client, "dies", path]).status().expect("lockspan");
    assert_eq!(status.code(), Some(124));
    assert!(lock.exists());
    holder.child.kill().expect("a child");
    assert!(holder.child.wait().expect("a child").signal() == Some(9));
    assert!(lock.exists(), "orphaned, and left to the next client");
}
