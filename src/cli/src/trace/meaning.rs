//! What each event means, as a sentence for people.
//!
//! A test reads the library's source: an event that is not in this table fails it.

/// Event, detail, sentence.
type Row = (&'static str, &'static str, &'static str);

/// Every event of the library.
const MEANINGS: &[Row] = &[
    (
        "taken",
        "redirected",
        "It has the lock, as two directories: the shared one in the config directory and the one beside it.",
    ),
    ("taken", "in-place", "It has the lock, in the config directory."),
    (
        "taken",
        "file-lock",
        "It locked the file beside a store, and with it the store, which is all that is shared.",
    ),
    ("taken-from-dead", "redirected", "It has the lock; the holder before it died without giving it back."),
    ("taken-from-dead", "in-place", "It has the lock; the holder before it died without giving it back."),
    (
        "nested",
        "",
        "It makes the lock beside the config directory while it holds the one inside; that counts as one.",
    ),
    ("released", "", "It gave the lock back."),
    ("released", "file-lock", "It unlocked the file beside a store, and with it the store."),
    (
        "blocked",
        "held",
        "A live process with the library holds the lock; the client was told that it exists.",
    ),
    ("blocked", "own-process", "This process holds the lock already; the client was told that it exists."),
    ("blocked", "held-elsewhere", "A process that shares only the credentials file holds the lock."),
    (
        "blocked",
        "foreign",
        "The lock is there, and nobody is proven to have left it: a client without the library may hold it.",
    ),
    (
        "blocked",
        "foreign-sibling",
        "A client without the library holds the lock beside the config directory.",
    ),
    (
        "blocked",
        "file-lock",
        "A process that shares only the store has locked it; the client was told that the file beside it is locked.",
    ),
    ("blocked", "refused", "The kernel refused to make the lock."),
    ("robbed", "", "It gave back a lock that was no longer its own; nothing of anybody else's was removed."),
    ("stale-removed", "", "It removed a lock that it calls stale."),
    (
        "stale-refused",
        "",
        "It wanted to remove a lock as stale, but nobody can call that lock stale any more; nothing was removed.",
    ),
    ("removed-by-other", "", "It removed a lock that another process had made."),
    (
        "heartbeat-refused",
        "robbed",
        "It wanted to refresh the lock's time, but the lock is no longer its own.",
    ),
    (
        "published",
        "in-place",
        "The new credentials were written into the credentials file, which is a mount and cannot be renamed onto.",
    ),
    (
        "published",
        "renamed",
        "The new credentials replaced the file as a whole; nobody found it empty or half written meanwhile.",
    ),
    (
        "write-dropped",
        "not-whole",
        "It began to write the credentials file and ended before the content was whole; the file is as it was.",
    ),
    (
        "publish-refused",
        "pair-older-than-present",
        "A write of credentials was dropped: they are older than those present, or blank, and the process had not seen those.",
    ),
    (
        "bypassed",
        "config-directory-not-writable",
        "The call went through unchanged: the config directory takes no lock, though the login can be stored.",
    ),
    (
        "bypassed",
        "locks-on-credentials-file-do-not-work",
        "The call went through unchanged: locks on the shared credentials file do not exclude each other here.",
    ),
    (
        "bypassed",
        "file-lock",
        "The store could not be locked in time, or not at all; only the lock on the file beside it was taken.",
    ),
    (
        "bypassed",
        "gate-waited-too-long",
        "It waited at the refresh gate for as long as it may, and reads the file as it is.",
    ),
    (
        "dangling",
        "mounted-file-was-replaced",
        "The credentials file that is mounted is not the host's any more, which was replaced by a rename: restart the container.",
    ),
    (
        "gate",
        "first",
        "It is the first to read the file since the token in it expired; the others wait until it has refreshed it.",
    ),
    (
        "gate-refused",
        "client-takes-a-lock",
        "The configuration gives a gate to a client that takes a lock; the gate is not used.",
    ),
    ("observed", "mkdir", "It makes a lock; nothing was changed, because the mode is observe."),
    ("observed", "rmdir", "It removes a lock; nothing was changed, because the mode is observe."),
    ("observed", "utimensat", "It sets a lock's times; nothing was changed, because the mode is observe."),
    ("observed", "stat", "It looks at a lock; nothing was changed, because the mode is observe."),
    (
        "patched",
        "raw-system-calls",
        "The program makes system calls by instructions of its own; the library has taken them over.",
    ),
    (
        "blind",
        "rmdir-without-mkdir",
        "It removes a lock that the library did not see it make: run `lockspan scan` on the program, unless it is rmdir(1).",
    ),
    (
        "blind",
        "vector-state-cannot-be-saved",
        "The program's own system calls are not reached, and no lock is served: the processor or the kernel has no XSAVE.",
    ),
    (
        "blind",
        "not-single-threaded",
        "The program's own system calls are not reached, and no lock is served: it had threads before its start.",
    ),
    (
        "blind",
        "program-differs-from-its-table",
        "The program's own system calls are not reached, and no lock is served: its code is not what the table says; run `lockspan scan` on it.",
    ),
    (
        "blind",
        "table-cannot-be-read",
        "The program's own system calls are not reached, and no lock is served: its table is there but cannot be read; look at its permissions.",
    ),
    (
        "blind",
        "table-damaged-or-of-another-build",
        "The program's own system calls are not reached, and no lock is served: its table is damaged; run `lockspan scan` on the program.",
    ),
    (
        "blind",
        "program-file-not-found",
        "The program's own system calls are not reached, and no lock is served: it was started through the loader, as `ld.so PROGRAM`.",
    ),
    (
        "blind",
        "no-room-for-stubs",
        "The program's own system calls are not reached, and no lock is served: no memory is free near its code.",
    ),
    (
        "blind",
        "memory-refused",
        "The program's own system calls are not reached, and no lock is served: the kernel refused executable memory.",
    ),
    ("inert", "LOCKSPAN_DISABLE", "The library does nothing: LOCKSPAN_DISABLE must be 0 or 1."),
    ("inert", "LOCKSPAN_MODE", "The library does nothing: LOCKSPAN_MODE must be redirect, observe or off."),
    ("inert", "LOCKSPAN_EVENTS", "The library does nothing: LOCKSPAN_EVENTS must be an absolute path."),
    ("inert", "LOCKSPAN_ROLLBACK", "The library does nothing: LOCKSPAN_ROLLBACK must be refuse or allow."),
    (
        "inert",
        "configuration",
        "The library does nothing: its configuration cannot be read or followed; `lockspan config check` says why.",
    ),
];

/// For an event of a library that is newer than this command.
const UNKNOWN: &str = "This version of lockspan does not know what that means.";

/// What an event means.
pub fn meaning(event: &str, detail: &str) -> &'static str {
    MEANINGS
        .iter()
        .find(|row| (row.0, row.1) == (event, detail))
        .map_or(UNKNOWN, |&(_, _, sentence)| sentence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    /// Words in the library's source that are no event's and no detail.
    const OTHER_WORDS: &[&str] = &["credentials", "store"];

    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The source of the library's files that record events, without comments and quotes that are
    /// escaped or characters.
    fn source() -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../preload/src");
        let mut source = String::new();
        for directory in [root.join("credentials"), root.join("raw"), root] {
            for entry in fs::read_dir(directory).expect("the library's source") {
                let path = entry.expect("an entry").path();
                if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = text(&path);
                    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                    if ["Event {", "events::", "record(\""].iter().any(|call| text.contains(call)) {
                        source.extend(code.flat_map(|line| [line, "\n"]));
                    }
                }
            }
        }
        // Each literal is looked at with the next one, the last one, too.
        source.replace("\\\"", "").replace("'\"'", "") + "\"\""
    }

    /// The string literals that are a word, or empty, each with the text between it and the next literal, and that.
    fn words(source: &str) -> Vec<[&str; 3]> {
        let parts: Vec<&str> = source.split('"').collect();
        let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        let literals = parts.windows(3).skip(1).step_by(2);
        literals.map(|window| [window[0], window[1], window[2]]).filter(|[word, ..]| is_word(word)).collect()
    }

    #[test]
    fn every_event_of_the_library_has_a_meaning() {
        let source = source();
        let words = words(&source);
        let known: BTreeSet<&str> = MEANINGS.iter().flat_map(|row| [row.0, row.1]).collect();
        for [word, between, next] in &words {
            assert!(known.contains(word) || OTHER_WORDS.contains(word), "{word} is not in the table");
            let is_event = MEANINGS.iter().any(|row| row.0 == *word);
            if is_event && *between == ", " {
                assert_ne!(meaning(word, next), UNKNOWN, "{word} with {next}");
            }
        }
        let found: BTreeSet<&str> = words.iter().map(|[word, ..]| *word).collect();
        for (event, detail, _) in MEANINGS {
            assert!(found.contains(event), "{event} is in the table, but no event of the library");
            assert!(*event == "inert" || found.contains(detail), "{detail} is in the table, but in no event");
        }
    }

    #[test]
    fn every_setting_that_makes_the_library_inert_has_a_meaning() {
        let settings = text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src/settings.rs"));
        let variables: Vec<&str> = settings
            .split("CStr = c\"")
            .skip(1)
            .map(|rest| rest.split('"').next().expect("the end of a literal"))
            .collect();
        assert!(variables.len() >= 4, "{variables:?}");
        for variable in variables {
            assert_ne!(meaning("inert", variable), UNKNOWN, "{variable}");
        }
    }

    #[test]
    fn meanings_are_sentences_and_said_once() {
        let pairs: BTreeSet<_> = MEANINGS.iter().map(|row| (row.0, row.1)).collect();
        assert_eq!(pairs.len(), MEANINGS.len());
        for (event, _, sentence) in MEANINGS {
            assert!(sentence.ends_with('.'), "{event}");
        }
        assert_eq!(meaning("abducted", "by-aliens"), UNKNOWN);
    }
}
