//! `--tokens`: turns, use, and what is never shown.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Home, Talker, outcome};

const TOKENS: &str = "# made up\nsk-ant-oat01-a\n\nsk-ant-oat01-b\nsk-ant-oat01-c\n";

/// Says which token it was given, by its last letter alone.
const LETTER: &str = "echo ${CLAUDE_CODE_OAUTH_TOKEN#sk-ant-oat01-}";

#[test]
fn each_is_used_in_its_turn_from_all_homes() {
    let home = Home::new();
    let other = home.beside();
    let file = home.private_file("tokens", TOKENS);
    let file = file.to_str().expect("a plain path");
    let letters: String = (0..9)
        .map(|turn| {
            let home = if turn % 2 == 0 { &home } else { &other };
            let run = home.run(&["--tokens", file, "--", "sh", "-c", LETTER]).output().expect("lockspan");
            assert_eq!(String::from_utf8_lossy(&run.stderr), "");
            String::from_utf8_lossy(&run.stdout).trim().to_owned()
        })
        .collect();
    assert_eq!(letters, "abcabcabc");
}

#[test]
fn one_that_nobody_uses_is_preferred() {
    let home = Home::new();
    let file = home.private_file("tokens", TOKENS);
    let file = file.to_str().expect("a plain path");
    let script = format!("{LETTER}; exec cat");
    let start = || {
        let mut talker = Talker::start(&mut home.run(&["--tokens", file, "--", "sh", "-c", &script]));
        (talker.line(), talker)
    };
    let (first, _first) = start();
    let (second, second_run) = start();
    let (third, _third) = start();
    assert_eq!(BTreeSet::from([&*first, &*second, &*third]), BTreeSet::from(["a", "b", "c"]));
    second_run.end();
    let (fourth, _fourth) = start();
    assert_eq!(fourth, second, "though it is not the one that was given out first");
    let (fifth, _fifth) = start();
    assert_eq!(fifth, first, "all are in use");
}

#[test]
fn many_at_once_get_even_shares() {
    let home = Home::new();
    let file = home.private_file("tokens", TOKENS);
    let file = file.to_str().expect("a plain path");
    let homes: Vec<Home> = (0..12).map(|_| home.beside()).collect();
    let script = format!("{LETTER}; exec cat");
    let mut runs: Vec<_> = homes
        .iter()
        .map(|home| Talker::start(&mut home.run(&["--tokens", file, "--", "sh", "-c", &script])))
        .collect();
    let mut letters: Vec<_> = runs.iter_mut().map(Talker::line).collect();
    letters.sort();
    assert_eq!(letters.concat(), "aaaabbbbcccc");
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let home = Home::new();
    let file = home.private_file("tokens", TOKENS);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("an own file");
    let path = file.to_str().expect("a plain path");
    let (status, said) = outcome(&home.run(&["--tokens", path, "--", "true"]).output().expect("lockspan"));
    assert_eq!(status, 125);
    assert!(said.contains(&format!("chmod 600 {path}")) && !said.contains("sk-ant"), "{said}");
}

#[test]
fn a_slot_is_the_picked_tokens() {
    let home = Home::new();
    let file = home.private_file("tokens", "sk-ant-oat01-a\nsk-ant-oat01-b\n");
    let file = file.to_str().expect("a plain path");
    let script = format!("{LETTER}; exec cat");
    let run = |wait: &str| {
        home.run(&["--tokens", file, "--slot", "token", "--wait", wait, "--", "sh", "-c", &script])
    };
    let (mut one, mut other) = (Talker::start(&mut run("30")), Talker::start(&mut run("30")));
    let mut letters = [one.line(), other.line()];
    letters.sort();
    assert_eq!(letters, ["a", "b"]);
    assert_eq!(outcome(&run("0.2").output().expect("lockspan")).0, 1, "both are in use");
}
