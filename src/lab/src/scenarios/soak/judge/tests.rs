//! Logs that have been written by hand, and what they come to.

use super::*;

/// Times in the lines are in milliseconds here.
fn figures(shared: Shared, lines: &[&str]) -> Figures {
    let mut judge = Judge::new(shared);
    let births = ["born a 0 0", "born b 0 0", "born c 0 1"];
    for line in births.iter().chain(lines) {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        words[2].push_str("000000");
        judge.read(&words.join(" ")).unwrap_or_else(|error| panic!("{error:#}"));
    }
    judge.figures
}

fn violations(lines: &[&str]) -> usize {
    figures(Shared::Directory, lines).violations.len()
}

#[test]
fn one_after_the_other_is_fine() {
    let lines = ["ask a 1", "ask b 1", "got a 2", "left a 9", "got b 3", "left b 9", "ask a 9", "got a 9"];
    let found = figures(Shared::Directory, &lines);
    assert_eq!((found.held, found.violations.len()), (3, 0));
}

#[test]
fn two_at_once_are_found() {
    assert_eq!(violations(&["ask a 1", "got a 2", "ask b 3", "got b 4", "left b 5", "left a 6"]), 1);
}

#[test]
fn a_kill_ends_what_it_held() {
    assert_eq!(violations(&["ask a 1", "got a 2", "killed a 3", "ask b 3", "got b 4"]), 0);
    assert_eq!(violations(&["ask a 1", "killed a 3", "ask b 3", "got b 4", "ask c 5", "got c 6"]), 1);
}

#[test]
fn who_was_stopped_for_longer_than_the_thief_waits_is_robbed() {
    let lines = ["ask a 1", "got a 2", "stopped a 3", "ask b 10", "robs b 5002 5000", "got b 5003"];
    let found = figures(Shared::Directory, &lines);
    assert_eq!((found.violations.len(), found.robbed, found.late), (0, 1, 0));
    // And so is one that lives.
    let early = ["ask a 1", "got a 2", "stopped a 3", "ask b 10", "robs b 4900 5000", "got b 5003"];
    assert_eq!(violations(&early), 1);
    let beats = ["ask a 1", "got a 2", "beat a 1000 0", "ask b 10", "robs b 5900 5000", "got b 5903"];
    assert_eq!(violations(&beats), 1);
}

#[test]
fn a_robbery_that_was_refused_excuses_nothing() {
    let lines = ["ask a 1", "got a 2", "ask b 10", "robs b 5002 5000", "spares b 5003", "got b 5004"];
    assert_eq!(violations(&lines), 1);
}

#[test]
fn of_two_thieves_one_may_remove_the_lock_and_the_other_get_it() {
    let mut lines = vec!["ask a 1", "got a 2", "stopped a 3", "ask b 10", "ask c 11"];
    lines.extend(["robs b 5002 5000", "robs c 5002 5000", "spares b 5003"]);
    lines.push("got b 5004");
    assert_eq!(violations(&lines), 0);
    lines.insert(8, "spares c 5003");
    assert_eq!(violations(&lines), 1);
}

#[test]
fn the_robbed_one_is_robbed_until_it_asks_again() {
    let robbery = ["ask a 1", "got a 2", "stopped a 3", "ask b 10", "robs b 5002 5000", "got b 5003"];
    let mut lines = robbery.to_vec();
    lines.extend(["left b 5004", "ask c 5005", "got c 5006", "left a 5007", "ask a 5008"]);
    assert_eq!(violations(&lines), 0);
    lines.push("got a 5009");
    assert_eq!(violations(&lines), 1);
}

#[test]
fn one_that_is_stopped_before_it_can_say_that_it_holds_is_robbed_too() {
    let stop = ["ask a 1", "stopped a 2", "ask b 10", "robs b 5002 5000", "got b 5003", "got a 9000"];
    assert_eq!(violations(&stop), 0);
    let no_stop = ["ask a 1", "ask b 10", "robs b 5002 5000", "got b 5003", "got a 9000"];
    assert_eq!(violations(&no_stop), 1);
}

#[test]
fn a_clock_that_is_behind_is_its_owners_fault() {
    let behind = ["ask a 1", "beat a 1 -9000", "got a 2", "ask b 3", "robs b 4 5000", "got b 5"];
    let found = figures(Shared::Directory, &behind);
    assert_eq!((found.violations.len(), found.misdated), (0, 1));
    let ahead = ["ask a 1", "beat a 1 9000", "got a 2", "ask b 3", "robs b 4 5000", "got b 5"];
    assert_eq!(violations(&ahead), 1);
}

#[test]
fn a_lease_ends_after_its_time_and_by_nobody_in_another_container() {
    let end = |time: &str| {
        let got = format!("got c {time}");
        figures(Shared::File, &["ask a 1", "got a 2", "stopped a 3", "ask c 10", "robs c 9000 5000", &got])
    };
    assert_eq!(end("9001").violations.len(), 1);
    assert_eq!((end("60003").violations.len(), end("60003").robbed), (0, 1));
    let same = ["ask a 1", "got a 2", "stopped a 3", "ask b 10", "robs b 9000 5000", "got b 9001"];
    assert_eq!(figures(Shared::File, &same).violations.len(), 0);
}

#[test]
fn in_a_shared_directory_nothing_runs_out() {
    assert_eq!(violations(&["ask a 1", "got a 2", "stopped a 3", "ask b 10", "got b 90000"]), 1);
}

#[test]
fn a_damaged_log_is_an_error() {
    for line in ["ask", "ask a x", "ask nobody 1", "asks a 1", "beat a 1", "peace a 1 2"] {
        let mut judge = Judge::new(Shared::Directory);
        judge.read("born a 0 0").unwrap_or_else(|error| panic!("{error:#}"));
        assert!(judge.read(line).is_err(), "{line}");
    }
}
