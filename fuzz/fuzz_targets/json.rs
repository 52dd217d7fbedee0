//! The inside of a JSON string, as events are written: whatever the path or the host name, another reader gets it back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lockspan_core::text::Text;

fuzz_target!(|input: (u8, &[u8])| {
    let (room, bytes) = input;
    let mut buffer = [0; 256];
    let mut text = Text::new(&mut buffer[..room.into()]);
    let Some(written) = text.bytes(b"\"").json(bytes).bytes(b"\"").finish() else {
        return assert!(6 * bytes.len() + 2 > room.into());
    };
    let read: String = serde_json::from_slice(written).expect("a JSON string");
    assert!(read.chars().eq(bytes.iter().map(|&byte| char::from(byte))));
});
