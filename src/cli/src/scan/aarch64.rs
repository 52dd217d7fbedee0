//! The system calls in code for the 64-bit ARM, whose instructions are words of 32 bits.
//!
//! Decodes only as much as is asked here: where jumps go, and which instructions may write the register that has the
//! call's number. Where that is not clear, they may.

use lockspan_core::sites::{LONGEST, Site};

use super::calls::{COMPUTED, Call, Found, Jump, NOT_LOADED, NOT_MOVABLE, Number, Reason, TOO_LONG};

/// `svc #0`
const CALL: u32 = 0xd400_0001;

/// The register that has the call's number.
const NUMBER: u32 = 8;

/// What an instruction does to the order in which others run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flow {
    /// The next one runs.
    Next,
    /// The next one, or the one at this distance.
    Either(i64),
    /// The one at this distance.
    Jump(i64),
    /// The one at this distance, and when that comes back, with other registers, the next one.
    Call(i64),
    /// Somewhere else.
    Away,
    /// Somewhere else, and when that comes back, with other registers, the next one.
    AwayAndBack,
}

/// Reads a function. What is known of a register is forgotten wherever the code does not simply go on.
pub fn read(code: &[u8], address: u64, found: &mut Found) {
    let mut straight = Straight::default();
    for (here, word) in words(code, address) {
        if word == CALL {
            straight.words.push(word);
            let start = here.wrapping_sub((straight.words.len() as u64 - 1) * 4);
            let entered = straight.only_by_jump.then_some(start);
            found.calls.push(Call { address: here, number: number(&straight.words, here), entered });
        }
        if let Flow::Either(distance) | Flow::Jump(distance) | Flow::Call(distance) = flow(word) {
            found.jumps.push(Jump { target: here.wrapping_add_signed(distance), address: here });
        }
        straight.go_on(word);
    }
}

/// The number that is loaded when the instruction at `place` runs, which straight-line code in this function leads to.
pub fn number_at(code: &[u8], address: u64, place: u64) -> Option<u32> {
    let mut straight = Straight::default();
    for (here, word) in words(code, address) {
        if here == place {
            straight.words.push(word);
            return number(&straight.words, here).ok().map(|number| number.value);
        }
        straight.go_on(word);
    }
    None
}

/// The instructions, with their addresses.
fn words(code: &[u8], address: u64) -> impl Iterator<Item = (u64, u32)> {
    let skipped = address.wrapping_neg() & 3;
    let words = code.get(skipped as usize..).unwrap_or_default().chunks_exact(4);
    words.filter_map(|word| word.first_chunk()).enumerate().map(move |(index, &word)| {
        (address.wrapping_add(skipped).wrapping_add(index as u64 * 4), u32::from_le_bytes(word))
    })
}

/// The straight-line code before an instruction.
#[derive(Default)]
struct Straight {
    words: Vec<u32>,
    /// Whether what is before it never goes on there.
    only_by_jump: bool,
}

impl Straight {
    /// Behind this instruction.
    fn go_on(&mut self, word: u32) {
        let flow = flow(word);
        if matches!(flow, Flow::Next | Flow::Either(_)) {
            self.words.push(word);
        } else {
            self.words.clear();
            self.only_by_jump = matches!(flow, Flow::Jump(_) | Flow::Away);
        }
    }
}

/// The number with which the last instruction of this straight-line code, which is at `address`, finds the register.
fn number(straight: &[u32], address: u64) -> Result<Number, Reason> {
    let [before @ .., _last] = straight else { return Err(NOT_LOADED) };
    let place = before.iter().rposition(|&word| may_write_number(word)).ok_or(NOT_LOADED)?;
    let (Some(words), Some(&load)) = (straight.get(place..), before.get(place)) else {
        return Err(NOT_LOADED);
    };
    // movz w8 or x8, #NUMBER
    if load & 0x7fe0_001f != 0x5280_0000 | NUMBER {
        return Err(COMPUTED);
    }
    let loaded = address.wrapping_sub((words.len() as u64 - 1) * 4);
    Ok(Number { value: load >> 5 & 0xffff, loaded, site: site(words, loaded) })
}

fn site(words: &[u32], address: u64) -> Result<Site, Reason> {
    if words.len() * 4 > LONGEST {
        return Err(TOO_LONG);
    }
    let [between @ .., _call] = words else { return Err(NOT_MOVABLE) };
    if between.iter().any(|&word| flow(word) != Flow::Next) {
        return Err(NOT_MOVABLE);
    }
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    Site::new(address, &bytes).ok_or(TOO_LONG)
}

fn flow(word: u32) -> Flow {
    match word >> 24 {
        // b; bl
        0x14..=0x17 => Flow::Jump(distance(word, 0, 26)),
        0x94..=0x97 => Flow::Call(distance(word, 0, 26)),
        // b.cond and bc.cond; cbz, cbnz
        0x54 | 0x34 | 0x35 | 0xb4 | 0xb5 => Flow::Either(distance(word, 5, 19)),
        // tbz, tbnz
        0x36 | 0x37 | 0xb6 | 0xb7 => Flow::Either(distance(word, 5, 14)),
        // br and ret, without the kinds of them that check a signature
        _ if word & 0xffdf_fc1f == 0xd61f_0000 || word & 0xffff_fc1f == 0xd65f_0000 => Flow::Away,
        // blr and the rest; svc, brk and their like; what is no instruction: udf, and what is kept for later
        0xd6 | 0xd7 | 0xd4 | 0x00 => Flow::AwayAndBack,
        _ => Flow::Next,
    }
}

/// The distance in a jump, in bytes: a signed number of words at these bits.
fn distance(word: u32, low: u32, bits: u32) -> i64 {
    let to_the_top = word << (32 - low - bits);
    i64::from((to_the_top as i32) >> (32 - bits)) * 4
}

/// Whether an instruction may change the register that has the call's number.
fn may_write_number(word: u32) -> bool {
    let register = |low: u32| word >> low & 31 == NUMBER;
    // Where nearly all have the register that they write. Stores read it; that is taken for a write, too.
    if register(0) {
        return true;
    }
    // Loads and stores have more that may be written: a second register, the status of an exclusive store, the
    // register of a compare and swap, an address that is moved on.
    let load_or_store = word >> 25 & 0b0101 == 0b0100;
    load_or_store && (register(5) || register(10) || register(16))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockspan_core::sites::Machine;

    const MKDIRAT: u32 = 0xd280_0448; // mov x8, #34

    fn read_words(words: &[u32]) -> Found {
        let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut found = Found::default();
        read(&code, 0x1000, &mut found);
        found
    }

    fn last(words: &[u32]) -> Result<Number, Reason> {
        read_words(words).calls.pop().expect("a call").number
    }

    #[test]
    fn a_site_runs_from_the_load_to_the_call() {
        let number = last(&[0xd503_201f, MKDIRAT, 0xaa13_03e0, CALL]).expect("a known number");
        let site = number.site.expect("a site");
        assert_eq!((number.value, number.loaded, site.address, site.end()), (34, 0x1004, 0x1004, 0x1010));
        assert_eq!(Machine::Aarch64.number(&site), Some(34));
        // mov w8, #34
        assert_eq!(last(&[0x5280_0448, CALL]).map(|number| number.value), Ok(34));
    }

    #[test]
    fn anything_that_leaves_the_number_alone_may_stand_between() {
        for between in [
            0xd503_201f,              // nop
            0x9000_0000,              // adrp x0
            0xa9bf_7bfd,              // stp x29, x30, [sp, #-16]!
            0xf940_0260,              // ldr x0, [x19]
            0xeb01_001f,              // cmp x0, x1
            0xf900_0113 & !(31 << 5), // str x19, [x0]
        ] {
            assert!(last(&[MKDIRAT, between, CALL]).is_ok_and(|number| number.site.is_ok()), "{between:x}");
        }
    }

    #[test]
    fn what_may_change_the_number_makes_it_unknown() {
        for change in [
            0xaa00_03e8, // mov x8, x0
            0xf280_0028, // movk x8, #1
            0x9280_0008, // mov x8, #-1
            0xd2a0_0448, // mov x8, #34, lsl 16
            0xf940_0008, // ldr x8, [x0]
            0xa940_2000, // ldp x0, x8, [x0]
            0xf840_8500, // ldr x0, [x8], #8
            0xc808_7c01, // stxr w8, x1, [x0]
            0xc8a8_7c01, // cas x8, x1, [x0]
            0x9e66_0008, // fmov x8, d0
            0xd53b_d048, // mrs x8, tpidr_el0
            0x9400_0010, // bl
            0x1400_0001, // b to the call
            0xd63f_0000, // blr x0
            0xd65f_03c0, // ret
            0xd420_0000, // brk
            0x0000_0000, // udf
            CALL,
        ] {
            assert!(last(&[MKDIRAT, change, CALL]).is_err(), "{change:x}");
        }
        assert_eq!(last(&[CALL]).err(), Some(NOT_LOADED));
    }

    #[test]
    fn a_branch_between_makes_it_no_site() {
        // cbz x0, +8
        let number = last(&[MKDIRAT, 0xb400_0040, CALL]).expect("a known number");
        assert_eq!((number.value, number.site), (34, Err(NOT_MOVABLE)));
    }

    #[test]
    fn the_longest_site_fits_and_a_longer_one_does_not() {
        let words = |count: usize| [&[MKDIRAT][..], &vec![0xd503_201f; count], &[CALL]].concat();
        assert!(last(&words(LONGEST / 4 - 2)).is_ok_and(|number| number.site.is_ok()));
        assert_eq!(last(&words(LONGEST / 4 - 1)).map(|number| number.site), Ok(Err(TOO_LONG)));
    }

    #[test]
    fn direct_jumps_are_found() {
        // b -4; bl +4; b.eq -4; cbnz w0, +8; tbz w0, #0, -8; tbnz x0, #63, +4
        let jumps = [0x17ff_ffff, 0x9400_0001, 0x54ff_ffe0, 0x3500_0040, 0x3607_ffc0, 0xb7f8_0020];
        let targets: Vec<u64> = read_words(&jumps).jumps.iter().map(|jump| jump.target).collect();
        assert_eq!(targets, [0xffc, 0x1008, 0x1004, 0x1014, 0x1008, 0x1018]);
    }

    #[test]
    fn code_at_an_odd_address_is_read_from_the_next_word_on() {
        let mut found = Found::default();
        read(&[0, 0, 0, 0x48, 0x04, 0x80, 0xd2, 1, 0, 0, 0xd4, 9], 0x1001, &mut found);
        assert_eq!(found.calls.len(), 1);
        assert_eq!(found.calls[0].address, 0x1008);
    }
}
