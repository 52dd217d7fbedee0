//! Text in a fixed buffer. `core::fmt` is avoided because it keeps panics reachable that the optimiser
//! cannot remove.

/// Appends bytes and numbers to a buffer; what does not fit sets a mark instead of being cut.
#[derive(Debug)]
pub struct Text<'a> {
    buffer: &'a mut [u8],
    /// How much of it, or [`OVERFLOWED`].
    used: usize,
}

/// Beyond the end of any buffer.
const OVERFLOWED: usize = usize::MAX;

impl<'a> Text<'a> {
    /// An empty text in `buffer`.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Text { buffer, used: 0 }
    }

    /// Appends bytes as they are.
    #[inline(never)]
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let room = self.buffer.get_mut(self.used..).unwrap_or_default();
        match copy(room, bytes) {
            Some(()) => self.used += bytes.len(),
            None => self.used = OVERFLOWED,
        }
        self
    }

    /// Appends a number in decimal.
    #[inline(never)]
    pub fn number(&mut self, number: u64) -> &mut Self {
        let mut digits = [0u8; 20];
        let mut rest = number;
        let mut count = 0;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
            count += 1;
            if rest == 0 {
                break;
            }
        }
        self.bytes(digits.get(digits.len() - count..).unwrap_or_default())
    }

    /// Appends a number as sixteen hexadecimal digits.
    pub fn hexadecimal(&mut self, number: u64) -> &mut Self {
        self.hexadecimal_bytes(&number.to_be_bytes())
    }

    /// Appends each byte as two hexadecimal digits.
    pub fn hexadecimal_bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let room = self.buffer.get_mut(self.used..).unwrap_or_default();
        match room.get_mut(..2 * bytes.len()) {
            Some(digits) => {
                for (digits, &byte) in digits.as_chunks_mut().0.iter_mut().zip(bytes) {
                    *digits = [hexadecimal_digit(byte >> 4), hexadecimal_digit(byte & 15)];
                }
                self.used += 2 * bytes.len();
            }
            None => self.used = OVERFLOWED,
        }
        self
    }

    /// Appends the inside of a JSON string: quotes, backslashes and control characters escaped, bytes that
    /// are not ASCII written as `\u00XX`, so that a path which is not UTF-8 still makes valid JSON.
    #[inline(never)]
    pub fn json(&mut self, bytes: &[u8]) -> &mut Self {
        for &byte in bytes {
            match byte {
                b'"' | b'\\' => self.bytes(&[b'\\', byte]),
                0x20..=0x7e => self.bytes(&[byte]),
                _ => self.bytes(b"\\u00").hexadecimal_bytes(&[byte]),
            };
        }
        self
    }

    /// What was written, or `None` if something did not fit.
    pub fn finish(&self) -> Option<&[u8]> {
        self.buffer.get(..self.used)
    }
}

/// Copies bytes to the start of `to`, all of them or none; `None` if there is no room.
#[inline(never)]
pub fn copy(to: &mut [u8], from: &[u8]) -> Option<()> {
    to.get_mut(..from.len())?.copy_from_slice(from);
    Some(())
}

/// The digit of a number below 16.
fn hexadecimal_digit(number: u8) -> u8 {
    if number < 10 { b'0' + number } else { b'a' - 10 + number }
}

/// What there is between blanks and ends of lines.
#[derive(Clone, Debug)]
pub struct Words<'a>(pub &'a [u8]);

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    #[inline(never)]
    fn next(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| matches!(byte, b' ' | b'\n'))?;
        let (word, rest) = self.0.split_at_checked(end)?;
        self.0 = rest.get(1..)?;
        Some(word)
    }
}

/// A text without the white space that it begins with.
#[inline(never)]
pub fn trim_start(text: &[u8]) -> &[u8] {
    text.trim_ascii_start()
}

/// Reads a decimal number that fills the whole of `bytes`.
#[inline(never)]
pub fn parse_number(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0u64, |number, &byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_out_and_in() {
        for number in [0, 7, 10, 1_234_567_890, u64::MAX] {
            let mut buffer = [0; 20];
            let mut text = Text::new(&mut buffer);
            text.number(number);
            assert_eq!(text.finish().and_then(parse_number), Some(number));
        }
        assert_eq!(parse_number(b""), None);
        assert_eq!(parse_number(b"12a"), None);
        assert_eq!(parse_number(b"18446744073709551616"), None);
    }

    #[test]
    fn hexadecimal_digits() {
        let mut buffer = [0; 16];
        let mut text = Text::new(&mut buffer);
        assert_eq!(text.hexadecimal(0x0123_4567_89ab_cdef).finish(), Some(&b"0123456789abcdef"[..]));
    }

    #[test]
    fn what_does_not_fit_is_not_cut() {
        let mut buffer = [0; 4];
        let mut text = Text::new(&mut buffer);
        assert_eq!(text.bytes(b"abcd").finish(), Some(&b"abcd"[..]));
        assert_eq!(text.bytes(b"e").finish(), None);
    }

    #[test]
    fn json_escapes() {
        let mut buffer = [0; 64];
        let mut text = Text::new(&mut buffer);
        text.json(b"a\"b\\c\n\xff");
        assert_eq!(text.finish(), Some(&br#"a\"b\\c\u000a\u00ff"#[..]));
    }
}
