//! The time at which a token expires, in files whose form is not known.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lockspan_core::expiry::is_expired;
use serde_json::Value;

fuzz_target!(|input: (u64, &[u8])| {
    const NAME: &str = "expires_at";
    let (now, text) = input;
    let expired = is_expired(text, NAME.as_bytes(), now);
    // What has expired stays so.
    assert!(!expired || is_expired(text, NAME.as_bytes(), u64::MAX));
    let Ok(Value::Object(object)) = serde_json::from_slice(text) else { return };
    let is_plain =
        object.values().all(|value| !value.is_object() && !value.is_array()) && !text.contains(&b'\\');
    if !is_plain || text.windows(NAME.len()).filter(|window| *window == NAME.as_bytes()).count() > 1 {
        return;
    }
    match object.get(NAME) {
        None | Some(Value::Null | Value::Bool(_) | Value::String(_)) => assert!(!expired),
        Some(Value::Number(number)) => {
            let time = number.as_u64().map(|time| if time < 100_000_000_000 { time * 1000 } else { time });
            // Fractions, and what only other clients could write, are for the unit tests.
            let expected = time.map(|time| time <= now.saturating_add(300_000));
            assert!(expected.is_none_or(|expected| expected == expired), "{number}");
        }
        Some(_) => {}
    }
});
