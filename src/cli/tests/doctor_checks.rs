//! Every check of `lockspan doctor` where its fault is, and where it is not.

mod doctor;
#[path = "common/skip.rs"]
mod skip;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use boon::{Compiler, Schemas};
use doctor::{Home, finding, is_root, locks, report};
use serde_json::Value;

/// A layout, and what must be said of it: id, severity, part of the evidence.
struct Case {
    name: &'static str,
    /// Locks, made by this process.
    locks: fn(&Path) -> Box<dyn Any>,
    /// What is typed before.
    setup: &'static str,
    arguments: &'static str,
    /// Cannot be set up without root.
    root: bool,
    expected: &'static [(&'static str, &'static str, &'static str)],
}

const fn case(
    name: &'static str,
    setup: &'static str,
    arguments: &'static str,
    expected: &'static [(&'static str, &'static str, &'static str)],
) -> Case {
    Case { name, locks: |_| Box::new(()), setup, arguments, root: false, expected }
}

const fn as_root(case: Case) -> Case {
    Case { root: true, ..case }
}

const FILE_MOUNT: &str = "umount .claude; cp -p .claude/.credentials.json host.json
    mount --bind host.json .claude/.credentials.json; ";

const CASES: &[Case] = &[
    case(
        "a healthy login",
        "",
        "--pid $$ -- sh",
        &[
            ("config-directory", "ok", ""),
            ("one-store", "ok", ""),
            ("read-only", "ok", ""),
            ("credentials-file", "ok", ""),
            ("dangling-mount", "ok", ""),
            ("access", "ok", ""),
            ("owner", "ok", ""),
            ("credentials-mode", "ok", "0600"),
            ("directory-mode", "ok", ""),
            ("lock-is-file", "ok", ""),
            ("lock-in-future", "ok", ""),
            ("orphaned-lock", "ok", ""),
            ("foreign-lock", "ok", "all free"),
            ("unknown-lock", "ok", ""),
            ("login", "ok", "healthy: access token expired 3 h ago"),
            ("credential", "ok", ""),
            ("token-snapshot", "ok", ""),
            ("settings", "ok", ""),
            ("library-active", "ok", ""),
            ("library", "ok", "by `lockspan run`"),
            ("reach", "ok", "makes its locks through libc"),
            ("process-library", "error", "has not loaded"),
            ("process-active", "ok", ""),
            ("probe-mkdir", "skipped", "no --probe given"),
        ],
    ),
    // Layout.
    case(
        "no config directory",
        "export HOME=$HOME/nobody",
        "",
        &[("config-directory", "error", "missing"), ("login", "skipped", ""), ("layout", "skipped", "")],
    ),
    case("no home", "unset HOME", "", &[("config-directory", "error", "neither CLAUDE_CONFIG_DIR nor HOME")]),
    as_root(case(
        "another user's home",
        "AS='setpriv --reuid 65534 --regid 65534 --clear-groups'; chmod 700 .",
        "",
        &[("config-directory", "error", "ermission denied")],
    )),
    case(
        "a link to nowhere",
        "ln -s nowhere link; export CLAUDE_CONFIG_DIR=$HOME/link",
        "",
        &[("config-directory", "error", "a symbolic link to no directory")],
    ),
    case(
        "a file for a config directory",
        ": > file; export CLAUDE_CONFIG_DIR=$HOME/file",
        "",
        &[("config-directory", "error", "is no directory")],
    ),
    as_root(case("a directory mount", "", "", &[("layout", "ok", "directory mount")])),
    as_root(case("a file mount", FILE_MOUNT, "", &[("layout", "ok", "file mount"), ("dangling-mount", "ok", "")])),
    as_root(case(
        "a whole home",
        "umount .claude; mount --bind . .; cd \"$PWD\"",
        "",
        &[("layout", "ok", "the whole home is on the mount")],
    )),
    as_root(case(
        "a link into a mount",
        "umount .claude; mount -t tmpfs none /mnt; mv .claude /mnt/login; ln -s /mnt/login .claude",
        "",
        &[("layout", "ok", "a symbolic link into the mount /mnt")],
    )),
    as_root(case(
        "a directory below a mount",
        "mount -t tmpfs none /mnt; cp -rp .claude /mnt/login; umount .claude; rm -r .claude
         export CLAUDE_CONFIG_DIR=/mnt/login",
        "",
        &[("layout", "ok", "below the mount /mnt")],
    )),
    as_root(case(
        "not shared",
        "export CLAUDE_CONFIG_DIR=/usr",
        "",
        &[("layout", "info", "no mount of its own"), ("login", "error", "missing")],
    )),
    case(
        "a copy of the login",
        "cp -rp .claude other; export CLAUDE_CONFIG_DIR=$HOME/other",
        "",
        &[("one-store", "error", "has a copy of the login")],
    ),
    case(
        "another login",
        "cp -rp .claude other; sed -i s/gen0/gen1/ other/.credentials.json; export CLAUDE_CONFIG_DIR=$HOME/other",
        "",
        &[("one-store", "ok", "")],
    ),
    // Mounts.
    as_root(case("a trusted filesystem", "", "", &[("filesystem", "ok", "")])),
    as_root(case(
        "a container's own layer",
        "umount .claude; mkdir lower upper work; mv .claude/.credentials.json lower
         mount -t tmpfs none /mnt; mkdir /mnt/upper /mnt/work
         mount -t overlay overlay -o lowerdir=lower,upperdir=/mnt/upper,workdir=/mnt/work .claude; chmod 700 .claude",
        "--probe",
        // There a lock ends when its descriptor is closed, though the file is mapped, as the library's are.
        &[
            ("filesystem", "warning", "overlay"),
            ("probe-flock", "warning", "a second open and a second process"),
            ("probe-byte-lock", "warning", "a second open and a second process"),
        ],
    )),
    as_root(case(
        "a file of a container's own layer",
        "umount .claude; mkdir layer; mv .claude/.credentials.json layer; touch .claude/.credentials.json
         mount -t tmpfs none /mnt; mkdir /mnt/upper /mnt/work
         mount -t overlay overlay -o lowerdir=layer,upperdir=/mnt/upper,workdir=/mnt/work layer
         mount --bind layer/.credentials.json .claude/.credentials.json",
        "--probe",
        &[
            ("layout", "ok", "file mount"),
            ("filesystem", "warning", "overlay"),
            ("probe-byte-lock", "warning", "the library changes nothing"),
        ],
    )),
    as_root(case("read-only", "mount -o remount,ro,bind .claude", "", &[("read-only", "error", "")])),
    case(
        "a directory at the file's path",
        "rm .claude/.credentials.json; mkdir .claude/.credentials.json",
        "",
        &[("credentials-file", "error", "`docker -v`")],
    ),
    case(
        "a fifo at the file's path",
        "rm .claude/.credentials.json; mkfifo -m 600 .claude/.credentials.json",
        "",
        &[("credentials-file", "error", "neither a file"), ("login", "skipped", "")],
    ),
    as_root(case(
        "a file mount that was left behind",
        "umount .claude; cp -p .claude/.credentials.json host.json
         mount --bind host.json .claude/.credentials.json
         cp -p host.json new.json; mv new.json host.json",
        "",
        &[("dangling-mount", "error", "does not follow"), ("layout", "ok", "file mount")],
    )),
    // Permissions.
    as_root(case(
        "another user",
        "AS='setpriv --reuid 65534 --regid 65534 --clear-groups'; chmod 755 .claude",
        "",
        &[("access", "error", "for uid 65534"), ("owner", "warning", "belongs to uid 0, this is uid 65534")],
    )),
    as_root(case(
        "credentials of another user",
        "chown 65534 .claude/.credentials.json",
        "",
        &[("owner", "warning", "belongs to uid 65534")],
    )),
    case(
        "credentials for all",
        "chmod 644 .claude/.credentials.json",
        "",
        &[("credentials-mode", "warning", "0644")],
    ),
    case("a directory for all", "chmod 777 .claude", "", &[("directory-mode", "warning", "0777")]),
    // Locks.
    case("a file for a lock", ": > .claude/.oauth_refresh.lock", "", &[("lock-is-file", "error", ".oauth_refresh.lock")]),
    case("a file for the sibling", ": > .claude.lock", "", &[("lock-is-file", "error", ".claude.lock")]),
    case(
        "a lock of tomorrow",
        "mkdir .claude.lock; touch -d tomorrow .claude.lock",
        "",
        &[("lock-in-future", "error", "ahead"), ("foreign-lock", "ok", "")],
    ),
    with_locks(
        locks::orphaned,
        case("a dead owner", "", "", &[("orphaned-lock", "warning", "which is dead"), ("foreign-lock", "ok", "")]),
    ),
    with_locks(
        locks::gone,
        case("a dead owner without flock", "", "", &[("orphaned-lock", "warning", "which is dead")]),
    ),
    with_locks(
        locks::elsewhere,
        case("an owner in another container without flock", "", "", &[
            ("orphaned-lock", "ok", ""),
            ("foreign-lock", "ok", "held by a client"),
        ]),
    ),
    with_locks(
        locks::held,
        case("a live owner", "", "", &[("orphaned-lock", "ok", ""), ("foreign-lock", "ok", "refresh lock held by pid")]),
    ),
    case(
        "an old lock",
        "mkdir .claude/.storage-write.lock; touch -d '2 minutes ago' .claude/.storage-write.lock",
        "",
        &[("foreign-lock", "warning", "not touched for 12"), ("orphaned-lock", "ok", "")],
    ),
    case(
        "a client without the library",
        "mkdir .claude/.oauth_refresh.lock",
        "",
        &[("foreign-lock", "ok", "refresh lock held by a client without the library")],
    ),
    case(
        "locks of others",
        "mkdir .claude/what.lock .claude/mcp-refresh-x.lock .claude/sk-ant-oat01-leak.lock",
        "",
        &[("unknown-lock", "info", "unknown lock [token].lock, what.lock")],
    ),
    // Login.
    case(
        "nobody logged in",
        "rm .claude/.credentials.json",
        "",
        &[("login", "error", "nobody has logged in"), ("token-snapshot", "skipped", "")],
    ),
    case("an empty file", ": > .claude/.credentials.json", "", &[("login", "error", "is empty")]),
    case(
        "blank",
        "sed -i 's/sk-ant[^\"]*//g' .claude/.credentials.json",
        "",
        &[("login", "error", "has no token: logged out"), ("token-snapshot", "skipped", "")],
    ),
    case(
        "an old access token alone",
        "sed -i 's/sk-ant-ort[^\"]*//' .claude/.credentials.json",
        "",
        &[("login", "error", "logged out")],
    ),
    case(
        "a fresh access token",
        "sed -i 's/\"expiresAt\":[0-9]*/\"expiresAt\":99999999999999/' .claude/.credentials.json",
        "",
        &[("login", "ok", "access token good for")],
    ),
    case("an API key", "export ANTHROPIC_API_KEY=sk-ant-api03-x", "", &[
        ("credential", "info", "ANTHROPIC_API_KEY wins"),
        ("login", "skipped", ""),
    ]),
    case(
        "an auth token before an API key",
        "export ANTHROPIC_API_KEY=sk-ant-api03-x ANTHROPIC_AUTH_TOKEN=x",
        "",
        &[("credential", "info", "ANTHROPIC_AUTH_TOKEN wins")],
    ),
    case(
        "a key helper before a setup-token",
        "echo '{\"apiKeyHelper\": \"echo sk-ant-api03-x\"}' > .claude/settings.json
         export CLAUDE_CODE_OAUTH_TOKEN=sk-ant-oat01-year",
        "",
        &[("credential", "info", "apiKeyHelper wins")],
    ),
    case(
        "a setup-token",
        "export CLAUDE_CODE_OAUTH_TOKEN=sk-ant-oat01-year",
        "",
        &[("credential", "info", "CLAUDE_CODE_OAUTH_TOKEN wins"), ("token-snapshot", "ok", "")],
    ),
    case(
        "a copy of the short-lived token",
        "export CLAUDE_CODE_OAUTH_TOKEN=$TOKEN",
        "",
        &[("token-snapshot", "error", "CLAUDE_CODE_OAUTH_TOKEN is a copy")],
    ),
    // The library, a program, a process.
    case("an unknown setting", "export LOCKSPAN_MODE=on", "", &[
        ("settings", "error", "LOCKSPAN_MODE must be"),
        ("library-active", "skipped", ""),
    ]),
    case("turned off", "export LOCKSPAN_DISABLE=1", "", &[("library-active", "warning", "")]),
    case("only watching", "export LOCKSPAN_MODE=observe", "", &[("library-active", "warning", "observe")]),
    case("no library", "export LD_PRELOAD=/nonexistent/liblockspan.so", "", &[("library", "error", "is not there")]),
    case("preloaded", "export LD_PRELOAD=$LIBRARY", "--pid $$", &[
        ("library", "ok", "in LD_PRELOAD"),
        ("process-library", "ok", "has loaded"),
        ("process-active", "ok", ""),
    ]),
    case("preloaded and turned off", "export LD_PRELOAD=$LIBRARY LOCKSPAN_DISABLE=1", "--pid $$", &[
        ("process-library", "ok", ""),
        ("process-active", "warning", "turned off"),
        ("library-active", "warning", ""),
    ]),
    case("no such process", "", "--pid 4294967295", &[
        ("process-library", "error", "no process"),
        ("process-active", "warning", "no process"),
    ]),
    case("a setuid program", "cp /bin/true x; chmod u+s x", "-- ./x", &[("reach", "error", "setuid")]),
    case("no program", "", "-- no-such-command", &[("reach", "error", "not found")]),
    // Probes. Two at a time meet within a second; the other's stderr stays open until it has tidied up.
    case("alone", "", "--probe", &[
        ("probe-mkdir", "ok", "one winner"),
        ("probe-flock", "ok", ""),
        ("probe-byte-lock", "ok", ""),
        ("probe-birth-time", "ok", ""),
        ("probe-other", "info", "alone"),
        ("probe-other-mkdir", "skipped", ""),
        ("probe-other-locks", "skipped", ""),
    ]),
    case("two at a time", "\"$LOCKSPAN\" doctor --probe >/dev/null &", "--probe", &[
        ("probe-other", "ok", "met "),
        ("probe-other-mkdir", "ok", ""),
        ("probe-other-locks", "ok", "coherent with"),
    ]),
    as_root(case(
        "two containers",
        "unshare -mpf --uts --mount-proc sh -c 'hostname elsewhere; \"$LOCKSPAN\" doctor --probe' >/dev/null &",
        "--probe",
        &[
            ("probe-other", "ok", "met elsewhere pid"),
            ("probe-other-mkdir", "ok", ""),
            ("probe-other-locks", "ok", "coherent with elsewhere pid"),
        ],
    )),
    case(
        "a broken filesystem",
        "export LD_PRELOAD=$LIBRARY BROKEN='mkdir flock byte birth'; \"$LOCKSPAN\" doctor --probe >/dev/null &",
        "--probe",
        &[
            ("probe-mkdir", "error", "races had not exactly one winner"),
            ("probe-flock", "warning", "a second open and a second process"),
            ("probe-byte-lock", "warning", ""),
            ("probe-birth-time", "warning", ""),
            ("probe-other", "ok", ""),
            ("probe-other-mkdir", "error", ""),
            ("probe-other-locks", "warning", "flock"),
        ],
    ),
    case("a filesystem that locks as NFS does", "export LD_PRELOAD=$LIBRARY BROKEN=read-only", "--probe", &[
        ("probe-mkdir", "ok", ""),
        ("probe-flock", "warning", "a second open and a second process"),
        ("probe-byte-lock", "ok", ""),
    ]),
    as_root(case("a probe of a file mount", FILE_MOUNT, "--probe", &[
        ("probe-byte-lock", "ok", ""),
        ("probe-other", "skipped", "only the credentials file"),
    ])),
];

const fn with_locks(locks: fn(&Path) -> Box<dyn Any>, case: Case) -> Case {
    Case { locks, ..case }
}

/// Makes a case, if that is possible here, and compares; the report.
fn examine(case: &Case, schema: &dyn Fn(&Value)) {
    let home = Home::new();
    let _locks = (case.locks)(&home.config());
    let output = home.doctor(case.setup, &format!("--json {}", case.arguments));
    let report = report(&output);
    schema(&report);
    for (id, severity, part) in case.expected {
        let (found, evidence) = finding(&report, id);
        assert_eq!(&found, severity, "{}: {id}: {evidence}", case.name);
        assert!(evidence.contains(part), "{}: {id}: {evidence}", case.name);
    }
    let checks = report["checks"].as_array().expect("checks");
    let has = |severity: &str| checks.iter().any(|check| check["severity"] == severity);
    assert_eq!(output.status.code(), Some(has("error").into()), "{}", case.name);
    assert!(!home.config().join(".lockspan/probe").exists(), "{}: something is left", case.name);
}

fn schema() -> impl Fn(&Value) {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema/doctor.schema.json");
    let index = compiler.compile(path, &mut schemas).unwrap_or_else(|error| panic!("{error:#}"));
    move |report| schemas.validate(report, index).unwrap_or_else(|error| panic!("{error:#}"))
}

#[test]
fn every_case_gets_its_finding() {
    let (can, cannot): (Vec<_>, Vec<_>) = CASES.iter().partition(|case| is_root() || !case.root);
    for case in cannot {
        skip::skip(&format!("{}: needs root", case.name));
    }
    // Probes wait for each other; a few at a time.
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let schema = schema();
                while let Some(case) = can.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    examine(case, &schema);
                }
            });
        }
    });
}

/// Ids and titles of all checks.
fn checks() -> BTreeMap<String, String> {
    let report = report(&Home::new().doctor("", "--json"));
    let checks = report["checks"].as_array().expect("checks").iter();
    let text = |check: &Value, name: &str| check[name].as_str().expect("text").to_owned();
    checks.map(|check| (text(check, "id"), text(check, "title"))).collect()
}

#[test]
fn every_check_has_a_case_with_the_fault_and_one_without() {
    let said = |wanted: fn(&str) -> bool| -> BTreeSet<_> {
        let all = CASES.iter().flat_map(|case| case.expected);
        all.filter(|(_, severity, _)| wanted(severity)).map(|(id, ..)| (*id).to_owned()).collect()
    };
    let ids: BTreeSet<_> = checks().into_keys().collect();
    assert_eq!(said(|severity| severity == "ok"), ids, "sound");
    assert_eq!(said(|severity| !matches!(severity, "ok" | "skipped")), ids, "faulty");
}

#[test]
fn the_page_says_what_each_check_means() {
    let page = include_str!("../../../docs/doctor.md");
    let mut lines = page.lines();
    let mut described = BTreeMap::new();
    while let Some(line) = lines.next() {
        if let Some(id) = line.strip_prefix("### `").and_then(|rest| rest.strip_suffix('`')) {
            let title = lines.by_ref().find(|line| !line.is_empty()).expect("a title");
            described.insert(id.to_owned(), title.trim_matches('*').trim_end_matches('.').to_owned());
        }
    }
    assert_eq!(described, checks());
}

#[test]
fn strict_fails_for_warnings_and_not_for_information() {
    let home = Home::new();
    let status = |setup: &str, arguments: &str| home.doctor(setup, arguments).status.code();
    let warned = "chmod 644 .claude/.credentials.json";
    assert_eq!(status(warned, ""), Some(0));
    assert_eq!(status(warned, "--strict"), Some(1));
    assert_eq!(status("chmod 600 .claude/.credentials.json; mkdir .claude/x.lock", "--strict"), Some(0));
}

#[test]
fn the_transcripts_are_what_is_printed() {
    if !is_root() {
        skip::skip("needs root for a mount");
        return;
    }
    let transcripts = [
        ("healthy", "", "-- sh"),
        (
            "old-lock",
            "mkdir .claude.lock; touch -d '1970-01-02' .claude.lock; chmod 644 .claude/.credentials.json",
            "",
        ),
        ("logged-out", ": > .claude/.credentials.json", ""),
        ("missing", "export HOME=$HOME/nobody", ""),
    ];
    let mut changed = Vec::new();
    for (name, setup, arguments) in transcripts {
        let home = Home::new();
        let output = home.doctor(setup, arguments);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let mut text = text.replace(home.path.to_str().expect("UTF-8"), "/home/me");
        // How /dev/shm is mounted, and where sh is, differ.
        for (start, end, plain) in [
            ("directory mount (", ")", "/srv/claude of tmpfs"),
            ("[ok] library     ", ",", "/usr/local/lib/liblockspan.so"),
            ("[ok] program     ", " ", "/usr/bin/sh"),
            ("touched for ", " s", "N"),
        ] {
            text = between(&text, start, end, plain);
        }
        let text = format!("$ {}\n{text}", format!("lockspan doctor {arguments}").trim_end());
        let path = format!("{}/../../docs/transcripts/doctor-{name}.txt", env!("CARGO_MANIFEST_DIR"));
        if std::fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            let now = format!("{}/doctor-{name}.txt", env!("CARGO_TARGET_TMPDIR"));
            std::fs::write(&now, &text).expect("room");
            changed.push(format!("cp {now} {path}"));
        }
    }
    assert!(changed.is_empty(), "if what is printed now is right:\n{}", changed.join("\n"));
}

/// Replaces what stands between two texts, where it is in one line.
fn between(text: &str, start: &str, end: &str, plain: &str) -> String {
    let Some((before, rest)) = text.split_once(start) else { return text.to_owned() };
    match rest.split_once(end) {
        Some((middle, after)) if !middle.contains('\n') => format!("{before}{start}{plain}{end}{after}"),
        _ => text.to_owned(),
    }
}
