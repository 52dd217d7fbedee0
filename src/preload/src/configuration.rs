//! The configuration file, read once.
//!
//! A file that cannot be followed makes the library inert; see [`crate::environment::mode`], which asks first.

use core::ffi::CStr;
use core::num::NonZeroUsize;
use core::slice;

use lockspan_core::config::{self, Config, DEFAULT_PATH, LARGEST, Store};
use lockspan_lock::sys::{self, Errno, Result};
use once_cell::race::OnceNonZeroUsize;

use crate::environment::variable;
use crate::memory::Memory;

/// Where the text is, behind its length; [`NONE`] if there is no configuration.
static TEXT: OnceNonZeroUsize = OnceNonZeroUsize::new();

/// No address.
const NONE: NonZeroUsize = NonZeroUsize::MAX;

/// What the length takes. Bytes.
const LENGTH: usize = size_of::<usize>();

/// Reads the configuration, if there is one.
///
/// # Errors
/// There is one that cannot be read or followed.
#[cold]
#[inline(never)]
pub fn load() -> core::result::Result<(), ()> {
    let given = variable(c"LOCKSPAN_CONFIG").filter(|path| !path.is_empty());
    // A signal handler would find a descriptor open that the host knows nothing of.
    let signals = sys::block_signals();
    let read = read(given.unwrap_or(DEFAULT_PATH));
    if let Ok(signals) = signals {
        sys::set_signals(signals);
    }
    match read {
        Ok(mut memory) => {
            if parsed(memory.bytes()).is_none() {
                return Err(());
            }
            if let Some(address) = NonZeroUsize::new(memory.address)
                && TEXT.set(address).is_ok()
            {
                memory.keep();
            }
            Ok(())
        }
        Err(Errno::NOENT | Errno::NOTDIR) if given.is_none() => {
            // Another thread may have been quicker, with the same result.
            let _ = TEXT.set(NONE);
            Ok(())
        }
        Err(_) => Err(()),
    }
}

fn read(path: &CStr) -> Result<Memory> {
    let file = sys::open(path, libc::O_RDONLY | libc::O_NONBLOCK, 0)?;
    let found = sys::stat(file.number(), c"", libc::AT_EMPTY_PATH)?;
    let size = usize::try_from(found.st_size).ok().filter(|&size| size <= LARGEST).ok_or(Errno::FBIG)?;
    if found.st_mode & libc::S_IFMT != libc::S_IFREG {
        return Err(Errno::INVAL);
    }
    let mut memory = Memory::new(LENGTH + size)?;
    let (length, text) = memory.bytes().split_at_mut_checked(LENGTH).ok_or(Errno::INVAL)?;
    let read = sys::read_all(&file, text)?;
    length.iter_mut().zip(read.to_ne_bytes()).for_each(|(to, from)| *to = from);
    Ok(memory)
}

/// The configuration in memory that starts with the text's length.
fn parsed(memory: &[u8]) -> Option<Config<'_>> {
    let (length, text) = memory.split_at_checked(LENGTH)?;
    let length = usize::from_ne_bytes(*length.first_chunk()?);
    config::parse(text.get(..length)?).ok()
}

fn present() -> Option<Config<'static>> {
    let address = TEXT.get().filter(|&address| address != NONE)?.get();
    // SAFETY: mapped by `load`, at least as long as the longest text's page, and never changed or unmapped.
    let length = unsafe { *(address as *const usize) };
    // SAFETY: as above; the text follows its length.
    parsed(unsafe { slice::from_raw_parts(address as *const u8, LENGTH + length) })
}

/// Whether there is a configuration at all.
pub fn is_present() -> bool {
    TEXT.get().is_some_and(|address| address != NONE)
}

/// Whether a credentials file is only ever written in place.
pub fn inode_preserving() -> bool {
    present().is_some_and(|config| config.inode_preserving)
}

/// The stores, by their number.
pub fn stores() -> impl Iterator<Item = (usize, Store<'static>)> {
    present().unwrap_or_default().stores().enumerate()
}
