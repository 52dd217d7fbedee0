//! Which system calls are wanted, by machine.

use super::Site;

/// A machine that there are tables for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Machine {
    /// The 64-bit x86.
    X86_64,
    /// The 64-bit ARM.
    Aarch64,
}

impl Machine {
    /// The machine that this is compiled for.
    pub const HERE: Machine = if cfg!(target_arch = "aarch64") { Machine::Aarch64 } else { Machine::X86_64 };

    /// The kernel's name of it, as tables have it.
    pub const fn name(self) -> &'static [u8] {
        match self {
            Machine::X86_64 => b"x86_64",
            Machine::Aarch64 => b"aarch64",
        }
    }

    /// The numbers of the calls by which a program makes, removes, touches and looks at a lock, and puts new
    /// credentials in their place. Those by which it could look at a lock, but which no client uses for that
    /// (newfstatat, access, open), are left as they are: there are hundreds.
    pub const fn wanted(self) -> &'static [u32] {
        match self {
            Machine::X86_64 => &[
                83,  // mkdir
                258, // mkdirat
                84,  // rmdir
                263, // unlinkat
                280, // utimensat
                332, // statx
                4,   // stat
                6,   // lstat
                82,  // rename
                264, // renameat
                316, // renameat2
            ],
            Machine::Aarch64 => &[
                34,  // mkdirat
                35,  // unlinkat
                88,  // utimensat
                291, // statx
                38,  // renameat
                276, // renameat2
            ],
        }
    }

    /// The number of the call that a site of this machine makes; `None` if its bytes are not those of one.
    pub fn number(self, site: &Site) -> Option<u32> {
        match self {
            // mov eax, NUMBER … syscall
            Machine::X86_64 => match *site.bytes() {
                [0xb8, a, b, c, d, .., 0x0f, 0x05] => Some(u32::from_le_bytes([a, b, c, d])),
                _ => None,
            },
            // mov w8 or x8, NUMBER … svc 0
            Machine::Aarch64 => {
                let [a, b, c, d, .., 0x01, 0x00, 0x00, 0xd4] = *site.bytes() else { return None };
                let load = u32::from_le_bytes([a, b, c, d]);
                (site.bytes().len().is_multiple_of(4) && load & 0x7fe0_001f == 0x5280_0008)
                    .then_some(load >> 5 & 0xffff)
            }
        }
    }
}

/// Whether a call with this number is one that a table for this machine has to have.
pub fn wanted(number: u32) -> bool {
    Machine::HERE.wanted().contains(&number)
}

/// The number of the call that a site makes; `None` if its bytes are not those of a site of this machine.
pub fn number(site: &Site) -> Option<u32> {
    Machine::HERE.number(site)
}
