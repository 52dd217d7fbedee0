//! The credentials file: what a scenario puts there, and what it finds at the end.
//!
//! Only made-up tokens are ever written; none is ever printed.

use std::ops::Range;

use serde::Serialize;
use serde_json::{Value, json};

use crate::server::tokens::{Pair, Standing, TokenFamily};

/// The name of the file in the config directory.
pub const FILE_NAME: &str = ".credentials.json";

/// What is on disk when a scenario ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// The newest pair, which works.
    Good,
    /// A pair that was replaced.
    Stale,
    /// A pair of a revoked family.
    Revoked,
    /// An empty file, or empty or missing tokens.
    Blank,
    /// Not JSON, or tokens that nobody issued.
    Damaged,
    /// No file.
    Missing,
}

impl Found {
    /// For tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Stale => "stale",
            Self::Revoked => "revoked",
            Self::Blank => "blank",
            Self::Damaged => "damaged",
            Self::Missing => "missing",
        }
    }
}

/// A time in milliseconds that is long over.
pub const EXPIRED: u64 = 1_700_000_000_000;
/// One that is not to come while a scenario lasts: in the year 2100.
const FUTURE: u64 = 4_102_444_800_000;

/// A file with an expired access token and an unused refresh token.
pub fn expired(pair: &Pair) -> String {
    file(pair, EXPIRED)
}

/// A file with tokens that work.
pub fn fresh(pair: &Pair) -> String {
    file(pair, FUTURE)
}

fn file(pair: &Pair, expires: u64) -> String {
    json!({
        "claudeAiOauth": {
            "accessToken": pair.access,
            "refreshToken": pair.refresh,
            "expiresAt": expires,
            "scopes": ["user:inference", "user:profile", "user:sessions:claude_code"],
            "subscriptionType": "max",
            "rateLimitTier": "default_claude_max_20x",
        }
    })
    .to_string()
}

/// Where a file says when its access token expires: the digits.
pub fn expiry(content: &[u8]) -> Option<Range<usize>> {
    const NAME: &[u8] = b"\"expiresAt\":";
    let after = content.windows(NAME.len()).position(|window| window == NAME)? + NAME.len();
    let start = after + content[after..].iter().position(|byte| *byte != b' ')?;
    let length = content[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    (length > 0).then(|| start..start + length)
}

/// Judges the content of the file against the server's tokens.
pub fn judge(content: Option<&str>, family: &TokenFamily) -> Found {
    let Some(content) = content else {
        return Found::Missing;
    };
    if content.trim().is_empty() {
        return Found::Blank;
    }
    let Ok(value) = serde_json::from_str::<Value>(content) else {
        return Found::Damaged;
    };
    let token = |name: &str| {
        value.pointer(&format!("/claudeAiOauth/{name}")).and_then(Value::as_str).unwrap_or_default()
    };
    let (access, refresh) = (token("accessToken"), token("refreshToken"));
    if access.is_empty() || refresh.is_empty() {
        return Found::Blank;
    }
    match family.standing(access, refresh) {
        Standing::Current => Found::Good,
        Standing::Stale => Found::Stale,
        Standing::Revoked => Found::Revoked,
        Standing::Unknown => Found::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::tokens::Strictness;

    #[test]
    fn each_state_is_told_apart() {
        let mut family = TokenFamily::new(Strictness::Strict);
        let first = family.first().clone();
        let start = expired(&first);
        assert_eq!(judge(Some(&start), &family), Found::Good);
        let second = family.rotate(&first.refresh).ok();
        assert_eq!(judge(Some(&start), &family), Found::Stale);
        let newest = expired(&second.unwrap_or(first.clone()));
        assert_eq!(judge(Some(&newest), &family), Found::Good);
        assert!(family.rotate(&first.refresh).is_err());
        assert_eq!(judge(Some(&newest), &family), Found::Revoked);
        assert_eq!(judge(Some(""), &family), Found::Blank);
        assert_eq!(
            judge(Some(r#"{"claudeAiOauth":{"accessToken":"","refreshToken":""}}"#), &family),
            Found::Blank
        );
        assert_eq!(judge(Some("{"), &family), Found::Damaged);
        assert_eq!(judge(None, &family), Found::Missing);
    }

    #[test]
    fn the_expiry_is_found() {
        let family = TokenFamily::new(Strictness::Strict);
        for content in [expired(family.first()), r#"{"expiresAt": 1700000000000}"#.to_owned()] {
            let digits = expiry(content.as_bytes()).unwrap_or_default();
            assert_eq!(content[digits], EXPIRED.to_string());
        }
        assert_eq!(expiry(b"{\"expiresAt\":null}"), None);
        assert_eq!(expiry(b""), None);
    }
}
