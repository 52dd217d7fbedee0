//! The text form of a table of sites; see the module above. Also used by build.rs, to compile tables in.

/// A GNU build-id, as linkers make it by default: a SHA-1.
pub type BuildId = [u8; 20];

/// The most bytes that a site may have.
pub const LONGEST: usize = 48;

/// One place where a program makes a system call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Site {
    /// Where its bytes begin, as the program file has it.
    pub address: u64,
    bytes: [u8; LONGEST],
    length: usize,
}

impl Site {
    /// A site of these bytes, if they are not too many.
    pub fn new(address: u64, bytes: &[u8]) -> Option<Site> {
        let mut site = Site { address, bytes: [0; LONGEST], length: bytes.len() };
        site.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(site)
    }

    /// From the instruction that loads the call's number to the end of the one that makes the call.
    #[inline(never)]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Behind the last of its bytes.
    pub fn end(&self) -> u64 {
        self.address.saturating_add(self.length as u64)
    }
}

/// A whole and well-formed table.
#[derive(Clone, Debug)]
pub struct Table<'a> {
    /// The build that it is for.
    pub build_id: BuildId,
    /// The machine that the build is for, by the kernel's name of it.
    pub machine: &'a [u8],
    lines: &'a [u8],
}

/// Reads a table; `None` if anything about it is not as it has to be.
pub fn parse(text: &[u8]) -> Option<Table<'_>> {
    let mut lines = text;
    if line(&mut lines)? != b"lockspan-sites 1" {
        return None;
    }
    let machine = line(&mut lines)?.strip_prefix(b"machine ")?;
    let mut build_id = BuildId::default();
    if hexadecimal(line(&mut lines)?.strip_prefix(b"build-id ")?, &mut build_id)? != build_id.len() {
        return None;
    }
    let table = Table { build_id, machine, lines };
    // One walk over all of it, so that later ones cannot fail.
    let (mut count, mut behind) = (0u64, 0);
    let expected = loop {
        match entry(&mut lines)? {
            Entry::Site(site) if site.address >= behind => behind = site.end(),
            Entry::Site(_) => return None,
            Entry::End(expected) => break expected,
        }
        count += 1;
    };
    (expected == count && lines.is_empty()).then_some(table)
}

impl Iterator for Table<'_> {
    type Item = Site;

    fn next(&mut self) -> Option<Site> {
        match entry(&mut self.lines)? {
            Entry::Site(site) => Some(site),
            Entry::End(_) => {
                self.lines = b"";
                None
            }
        }
    }
}

enum Entry {
    Site(Site),
    End(u64),
}

fn entry(lines: &mut &[u8]) -> Option<Entry> {
    loop {
        let line = line(lines)?;
        if line.first() == Some(&b'#') {
            continue;
        }
        if let Some(count) = line.strip_prefix(b"end ") {
            return Some(Entry::End(number(count, 10)?));
        }
        let mut words = line.strip_prefix(b"site ")?.split(|&byte| byte == b' ');
        let address = number(words.next()?, 16)?;
        let mut bytes = [0; LONGEST];
        let length = hexadecimal(words.next()?, &mut bytes)?;
        return match words.next() {
            None => Some(Entry::Site(Site { address, bytes, length })),
            Some(_) => None,
        };
    }
}

/// The next line, without its end, which it must have.
fn line<'a>(lines: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = lines.iter().position(|&byte| byte == b'\n')?;
    let line = lines.get(..length)?;
    *lines = lines.get(length + 1..)?;
    Some(line)
}

fn number(digits: &[u8], base: u8) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, &byte| {
        let digit = digit(byte).filter(|&digit| digit < base)?;
        number.checked_mul(base.into())?.checked_add(digit.into())
    })
}

/// Decodes pairs of digits into the start of `bytes`; how many bytes there are.
fn hexadecimal(digits: &[u8], bytes: &mut [u8]) -> Option<usize> {
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    for (index, pair) in digits.chunks(2).enumerate() {
        let [high, low] = *pair else { return None };
        *bytes.get_mut(index)? = (digit(high)? << 4) | digit(low)?;
    }
    Some(digits.len() / 2)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}
