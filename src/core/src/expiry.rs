//! Whether the token in a JSON file is about to expire, for clients whose files are not Claude Code's.

use crate::text::{parse_number, trim_start};

/// How long before its end a token counts as expired, since clients refresh early. Milliseconds.
const MARGIN: u64 = 300_000;

/// Numbers below are seconds since the epoch, others milliseconds: this many seconds are the year 5138.
const SECONDS: u64 = 100_000_000_000;

/// Whether the time in the first member of this name has come, or nearly so, at `now`, in milliseconds since the
/// epoch. What has no such number does not expire.
pub fn is_expired(text: &[u8], member: &[u8], now: u64) -> bool {
    let mut rest = text;
    while let Some(quote) = rest.iter().position(|&byte| byte == b'"') {
        rest = rest.get(quote + 1..).unwrap_or_default();
        if let Some(value) = rest.strip_prefix(member).and_then(|rest| rest.strip_prefix(b"\""))
            && let Some(value) = trim_start(value).strip_prefix(b":")
        {
            return time(trim_start(value)).is_some_and(|time| time <= now.saturating_add(MARGIN));
        }
    }
    false
}

/// A number at the start of a text, without its fraction, in milliseconds.
fn time(text: &[u8]) -> Option<u64> {
    let digits = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let number = parse_number(text.get(..digits)?)?;
    Some(if number < SECONDS { number * 1000 } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_has_come() {
        let now = 1_700_000_000_000;
        for (text, expired) in [
            (r#"{"expires_at": 1699999999}"#, true),
            (r#"{"expires_at" :1700000299.5}"#, true),
            (r#"{"expires_at":1700000301}"#, false),
            (r#"{"a":{"expires_at":1699999999999}}"#, true),
            (r#"{"a":"expires_at","expires_at":1800000000000}"#, false),
            (r#"{"a":"expires_at","expires_at":1600000000000}"#, true),
            (r#"{"not_expires_at":1}"#, false),
            (r#"{"expires_at":"2020-01-01"}"#, false),
            (r#"{"expires_at":99999999999999999999999}"#, false),
            ("", false),
            (r#"{"expires_at""#, false),
        ] {
            assert_eq!(is_expired(text.as_bytes(), b"expires_at", now), expired, "{text}");
        }
    }
}
