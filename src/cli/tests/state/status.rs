//! `lockspan status`.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::holder::Holder;
use crate::home::{Home, LOGIN};
use crate::transcript::Transcript;

/// Panics unless a document is as docs/schema has it.
pub fn validate(schema: &str, document: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema").join(schema);
    let mut schemas = boon::Schemas::new();
    let compiled = boon::Compiler::new()
        .compile(path.to_str().expect("UTF-8"), &mut schemas)
        .unwrap_or_else(|error| panic!("{schema}: {error:#}"));
    if let Err(error) = schemas.validate(document, compiled) {
        panic!("{schema}: {error}\n{document:#}");
    }
}

/// The status as JSON, valid by the schema.
fn status(home: &Home) -> Value {
    let status = serde_json::from_str(&home.output("lockspan status --json")).expect("JSON");
    validate("status.schema.json", &status);
    status
}

/// The state of every lock, by name.
fn states(home: &Home) -> Value {
    let status = status(home);
    let locks = status["locks"].as_array().expect("a list").iter();
    locks.map(|lock| (lock["name"].as_str().expect("a name").to_owned(), lock["state"].clone())).collect()
}

#[test]
fn every_state_made_for_real() {
    let home = Home::with_config();
    let of = |refresh: &str, sibling: &str| json!({"refresh": refresh, "sibling": sibling, "write": "free"});
    assert_eq!(states(&home), of("free", "free"));
    let holder = Holder::start(&home);
    assert_eq!(states(&home), of("held", "held"));
    assert_eq!(status(&home)["locks"][0]["holder"]["pid"], holder.pid());
    holder.kill();
    assert_eq!(states(&home), of("orphan", "orphan"));
    home.output("lockspan clean");
    fs::create_dir(home.lock()).expect("a directory");
    assert_eq!(states(&home), of("foreign", "free"));
    let ahead = SystemTime::now() + Duration::from_secs(3600);
    File::open(home.lock()).and_then(|lock| lock.set_modified(ahead)).expect("an own directory");
    assert_eq!(states(&home), of("future-dated", "free"));
}

#[test]
fn transcript_of_a_holder_and_its_death() {
    let home = Home::with_login();
    let holder = Holder::start(&home);
    let mut transcript = Transcript::new(&home);
    transcript.pid(holder.pid(), "21820");
    transcript.note("A client with the library refreshes the login.");
    transcript.line("lockspan status");
    holder.kill();
    transcript.note("It is killed. The next client would take the lock over at once.");
    transcript.line("lockspan status");
    transcript.line("lockspan clean");
    transcript.line("lockspan clean");
    transcript.is("status.txt");
}

/// A line as the library writes it (src/preload/src/events.rs).
fn event(time_ms: u128, pid: u32, event: &str, detail: &str) -> String {
    format!(
        "{{\"schema_version\":1,\"time_ms\":{time_ms},\"pid\":{pid},\"host\":\"agent1\",\"lock\":\"refresh\",\
         \"event\":\"{event}\",\"detail\":\"{detail}\",\"errno\":0,\"took_ms\":0}}\n"
    )
}

#[test]
fn the_event_log_tells_who_waits_and_who_held_it_last() {
    let home = Home::with_login();
    let log = home.path().join("events");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_millis();
    let lines = [
        event(now - 3000, 31, "taken", "in-place"),
        event(now - 2900, 32, "blocked", "held"),
        event(now - 2800, 33, "blocked", "held"),
        event(now + 60_000, 31, "released", ""),
        event(now - 100, 33, "blocked", "held"),
    ];
    fs::write(&log, lines.concat()).expect("a file");
    fs::write(home.config().join(".credentials.json"), LOGIN).expect("written while 31 holds the lock");
    let line = format!("LOCKSPAN_EVENTS={} lockspan status", log.display());
    let status: Value = serde_json::from_str(&home.output(&(line.clone() + " --json"))).expect("JSON");
    validate("status.schema.json", &status);
    let waiting = status["locks"][0]["waiting"].as_array().expect("it is known who waits").iter();
    assert_eq!(waiting.map(|waiting| waiting["pid"].clone()).collect::<Value>(), json!([32, 33]));
    assert_eq!(status["locks"][1]["waiting"], Value::Null, "nobody waits for a free sibling");
    assert_eq!(status["last_holders"][0]["pid"], 31);
    assert_eq!(status["last_holders"][0]["wrote_credentials"], true);
    assert!(home.output(&line).contains("31 on agent1 held refresh for 63.0 s, wrote the credentials"));
    let unknown = Holder::start(&home);
    assert_eq!(self::status(&home)["locks"][0]["waiting"], Value::Null, "without a log nobody knows");
    unknown.kill();
    home.output("mkfifo pipe");
    for log in ["pipe", "none", ""] {
        let line = format!("LOCKSPAN_EVENTS=$HOME/{log} lockspan status --json");
        let status: Value = serde_json::from_str(&home.output(&line)).expect("JSON");
        assert_eq!(
            (&status["locks"][0]["waiting"], &status["last_holders"]),
            (&Value::Null, &Value::Null),
            "{log}"
        );
    }
}

#[test]
fn a_shells_flock_on_the_session_lock_is_seen_with_its_waiters() {
    let home = Home::with_config();
    let session = home.config().join("session.lock");
    let held = File::create(&session).expect("a file");
    assert_eq!(states(&home)["session"], "free");
    fs2::FileExt::lock_exclusive(&held).expect("a free lock");
    let mut waiter = home.shell("exec flock -w 60 ~/.claude/session.lock true").spawn().expect("flock(1)");
    let session = || status(&home)["locks"][3].clone();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while session()["waiting"] != json!([{"pid": waiter.id(), "host": null, "since_ms": null}]) {
        assert!(std::time::Instant::now() < deadline, "{:#}", session());
        std::thread::yield_now();
    }
    assert_eq!(session()["state"], "held");
    assert_eq!(session()["holder"]["pid"], std::process::id());
    drop(held);
    assert!(waiter.wait().expect("a child").success());
    assert_eq!(session()["state"], "free");
}

#[test]
fn a_watch_prints_a_line_for_each_change_and_ends_with_its_reader() {
    let home = Home::with_config();
    for arguments in ["--watch", "--watch --json"] {
        let mut watch = home
            .shell(&format!("exec lockspan status {arguments}"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command");
        let mut lines =
            BufReader::new(watch.stdout.take().expect("a pipe")).lines().map(|line| line.expect("UTF-8"));
        let mut until =
            |found: &dyn Fn(&str) -> bool| lines.by_ref().find(|line| found(line)).expect("a line");
        match arguments {
            "--watch" => {
                until(&|line| line.ends_with("write    free"));
                fs::create_dir(home.lock()).expect("a directory");
                let line = until(&|line| line.contains("refresh"));
                assert!(line.ends_with(" s  refresh  foreign"), "{line}");
            }
            _ => {
                let first: Value = serde_json::from_str(&until(&|_| true)).expect("one document in one line");
                validate("status.schema.json", &first);
                assert_eq!(first["locks"][0]["state"], "foreign");
                fs::remove_dir(home.lock()).expect("an empty directory");
                let next: Value = serde_json::from_str(&until(&|_| true)).expect("one document in one line");
                assert_eq!(next["locks"][0]["state"], "free");
            }
        }
        drop(lines);
        assert!(watch.wait().expect("a child").success(), "a reader that goes away is no error");
    }
}

#[test]
fn without_a_config_directory_there_is_nothing_to_show() {
    let home = Home::new();
    assert!(home.refusal("lockspan status", 1).contains("no config directory at"));
    assert!(
        home.refusal("unset HOME; lockspan status", 1).contains("neither CLAUDE_CONFIG_DIR nor HOME is set")
    );
    let mut full = File::options().write(true).open("/dev/full").expect("/dev/full");
    assert!(full.write_all(b"x").is_err());
    fs::create_dir(home.config()).expect("a directory");
    assert!(home.refusal("lockspan status > /dev/full", 1).contains("standard output"));
}

#[test]
fn a_holder_that_shares_nothing_but_the_credentials_file_is_seen() {
    let home = Home::with_login();
    if !home.can_mount() {
        return;
    }
    home.output("cp ~/.claude/.credentials.json $SHARED/file; mkdir -p $SHARED/other/.claude; touch $SHARED/other/.claude/.credentials.json");
    let mount = |to: &str| format!("mount --bind $SHARED/file {to}/.claude/.credentials.json &&");
    let status = || {
        let line = format!("{} HOME=$SHARED/other lockspan status --json", mount("$SHARED/other"));
        let status: Value =
            serde_json::from_str(&home.output(&format!("unshare -m sh -c '{line}'"))).expect("JSON");
        validate("status.schema.json", &status);
        status["locks"][0].clone()
    };
    assert_eq!(status()["state"], "free");
    let in_namespace = format!("unshare -m sh -c '{} exec \"$0\" \"$@\"'", mount("~"));
    let holder = Holder::start_by(&home, &in_namespace);
    assert_eq!(status()["state"], "held");
    assert_eq!(status()["holder"], Value::Null);
    holder.kill();
    assert_eq!(status()["state"], "free");
}

#[test]
fn on_a_terminal_a_watch_draws_the_table_again() {
    let home = Home::with_config();
    let drawn = home.run("script -qec 'timeout 2.5 lockspan status --watch' /dev/null");
    let drawn = String::from_utf8_lossy(&drawn.stdout).into_owned();
    assert!(drawn.matches("\x1b[H\x1b[2J").count() >= 2 && drawn.contains("refresh  free"), "{drawn}");
}
