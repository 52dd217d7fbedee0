//! The machine code for a site of any bytes at any place: decoded again it leads where it should.
#![no_main]

use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Register};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use lockspan_core::sites::Site;
use lockspan_core::stub::{aarch64, x86_64};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    bytes: &'a [u8],
    address: u64,
    /// Where the stub is, from there.
    distance: i32,
    entry: u64,
    room: u8,
}

fuzz_target!(|input: Input<'_>| {
    let Some(site) = Site::new(input.address, input.bytes) else { return };
    let stub = input.address.wrapping_add_signed(input.distance.into());
    on_x86_64(&site, stub, &input);
    on_aarch64(&site, stub, &input);
});

fn on_x86_64(site: &Site, stub: u64, input: &Input<'_>) {
    if let Some((place, jump)) = x86_64::replacement(site, input.address, stub) {
        let jump = decode(&jump, place);
        assert_eq!(
            (place, jump.code(), jump.near_branch_target()),
            (input.address, Code::Jmp_rel32_64, stub)
        );
    }
    let mut buffer = [0xcc; x86_64::LARGEST];
    let room = usize::from(input.room).min(x86_64::LARGEST);
    let is_enough = x86_64::write(&mut buffer[..room], site, input.address, stub, input.entry).is_some();
    assert!(buffer[room..].iter().all(|&byte| byte == 0xcc));
    if !is_enough {
        return;
    }
    let [repeated @ .., _, _] = site.bytes() else { panic!("a site ends with its call") };
    let tail = buffer.strip_prefix(repeated).expect("what the site does before its call");
    let [entry, resume, jump] = [&tail[..10], &tail[10..20], &tail[20..23]].map(|bytes| decode(bytes, stub));
    assert_eq!(
        (entry.code(), entry.op0_register(), entry.immediate64()),
        (Code::Mov_r64_imm64, Register::R11, input.entry)
    );
    assert_eq!(
        (resume.op0_register(), resume.immediate64()),
        (Register::RCX, input.address + site.bytes().len() as u64)
    );
    assert_eq!((jump.code(), jump.op0_register()), (Code::Jmp_rm64, Register::R11));
}

fn decode(bytes: &[u8], address: u64) -> Instruction {
    Decoder::with_ip(64, bytes, address, DecoderOptions::NONE).decode()
}

fn on_aarch64(site: &Site, stub: u64, input: &Input<'_>) {
    if let Some((place, branch)) = aarch64::replacement(site, input.address, stub) {
        assert_eq!(place.wrapping_add(4), input.address + site.bytes().len() as u64);
        assert_eq!(target(branch, place), stub);
    }
    let mut buffer = [0xcc; aarch64::LARGEST];
    let room = usize::from(input.room).min(aarch64::LARGEST);
    let is_enough = aarch64::write(&mut buffer[..room], site, input.address, stub, input.entry).is_some();
    assert!(buffer[room..].iter().all(|&byte| byte == 0xcc));
    if is_enough {
        let (words, []) = buffer.as_chunks::<4>() else { panic!("a stub is made of words") };
        assert_eq!(target(words[4], stub + 16), input.address + site.bytes().len() as u64);
        assert_eq!([words[6], words[7]].concat(), input.entry.to_le_bytes());
    }
}

/// Where a branch at this place leads.
fn target(branch: [u8; 4], place: u64) -> u64 {
    let word = u32::from_le_bytes(branch);
    assert_eq!(word >> 26, 0b000101, "a branch: {word:x}");
    place.wrapping_add_signed(i64::from((word << 6).cast_signed() >> 6) * 4)
}
