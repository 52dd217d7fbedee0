//! Compare and swap: a process that has seen one pair of tokens, and not the one that came since, may not put an older
//! or a blank one in its place.
//!
//! The comparison is last. Whatever takes time is done before, and what was compared is replaced by the next system
//! call: only what comes between the two is overwritten.

use core::ffi::{CStr, c_int};

use lockspan_core::pair::{Generation, Pair, generation, may_replace, pair};
use lockspan_lock::kernel::{Errno, Place, Result};
use lockspan_lock::linux::Linux;
use lockspan_lock::sys;

use super::content::Content;
use super::{OPEN, record, refresh, seen};
use crate::environment;
use crate::matching::Whose;

/// How often somebody else may be quicker.
const TRIES: usize = 10;

/// What is there may not be replaced. No errno of the kernel's.
pub const REFUSED: Errno = Errno(0);

/// What this process is about to put in the credentials file's place.
pub struct Swap {
    whose: Whose,
    pair: Option<Pair>,
    /// What this process has seen there last.
    seen: Option<Generation>,
}

impl Swap {
    /// `new` instead of the file of `whose`, which `kernel` serves.
    pub fn new(kernel: &mut Linux, whose: Whose, new: &Content) -> Swap {
        Swap { whose, pair: pair(new.bytes()), seen: seen::last(kernel) }
    }

    /// Compares with what was just read.
    ///
    /// # Errors
    /// [`REFUSED`].
    #[inline(never)]
    pub fn compare(&self, present: &Content) -> Result<()> {
        if environment::allows_rollback() || may_replace(self.seen, pair(present.bytes()), self.pair) {
            return Ok(());
        }
        record("publish-refused", "pair-older-than-present", 0);
        Err(REFUSED)
    }

    /// Renames `from` onto the credentials file, by the path `to` if there is one. `None` if there is nothing to compare.
    ///
    /// # Errors
    /// The kernel's, or [`REFUSED`].
    #[inline(never)]
    pub fn rename(
        &self,
        kernel: &mut Linux,
        from_at: c_int,
        from: &CStr,
        to_at: c_int,
        to: Option<&CStr>,
    ) -> Option<Result<()>> {
        for _ in 0..TRIES {
            let path = kernel.path(Place::Credentials);
            let target = match sys::open(path, libc::O_RDONLY | OPEN, 0) {
                // A first login.
                Err(Errno::NOENT) => None,
                target => Some(target.ok()?),
            };
            let mut present = None;
            if let Some(target) = &target {
                // Kept, so that nothing is to be given back before the rename.
                let found = present.insert(Content::read(target, 0).ok()?);
                if let Err(refused) = self.compare(found) {
                    return Some(Err(refused));
                }
                if !found.is_still_at(path) {
                    continue;
                }
            }
            let renamed = sys::rename(from_at, from, to_at, to.unwrap_or(path));
            if renamed.is_ok() {
                self.done(kernel);
            }
            return Some(renamed);
        }
        None
    }

    /// It is in its place.
    pub fn done(&self, kernel: &mut Linux) {
        seen::remember(kernel, generation(self.pair));
        if let Some(number) = self.whose.gate() {
            // Whoever opened the file to read it has done what its gate was for.
            refresh::done(kernel, number);
        }
    }
}
