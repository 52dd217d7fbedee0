//! What a file held when it was read.
//!
//! Nothing read here may outlive the call: there are tokens in it.

use core::ffi::CStr;

use lockspan_lock::kernel::{Errno, Result};
use lockspan_lock::sys::{self, Descriptor};

use crate::memory::Memory;

/// Credentials are far smaller. What is larger is none of ours. Bytes.
pub const LARGEST: usize = 1 << 20;

/// What is to be written in place needs this much. Bytes.
pub const ROOM: usize = 2 * LARGEST;

/// A file that was read.
pub struct Content {
    /// What fstat(2) says of the file.
    pub file: libc::stat,
    /// How many bytes it has.
    pub length: usize,
    /// These bytes, and room behind them.
    pub memory: Memory,
}

impl Content {
    /// Reads a regular file that is no larger than credentials are, with room for at least as many bytes as `room`.
    ///
    /// # Errors
    /// The kernel's; `EFBIG` or `EINVAL` for what is no such file.
    #[inline(never)]
    pub fn read(file: &Descriptor, room: usize) -> Result<Content> {
        let found = sys::stat(file.number(), c"", libc::AT_EMPTY_PATH)?;
        let size = usize::try_from(found.st_size).map_err(|_| Errno::INVAL)?;
        if found.st_mode & libc::S_IFMT != libc::S_IFREG {
            return Err(Errno::INVAL);
        }
        if size > LARGEST {
            return Err(Errno::FBIG);
        }
        // One byte more, so that there is one.
        let mut memory = Memory::new(size.max(room) + 1)?;
        let length = sys::read_all(file, memory.bytes().get_mut(..size).ok_or(Errno::INVAL)?)?;
        Ok(Content { file: found, length, memory })
    }

    /// All of it.
    pub fn bytes(&self) -> &[u8] {
        self.memory.content().get(..self.length).unwrap_or_default()
    }

    /// Whether this is the file at a path, and nothing was changed in it, as far as the kernel's clock tells.
    #[inline(never)]
    pub fn is_still_at(&self, path: &CStr) -> bool {
        let identity = |file: &libc::stat| (file.st_dev, file.st_ino, file.st_ctime_nsec);
        sys::stat(libc::AT_FDCWD, path, libc::AT_SYMLINK_NOFOLLOW)
            .is_ok_and(|now| identity(&now) == identity(&self.file))
    }
}

impl AsRef<[u8]> for Content {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}
