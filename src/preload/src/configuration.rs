//! The configuration file, read once.
//!
//! A file that cannot be followed makes the library inert; see [`crate::environment::mode`], which asks first.

use core::ffi::CStr;
use core::num::NonZeroUsize;
use core::slice;

use lockspan_core::config::{Config, DEFAULT_PATH, LARGEST, Store};
use lockspan_lock::sys::{self, Errno, Result};
use once_cell::race::OnceNonZeroUsize;

use crate::environment::variable;
use crate::memory::Memory;

/// Where the [`Config`] is; [`NONE`] if there is no configuration.
static CONFIG: OnceNonZeroUsize = OnceNonZeroUsize::new();

/// No address.
const NONE: NonZeroUsize = NonZeroUsize::MAX;

/// Reads the configuration, if there is one.
///
/// # Errors
/// There is one that cannot be read or followed.
#[cold]
#[inline(never)]
pub fn load() -> Result<()> {
    let given = variable(c"LOCKSPAN_CONFIG").filter(|path| !path.is_empty());
    // A signal handler would find a descriptor open that the host knows nothing of.
    let _blocked = sys::block_signals();
    let address = match read(given.unwrap_or(DEFAULT_PATH)) {
        Ok(address) => address,
        Err(Errno::NOENT | Errno::NOTDIR) if given.is_none() => NONE,
        Err(errno) => return Err(errno),
    };
    // If another thread was quicker, with the same text, this one stays unused.
    let _ = CONFIG.set(address);
    Ok(())
}

/// The text of a configuration, behind what it says, in memory that is never given back.
fn read(path: &CStr) -> Result<NonZeroUsize> {
    const START: usize = size_of::<Config<'_>>();
    let file = sys::open(path, libc::O_RDONLY | libc::O_NONBLOCK, 0)?;
    let found = sys::stat(file.number(), c"", libc::AT_EMPTY_PATH)?;
    let size = usize::try_from(found.st_size).unwrap_or(usize::MAX);
    if found.st_mode & libc::S_IFMT != libc::S_IFREG || size > LARGEST {
        return Err(Errno::INVAL);
    }
    let mut memory = Memory::new(START + size)?;
    let text = memory.bytes().get_mut(START..).unwrap_or_default();
    let length = sys::read_all(&file, text)?;
    let address = memory.address;
    // SAFETY: behind the configuration, within the memory, and not written again.
    let text = unsafe { slice::from_raw_parts((address + START) as *const u8, length) };
    // SAFETY: the start of a page, all zeros, with room for it.
    let config = unsafe { &mut *(address as *mut Config<'_>) };
    *config = Config::default();
    config.read_all(text).map_err(|_| Errno::INVAL)?;
    memory.keep();
    NonZeroUsize::new(address).ok_or(Errno::INVAL)
}

fn present() -> Option<&'static Config<'static>> {
    let address = CONFIG.get().filter(|&address| address != NONE)?;
    // SAFETY: a configuration that `read` has made, and that nobody changes or gives back.
    Some(unsafe { &*(address.get() as *const Config<'_>) })
}

/// Whether a credentials file is only ever written in place.
pub fn inode_preserving() -> bool {
    present().is_some_and(|config| config.inode_preserving)
}

/// The stores; the index is their number.
pub fn stores() -> &'static [Store<'static>] {
    present().map_or(&[], Config::stores)
}
