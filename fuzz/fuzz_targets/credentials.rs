//! The pair of tokens in a credentials file: of what is JSON, the pair that another reader finds; of what is cut short,
//! that it is.
#![no_main]

use std::fmt;

use libfuzzer_sys::fuzz_target;
use lockspan_core::pair::{generation, is_whole, may_replace, pair};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

fuzz_target!(|text: &[u8]| {
    let found = pair(text);
    // Who has seen what is there, or brings it, is never refused.
    assert!(may_replace(Some(generation(found)), found, None));
    assert!(may_replace(Some(0), found, found));
    let Ok(json) = serde_json::from_slice::<&RawValue>(text).map(RawValue::get) else { return };
    let is_structure = json.starts_with(['{', '[']);
    assert_eq!(is_whole(text), is_structure);
    let end = text.trim_ascii_end().len();
    for length in [end / 4, end / 2, end - 1] {
        assert!(!is_whole(&text[..length]), "{length}");
    }
    let expected = plain(json).and_then(|plain| pair(plain.as_bytes()));
    assert_eq!(found, expected);
});

/// The login with nothing about it; `None` if there is none.
fn plain(json: &str) -> Option<String> {
    let login = member(json, "claudeAiOauth")?;
    let string = |name| member(login, name).filter(|value| value.starts_with('"'));
    let token = string("refreshToken").or_else(|| string("accessToken")).filter(|token| *token != "\"\"")?;
    let expires = member(login, "expiresAt").unwrap_or("0");
    Some(format!(r#"{{"claudeAiOauth":{{"refreshToken":{token},"expiresAt":{expires}}}}}"#))
}

/// The first member of this name, which is written without escapes, in the text of an object.
fn member<'a>(json: &'a str, name: &'a str) -> Option<&'a str> {
    serde_json::Deserializer::from_str(json).deserialize_map(Member(name)).ok()?
}

struct Member<'a>(&'a str);

impl<'a> Visitor<'a> for Member<'a> {
    type Value = Option<&'a str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<Option<&'a str>, M::Error> {
        let mut found = None;
        while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            let is_named = key.get().strip_prefix('"').and_then(|key| key.strip_suffix('"')) == Some(self.0);
            found = found.or(is_named.then(|| value.get()));
        }
        Ok(found)
    }
}
