//! The decision table, as a function of facts. docs/layouts.md has it in words.

use serde::Serialize;

use crate::client::{Instead, SETUP_TOKEN, Version};
use crate::layout::{Kind, Layout};

/// The first version of which every later one takes a lock inside the config directory.
const LOCKS_INSIDE: Version = Version(2, 1, 143);

/// Who uses the clients.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum Usage {
    Batch,
    Interactive,
}

#[derive(Serialize)]
pub struct Facts {
    pub instead: Option<Instead>,
    /// As the flags say.
    pub usage: Option<Usage>,
    /// Null without a config directory, or where the kernel does not tell.
    pub layout: Option<Layout>,
    /// Of the client in PATH.
    pub client: Option<Version>,
}

#[derive(Serialize, Debug)]
pub struct Advice {
    /// For whom, where that is not known.
    pub when: Option<Usage>,
    #[serde(rename = "advice")]
    pub what: String,
    pub because: String,
}

/// What to do, the best first.
pub fn decide(facts: &Facts) -> Vec<Advice> {
    let mut list = Vec::new();
    let mut say = |when, what: &str, because: &str| {
        list.push(Advice { when, what: what.into(), because: because.into() });
    };
    match facts.instead {
        Some(Instead::Key(name)) => {
            let because = format!("{name} is used, not a login, so that nothing is refreshed");
            say(None, "you do not need lockspan", &because);
            return list;
        }
        Some(Instead::SetupToken) => {
            let because = format!("{SETUP_TOKEN} is set: such a token is never refreshed");
            say(None, "you do not need lockspan for the login", &because);
            let because = "the server makes parallel runs by one token slow";
            say(None, "one setup-token for each of several parallel runs", because);
            return list;
        }
        None => {}
    }
    // Where the use is known the advice is for that use alone, and does not say so.
    let when = |usage| if facts.usage.is_none() { Some(usage) } else { None };
    if facts.usage != Some(Usage::Interactive) {
        let what = format!("claude setup-token, one for each job, in {SETUP_TOKEN}; or an API key");
        say(when(Usage::Batch), &what, "neither is ever refreshed, so that no login can be lost");
    }
    if facts.usage != Some(Usage::Batch) {
        let what = "a login of its own for each container, where you may log in once in each";
        say(when(Usage::Interactive), what, "what is not shared needs no lock");
    }
    let (what, because) = for_layout(facts);
    say(None, &what, because);
    list
}

/// What to do where one login is to be shared.
fn for_layout(facts: &Facts) -> (String, &'static str) {
    const INIT: &str = "lockspan init --shared DIR, DIR being a mount beside the home, in every container";
    const LIBRARY: &str = "LD_PRELOAD=/usr/local/lib/liblockspan.so in every container";
    let takes_lock_inside = facts.client.is_some_and(|version| version >= LOCKS_INSIDE);
    match facts.layout.as_ref().map(|layout| layout.kind) {
        None => (
            format!("to share one login: {INIT}"),
            "there is no config directory yet, and below a mount the client's own lock works for every version",
        ),
        Some(Kind::Unmounted) => (
            format!("to share one login with containers: {INIT}; as it is you need nothing"),
            "the config directory is no mount, so that it is shared by processes here alone, whose lock works",
        ),
        Some(Kind::Below) => (
            format!("keep the layout; {LIBRARY} if clients may be killed"),
            "the client's own lock lies in the mount, for every version; only a killed holder is waited for",
        ),
        Some(Kind::Home) => (
            format!("keep it if this is one machine's home; for containers {INIT}"),
            "with the parent directory mounted they share everything in it, not the login alone",
        ),
        Some(Kind::Directory) if takes_lock_inside => (
            format!(
                "{INIT}, or {LIBRARY}, unless all clients are 2.1.143 or later and nobody is ever killed"
            ),
            "the client installed here takes a lock inside the directory, but a killed holder is waited for up to 60 s",
        ),
        Some(Kind::Directory) => (
            format!("{INIT}; or {LIBRARY}"),
            "old clients make their lock beside the config directory, where each container has its own",
        ),
        Some(Kind::File) => (
            format!("{INIT}; until then {LIBRARY}"),
            "of a file mount nothing but the file is shared, so that no client's lock excludes another container",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::tests::mount;

    fn facts(kind: Option<Kind>) -> Facts {
        let layout = kind.map(|kind| Layout { kind, mount: mount() });
        Facts { instead: None, usage: None, layout, client: None }
    }

    fn said(facts: &Facts) -> Vec<(Option<Usage>, String)> {
        decide(facts).into_iter().map(|advice| (advice.when, advice.what)).collect()
    }

    #[test]
    fn a_key_or_a_token_needs_nothing_whatever_the_layout() {
        let of = |instead| said(&Facts { instead: Some(instead), ..facts(Some(Kind::File)) });
        assert_eq!(of(Instead::Key("ANTHROPIC_API_KEY")), [(None, "you do not need lockspan".to_owned())]);
        assert_eq!(of(Instead::SetupToken).len(), 2);
    }

    #[test]
    fn what_is_not_known_is_answered_for_both() {
        let both = said(&facts(Some(Kind::Unmounted)));
        let whens: Vec<_> = both.iter().map(|(when, _)| *when).collect();
        assert_eq!(whens, [Some(Usage::Batch), Some(Usage::Interactive), None]);
        for usage in [Usage::Batch, Usage::Interactive] {
            let one = said(&Facts { usage: Some(usage), ..facts(Some(Kind::Unmounted)) });
            assert_eq!(one.len(), 2);
            assert!(one.iter().all(|(when, _)| when.is_none()));
        }
    }

    #[test]
    fn each_layout_has_its_advice() {
        let last = |facts: &Facts| said(facts).pop().expect("advice").1;
        let of = |kind| last(&facts(Some(kind)));
        assert!(of(Kind::Below).starts_with("keep the layout"));
        assert!(of(Kind::Unmounted).ends_with("as it is you need nothing"));
        assert!(of(Kind::File).contains("until then LD_PRELOAD"));
        assert!(of(Kind::Directory).starts_with("lockspan init"));
        assert!(last(&facts(None)).starts_with("to share one login: lockspan init"));
        let new = Facts { client: Some(Version(2, 1, 329)), ..facts(Some(Kind::Directory)) };
        assert!(last(&new).contains("unless all clients are 2.1.143 or later"));
        let old = Facts { client: Some(Version(2, 1, 131)), ..facts(Some(Kind::Directory)) };
        assert!(!last(&old).contains("unless"));
        let parent = decide(&facts(Some(Kind::Home))).pop().expect("advice");
        assert!(parent.because.contains("parent directory"));
    }
}
