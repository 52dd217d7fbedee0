//! `lockspan env`.

use std::fs;

use serde_json::Value;

use crate::home::Home;

/// A line that sets every secret, and names the home in a path list.
const SET: &str = "export USER=ann LD_PRELOAD=$HOME/none.so:/srv/ann/none.so ANTHROPIC_API_KEY=made-up-1 \
                   ANTHROPIC_AUTH_TOKEN=made-up-2 CLAUDE_CODE_OAUTH_TOKEN=made-up-3;";

#[test]
fn secrets_are_never_shown_and_names_on_request_not_either() {
    let home = Home::with_login();
    for arguments in ["", "--json", "--redact", "--redact --json"] {
        let shown = home.output(&format!("{SET} lockspan env {arguments} 2>&-"));
        assert!(!shown.contains("made-up"), "{shown}");
        let names = shown.contains("/ann/") || shown.contains(&*home.path().to_string_lossy());
        assert_eq!(names, !arguments.contains("--redact"), "{shown}");
        if arguments.contains("--json") {
            let report: Value = serde_json::from_str(&shown).expect("JSON");
            assert_eq!(report["schema_version"], 1);
            assert_eq!(report["variables"]["ANTHROPIC_API_KEY"], "set, not shown");
            assert_eq!(report["variables"]["LOCKSPAN_MODE"], Value::Null);
        }
    }
}

#[test]
fn the_machine_is_described_as_other_tools_describe_it() {
    let home = Home::with_login();
    // Installed, with some other library in the place of ours.
    for directory in ["bin", "lib"] {
        fs::create_dir(home.shared().join(directory)).expect("a directory");
    }
    fs::copy(env!("CARGO_BIN_EXE_lockspan"), home.shared().join("bin/lockspan")).expect("room for a copy");
    fs::copy("/bin/true", home.shared().join("lib/liblockspan.so")).expect("room for a copy");
    let report: Value = serde_json::from_str(&home.output("$SHARED/bin/lockspan env --json")).expect("JSON");
    let said_by = |line: &str| home.output(line).trim().to_owned();
    assert_eq!(report["kernel"], said_by("uname -sr"));
    assert_eq!(report["architecture"], said_by("uname -m"));
    assert_eq!(report["library"]["sha256"], said_by("sha256sum < /bin/true | cut -d ' ' -f 1"));
    assert_eq!(report["layout"]["filesystem"], said_by("findmnt -nro FSTYPE -T ~/.claude"));
    assert_eq!(report["layout"]["mount_point"], said_by("findmnt -nro TARGET -T ~/.claude"));
    assert_eq!(report["config_directory"], said_by("realpath ~/.claude"));
    let without: Value =
        serde_json::from_str(&home.output("rm -r ~/.claude; lockspan env --json")).expect("JSON");
    assert!(without["config_directory"]["error"].as_str().expect("why").contains("no config directory at"));
}
