//! The pair of tokens in a credentials file, as far as it has to be known which of two is the newer.
//!
//! A token itself never leaves the text that it is in: of the refresh token only a hash is kept, to tell whether
//! it is the same one.

use crate::hash::{START, hash};
use crate::text::{parse_number, trim_start};

/// Which pair a process has seen: never 0, so that this may stand for none.
pub type Generation = u64;

/// The generation of a file without a pair.
const BLANK: Generation = 1;

/// What a credentials file says of its login.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pair {
    /// A hash of the refresh token, or of the access token where that is all there is.
    token: Generation,
    /// When the access token expires, in milliseconds since the epoch.
    expires: u64,
}

/// Reads the pair of a credentials file; `None` if it has none: logged out, or no such file at all.
pub fn pair(credentials: &[u8]) -> Option<Pair> {
    let login = member(credentials, b"claudeAiOauth")?;
    let token = |name| member(login, name)?.strip_prefix(b"\"")?.strip_suffix(b"\"");
    // An empty refresh token is what clients write to log out, whatever else they leave.
    let token = token(b"refreshToken").or_else(|| token(b"accessToken")).filter(|token| !token.is_empty())?;
    let expires = member(login, b"expiresAt").map_or(0, milliseconds);
    Some(Pair { token: fingerprint(token), expires })
}

/// A time as JSON has it, without its fraction. What is no such number counts as late: in doubt nothing is refused.
fn milliseconds(number: &[u8]) -> u64 {
    let whole = number.split(|&byte| byte == b'.').next().unwrap_or_default();
    let plain = number.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    parse_number(whole).filter(|_| plain).unwrap_or(u64::MAX)
}

/// The generation of what a credentials file holds.
pub fn generation(pair: Option<Pair>) -> Generation {
    pair.map_or(BLANK, |pair| pair.token)
}

/// Whether a process may put `new` in the place of `present`, having last seen `seen`, if anything.
///
/// One that has seen what is there may do what it likes, log out included. One that has not is about to undo
/// somebody else's refresh, unless what it brings is newer all the same, as after a login, or the same.
pub fn may_replace(seen: Option<Generation>, present: Option<Pair>, new: Option<Pair>) -> bool {
    let (Some(seen), Some(present)) = (seen, present) else { return true };
    seen == present.token
        || new.is_some_and(|new| new.token == present.token || new.expires > present.expires)
}

/// Whether a text is one JSON object or array from its first byte to its last, as far as its brackets and quotes tell.
pub fn is_whole(text: &[u8]) -> bool {
    let text = trim_start(text);
    matches!(text.first(), Some(b'{' | b'['))
        && value(text).is_some_and(|(_, after)| trim_start(after).is_empty())
}

/// Tells one text from another: FNV-1a, but for the values that mean something else.
pub fn fingerprint(bytes: &[u8]) -> Generation {
    hash(START, bytes).max(BLANK + 1)
}

/// The value of a member of a JSON object, as text. `None` if there is none, or before it something that is no
/// JSON.
fn member<'a>(object: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = trim_start(object).strip_prefix(b"{")?;
    loop {
        let (found, after) = value(trim_start(rest))?;
        let (text, after) = value(trim_start(trim_start(after).strip_prefix(b":")?))?;
        if found.strip_prefix(b"\"").and_then(|found| found.strip_suffix(b"\"")) == Some(name) {
            return Some(text);
        }
        rest = trim_start(after).strip_prefix(b",")?;
    }
}

/// Splits a JSON value off the start of a text.
fn value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut depth, mut quoted, mut escaped) = (0u32, false, false);
    for (index, &byte) in text.iter().enumerate() {
        let ends = match byte {
            _ if escaped => {
                escaped = false;
                false
            }
            b'\\' if quoted => {
                escaped = true;
                false
            }
            b'"' => {
                quoted = !quoted;
                !quoted && depth == 0
            }
            _ if quoted => false,
            b'{' | b'[' => {
                depth = depth.checked_add(1)?;
                false
            }
            b'}' | b']' if depth > 0 => {
                depth -= 1;
                depth == 0
            }
            // A number or a word has no end of its own.
            b',' | b'}' | b']' | b':' if depth == 0 => return text.split_at_checked(index),
            b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return text.split_at_checked(index),
            _ => false,
        };
        if ends {
            return text.split_at_checked(index + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::format;

    use super::*;

    fn credentials(token: &str, expires: u64) -> Option<Pair> {
        let text = format!(
            r#"{{ "mcpOAuth": {{"x": {{"refreshToken": "other", "a": [1, "}}\"]"]}}}},
              "claudeAiOauth":{{"accessToken":"a\"b","refreshToken":"{token}","expiresAt":{expires},"scopes":["s"]}}}}"#
        );
        pair(text.as_bytes())
    }

    #[test]
    fn the_login_is_found_among_others() {
        let found = credentials("t", 17).expect("a pair");
        assert_eq!(found, Pair { token: fingerprint(b"t"), expires: 17 });
        assert_eq!(credentials("", 17), None, "blank");
        let alone = br#"{"claudeAiOauth":{"accessToken":"a","refreshToken":null,"expiresAt":17}}"#;
        assert_eq!(
            pair(alone),
            Some(Pair { token: fingerprint(b"a"), expires: 17 }),
            "an access token alone"
        );
        for (number, expires) in [("17.9", 17), ("1e3", u64::MAX), ("null", u64::MAX), ("-1", u64::MAX)] {
            let text = format!(r#"{{"claudeAiOauth":{{"expiresAt":{number},"refreshToken":"t"}}}}"#);
            assert_eq!(pair(text.as_bytes()).map(|pair| pair.expires), Some(expires), "{number}");
        }
        for none in [
            "",
            "{}",
            "{",
            "null",
            r#"{"claudeAiOauth":null}"#,
            r#"{"claudeAiOauth":{"refreshToken":null}}"#,
            r#"{"claudeAiOauth":{"refreshToken":"t"#,
            r#"{"mcpOAuth":{"refreshToken":"t","expiresAt":1}}"#,
        ] {
            assert_eq!(pair(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn what_is_half_written_is_no_whole_text() {
        let text = br#" {"a": "}", "b": [1, {"c": "\\"}]} "#;
        assert!(is_whole(text) && is_whole(b"{}"));
        let end = text.len() - 2;
        assert!((0..end).all(|length| !is_whole(&text[..length])));
        assert!(!is_whole(b"{} {}") && !is_whole(b"null") && !is_whole(b""));
    }

    #[test]
    fn only_a_stale_process_is_refused_and_only_what_is_older() {
        let (old, present, newer, blank) =
            (credentials("old", 1), credentials("present", 2), credentials("newer", 3), None);
        let seen = |pair| Some(generation(pair));
        // Up to date: a refresh, a log-out, even an older pair.
        for new in [newer, blank, old] {
            assert!(may_replace(seen(present), present, new));
        }
        assert!(!may_replace(seen(old), present, blank), "blanks a pair that it has not seen");
        assert!(!may_replace(seen(old), present, old), "rolls back");
        assert!(!may_replace(seen(old), present, credentials("other", 2)), "no newer");
        assert!(may_replace(seen(old), present, newer), "a login");
        assert!(may_replace(seen(old), present, present), "another member of the file was changed");
        assert!(may_replace(None, present, blank), "nothing is known of what it has seen");
        assert!(may_replace(seen(old), blank, old), "there is nothing to lose");
        assert!(!may_replace(seen(blank), present, blank), "has seen nobody log in");
    }
}
