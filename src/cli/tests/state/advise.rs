//! `lockspan advise`.

use serde_json::Value;

use crate::home::Home;
use crate::transcript::Transcript;

#[test]
fn transcript_of_every_layout() {
    let home = Home::with_login();
    if !home.can_mount() {
        return;
    }
    home.output("cp -r ~/.claude $SHARED/claude");
    let mut transcript = Transcript::new(&home);
    let mut mounted = |note: &str, from: &str, to: &str, line: &str| {
        transcript.note(note);
        transcript.line_in(&format!("unshare -m sh -c 'mount --bind {from} {to} && {line}'"), line);
    };
    let file = ".credentials.json";
    mounted(
        "Only the file is shared.",
        &format!("$SHARED/claude/{file}"),
        &format!("~/.claude/{file}"),
        "lockspan advise",
    );
    mounted("The config directory is.", "$SHARED/claude", "~/.claude", "lockspan advise --interactive");
    mounted(
        "A mount beside the home is, and the config directory lies in it.",
        "$SHARED",
        "$SHARED",
        "CLAUDE_CONFIG_DIR=$SHARED/claude lockspan advise --interactive",
    );
    mounted("The whole home is.", "~", "~", "cd; lockspan advise --batch");
    transcript.note("Something else than a login is used.");
    transcript.line("ANTHROPIC_API_KEY=made-up lockspan advise");
    transcript.line("CLAUDE_CODE_OAUTH_TOKEN=made-up lockspan advise");
    transcript.is("advise.txt");
}

#[test]
fn the_client_is_looked_at_and_not_started() {
    let home = Home::with_login();
    home.output(
        "mkdir -p pkg bin; echo '{\"version\":\"2.1.329\"}' > pkg/package.json; \
         printf '#!/bin/sh\\ntouch ~/started\\n' > pkg/claude; chmod +x pkg/claude; ln -s ../pkg/claude bin/claude",
    );
    let report: Value =
        serde_json::from_str(&home.output("PATH=~/bin:$PATH lockspan advise --json --batch")).expect("JSON");
    assert_eq!(report["facts"]["client"], "2.1.329");
    assert_eq!(report["facts"]["usage"], "batch");
    assert!(!home.path().join("started").exists());
    assert!(home.refusal("lockspan advise --batch --interactive", 2).contains("cannot be used with"));
    home.output("echo '{\"apiKeyHelper\":\"touch ~/started\"}' > ~/.claude/settings.json");
    assert!(home.output("lockspan advise").contains("apiKeyHelper is used"));
    assert!(!home.path().join("started").exists());
}
