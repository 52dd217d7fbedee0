//! FNV-1a, which tells texts apart that nobody chose to be alike.

/// The hash of nothing.
pub const START: u64 = 0xcbf2_9ce4_8422_2325;

/// Goes on with a hash.
#[inline(never)]
pub fn hash(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_values() {
        assert_eq!(hash(START, b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(hash(hash(START, b"foo"), b"bar"), 0x8594_4171_f739_67e8);
    }
}
