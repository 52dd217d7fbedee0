//! Where functions begin, from the table that the unwinder searches (`.eh_frame_hdr`).
//!
//! Knows only the one form of it that linkers write. Must not panic, whatever the bytes are.

/// The addresses of the functions' starts, in order; `None` if this is no such table. `address` is where its bytes
/// begin.
pub fn starts(bytes: &[u8], address: u64) -> Option<Vec<u64>> {
    // Version 1; a pointer of four bytes; a count of four bytes; a table of pairs of four bytes each, signed and
    // counted from this header.
    let (&[1, 0x1b, 0x03, 0x3b, _, _, _, _, a, b, c, d], table) = bytes.split_first_chunk()? else {
        return None;
    };
    let count = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
    let table = table.get(..count.checked_mul(8)?)?;
    let mut starts: Vec<u64> = table
        .chunks_exact(8)
        .filter_map(|pair| pair.first_chunk())
        .map(|&start| address.wrapping_add_signed(i32::from_le_bytes(start).into()))
        .collect();
    // They are sorted by those who can be trusted to.
    starts.sort_unstable();
    Some(starts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: [u8; 28] = [
        1, 0x1b, 3, 0x3b, 0, 0, 0, 0, 2, 0, 0, 0, // two functions
        0x10, 0, 0, 0, 0, 0, 0, 0, // 16 behind the header
        0xf0, 0xff, 0xff, 0xff, 0, 0, 0, 0, // 16 before it
    ];

    #[test]
    fn the_starts_are_counted_from_the_header() {
        assert_eq!(starts(&TABLE, 0x1000), Some(vec![0xff0, 0x1010]));
    }

    #[test]
    fn a_damaged_table_is_none() {
        for length in 0..TABLE.len() {
            assert_eq!(starts(&TABLE[..length], 0), None);
        }
        for place in 0..4 {
            let mut damaged = TABLE;
            damaged[place] ^= 0xff;
            assert_eq!(starts(&damaged, 0), None);
        }
        let mut endless = TABLE;
        endless[8..12].fill(0xff);
        assert_eq!(starts(&endless, 0), None);
    }
}
