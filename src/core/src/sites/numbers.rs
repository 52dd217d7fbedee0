//! Which system calls are wanted, by machine.

use super::Site;

/// The calls by which a program makes, removes, touches and looks at a lock. Those by which it could look at
/// one, but which no client uses for that (newfstatat, access, open), are left as they are: there are hundreds.
#[cfg(not(target_arch = "aarch64"))]
const WANTED: [u32; 8] = [
    83,  // mkdir
    258, // mkdirat
    84,  // rmdir
    263, // unlinkat
    280, // utimensat
    332, // statx
    4,   // stat
    6,   // lstat
];
#[cfg(target_arch = "aarch64")]
const WANTED: [u32; 4] = [
    34,  // mkdirat
    35,  // unlinkat
    88,  // utimensat
    291, // statx
];

/// Whether a call with this number is one that a table has to have.
pub fn wanted(number: u32) -> bool {
    WANTED.contains(&number)
}

/// The number of the call that a site makes; `None` if its bytes are not those of a site of this machine.
#[cfg(not(target_arch = "aarch64"))]
pub fn number(site: &Site) -> Option<u32> {
    // mov eax, NUMBER … syscall
    match *site.bytes() {
        [0xb8, a, b, c, d, .., 0x0f, 0x05] => Some(u32::from_le_bytes([a, b, c, d])),
        _ => None,
    }
}

/// The number of the call that a site makes; `None` if its bytes are not those of a site of this machine.
#[cfg(target_arch = "aarch64")]
pub fn number(site: &Site) -> Option<u32> {
    // mov w8 or x8, NUMBER … svc 0
    let [a, b, c, d, .., 0x01, 0x00, 0x00, 0xd4] = *site.bytes() else { return None };
    let load = u32::from_le_bytes([a, b, c, d]);
    (site.bytes().len() % 4 == 0 && load & 0x7fe0_001f == 0x5280_0008).then_some(load >> 5 & 0xffff)
}
