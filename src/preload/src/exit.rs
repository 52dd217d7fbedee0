//! The end of the process.

use crate::credentials::staged;
use crate::operations;

/// Called by exit(3), and not by a signal's default action: a process that gets here with a lock in hand
/// meant to leave it, as mkdir(1) does in a script, and its lock must not pass for an orphan.
extern "C" fn exiting() {
    if staged::any() {
        staged::leave();
    }
    operations::leave();
}

#[used]
#[unsafe(link_section = ".fini_array")]
static EXITING: extern "C" fn() = exiting;
