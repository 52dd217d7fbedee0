//! Owner records: any text, and any content.
#![no_main]

use libfuzzer_sys::arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use lockspan_core::record::{HOST_LENGTH, RECORD_LENGTH, Record};
use lockspan_core::{Cycle, Identity, Time};

fuzz_target!(|data: &[u8]| {
    if let Some(record) = Record::parse(data) {
        check(record);
    }
    // Of the length that every record has.
    let mut text = data.to_vec();
    text.resize(RECORD_LENGTH, b'\n');
    if let Some(record) = Record::parse(&text) {
        check(record);
    }
    check(record(&mut Unstructured::new(data)).expect("made of nothing, if need be"));
});

/// Written and read again it says the same, but for what no host is called.
fn check(record: Record) {
    let mut host = [0; HOST_LENGTH];
    host[..record.host().len()].copy_from_slice(record.host());
    assert_eq!(Record::parse(&record.encode()), Some(Record { host, ..record }));
    assert!(!record.proves_dead(None, record.guard, record.lock));
    let is_proof = record.proves_dead(Some(&record.boot), record.guard, record.lock);
    assert_eq!(is_proof, !record.left && record.coherent && record.lock.is_unique());
}

fn record(data: &mut Unstructured<'_>) -> Result<Record> {
    // No boot id has a blank or the end of a line in it.
    let boot: [u8; 36] = Arbitrary::arbitrary(data)?;
    Ok(Record {
        boot: boot.map(|byte| if byte.is_ascii_graphic() { byte } else { b'-' }),
        guard: identity(data)?,
        coherent: data.arbitrary()?,
        lock: identity(data)?,
        // One of zeros stands for none.
        sibling: Some(identity(data)?).filter(|sibling| *sibling != Identity::default()),
        cycle: if data.arbitrary()? { Cycle::Redirected } else { Cycle::InPlace },
        left: data.arbitrary()?,
        pid: data.arbitrary()?,
        pid_namespace: data.arbitrary()?,
        started: data.arbitrary()?,
        since: time(data)?,
        host: data.arbitrary()?,
    })
}

fn identity(data: &mut Unstructured<'_>) -> Result<Identity> {
    Ok(Identity { dev: data.arbitrary()?, ino: data.arbitrary()?, birth: time(data)? })
}

fn time(data: &mut Unstructured<'_>) -> Result<Time> {
    Ok(Time { sec: data.arbitrary()?, nsec: data.int_in_range(0..=999_999_999)? })
}
