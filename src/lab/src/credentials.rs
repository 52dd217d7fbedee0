//! The credentials file: what a scenario puts there, and what it finds at the end.
//!
//! Only made-up tokens are ever written; none is ever printed.

use std::ops::Range;

use serde::Serialize;
use serde_json::{Value, json};

use crate::server::tokens::{Pair, Standing, TokenFamily};

/// The name of Claude Code's file in its config directory.
pub const FILE_NAME: &str = ".credentials.json";

/// Whose login a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// Claude Code's.
    Claude,
    /// That of the models of other programs.
    Tool,
}

impl Login {
    /// The directory below the home directory.
    pub fn directory(self) -> &'static str {
        match self {
            Self::Claude => ".claude",
            Self::Tool => ".tool",
        }
    }

    /// The name of the file in it.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Claude => FILE_NAME,
            Self::Tool => "auth.json",
        }
    }

    /// The names of the locks in the directory and beside it.
    pub fn locks(self) -> [&'static str; 2] {
        match self {
            Self::Claude => [".oauth_refresh.lock", ".claude.lock"],
            Self::Tool => ["auth.json.lock", ".tool.lock"],
        }
    }

    /// A file with an expired access token and an unused refresh token.
    pub fn expired(self, pair: &Pair) -> String {
        self.file(pair, EXPIRED)
    }

    /// A file with tokens that work.
    pub fn fresh(self, pair: &Pair) -> String {
        self.file(pair, FUTURE)
    }

    fn file(self, pair: &Pair, expires: u64) -> String {
        match self {
            Self::Claude => json!({
                "claudeAiOauth": {
                    "accessToken": pair.access,
                    "refreshToken": pair.refresh,
                    "expiresAt": expires,
                    "scopes": ["user:inference", "user:profile", "user:sessions:claude_code"],
                    "subscriptionType": "max",
                    "rateLimitTier": "default_claude_max_20x",
                }
            }),
            Self::Tool => json!({
                "access_token": pair.access,
                "refresh_token": pair.refresh,
                "expires_at": expires / 1000,
            }),
        }
        .to_string()
    }

    /// Where a file has its access token and its refresh token.
    fn pointers(self) -> [&'static str; 2] {
        match self {
            Self::Claude => ["/claudeAiOauth/accessToken", "/claudeAiOauth/refreshToken"],
            Self::Tool => ["/access_token", "/refresh_token"],
        }
    }
}

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

/// Where Claude Code's file says when its access token expires: the digits.
pub fn expiry(content: &[u8]) -> Option<Range<usize>> {
    const NAME: &[u8] = b"\"expiresAt\":";
    let after = content.windows(NAME.len()).position(|window| window == NAME)? + NAME.len();
    let start = after + content[after..].iter().position(|byte| *byte != b' ')?;
    let length = content[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    (length > 0).then(|| start..start + length)
}

/// Judges the content of the file against the server's tokens.
pub fn judge(login: Login, content: Option<&str>, family: &TokenFamily) -> Found {
    let Some(content) = content else {
        return Found::Missing;
    };
    if content.trim().is_empty() {
        return Found::Blank;
    }
    let Ok(value) = serde_json::from_str::<Value>(content) else {
        return Found::Damaged;
    };
    let [access, refresh] =
        login.pointers().map(|pointer| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default());
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
        for login in [Login::Claude, Login::Tool] {
            let mut family = TokenFamily::new(Strictness::Strict);
            let judge = |content: &str, family: &TokenFamily| judge(login, Some(content), family);
            let first = family.first().clone();
            let start = login.expired(&first);
            assert_eq!(judge(&start, &family), Found::Good);
            let second = family.rotate(&first.refresh).ok();
            assert_eq!(judge(&start, &family), Found::Stale);
            let newest = login.expired(&second.unwrap_or(first.clone()));
            assert_eq!(judge(&newest, &family), Found::Good);
            assert!(family.rotate(&first.refresh).is_err());
            assert_eq!(judge(&newest, &family), Found::Revoked);
            for blank in ["", "{}", r#"{"claudeAiOauth":{"accessToken":"","refreshToken":""}}"#] {
                assert_eq!(judge(blank, &family), Found::Blank);
            }
            assert_eq!(judge("{", &family), Found::Damaged);
            assert_eq!(super::judge(login, None, &family), Found::Missing);
        }
    }

    #[test]
    fn the_expiry_is_found() {
        let family = TokenFamily::new(Strictness::Strict);
        for content in [Login::Claude.expired(family.first()), r#"{"expiresAt": 1700000000000}"#.to_owned()] {
            let digits = expiry(content.as_bytes()).unwrap_or_default();
            assert_eq!(content[digits], EXPIRED.to_string());
        }
        assert_eq!(expiry(b"{\"expiresAt\":null}"), None);
        assert_eq!(expiry(b""), None);
    }
}
