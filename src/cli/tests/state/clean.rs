//! `lockspan clean`.

use std::fs;

use serde_json::Value;

use crate::holder::Holder;
use crate::home::Home;
use crate::transcript::Transcript;

#[test]
fn a_live_holders_lock_stays_and_a_dead_ones_goes() {
    let home = Home::with_config();
    let holder = Holder::start(&home);
    assert!(home.output("lockspan clean").contains("its holder lives"));
    assert!(home.lock().exists());
    holder.kill();
    let report: Value = serde_json::from_str(&home.output("lockspan clean --json")).expect("JSON");
    assert_eq!(report["removed"].as_array().map(Vec::len), Some(2), "the lock and its sibling: {report:#}");
    assert!(!home.lock().exists() && !home.path().join(".claude.lock").exists());
}

#[test]
fn transcript_of_what_stays() {
    let home = Home::with_config();
    let mut transcript = Transcript::new(&home);
    transcript.note("Made by a client without the library: nobody can tell whether it lives.");
    fs::create_dir(home.lock()).expect("a directory");
    transcript.line("lockspan clean");
    transcript.line("touch -d '+1 hour' ~/.claude/.oauth_refresh.lock");
    transcript.line("lockspan clean");
    transcript.is("clean.txt");
    assert!(home.lock().exists());
}

#[test]
fn only_empty_directories_are_removed() {
    let home = Home::with_config();
    Holder::start(&home).kill();
    fs::write(home.lock().join("file"), "").expect("a file");
    let complaint = home.refusal("lockspan clean", 1);
    assert!(complaint.contains("cannot be removed"), "{complaint}");
    assert!(home.lock().join("file").exists());
}
