//! The environment, and what it tells the library to do.

use core::ffi::CStr;
use core::sync::atomic::{AtomicU8, Ordering};

use libc::AT_SECURE;
use lockspan_core::settings::{self, Mode};

use crate::configuration;
use crate::events;
use crate::imports;
use crate::initial::Initial;

/// The value of a variable, for as long as the host does not change its environment.
pub fn variable(name: &CStr) -> Option<&'static CStr> {
    // SAFETY: `name` is a C string; what getenv returns is one, or NULL. Like every caller of getenv we trust
    // the host not to change the variable while we look at it; what is kept is copied.
    unsafe {
        let value = imports::getenv(name.as_ptr());
        if value.is_null() { None } else { Some(imports::c_string(value)) }
    }
}

/// The same, as bytes.
#[inline(never)]
pub fn value(name: &CStr) -> Option<&'static [u8]> {
    variable(name).map(CStr::to_bytes)
}

const UNKNOWN: u8 = 0;
const REDIRECT: u8 = 1;
const OBSERVE: u8 = 2;
const OFF: u8 = 3;

static MODE: AtomicU8 = AtomicU8::new(UNKNOWN);

/// From now on the library does nothing in this process.
pub fn turn_off() {
    MODE.store(OFF, Ordering::Relaxed);
}

/// Whether a process may replace a newer pair of tokens than it has seen.
pub fn allows_rollback() -> bool {
    value(settings::ROLLBACK) == Some(settings::ROLLBACK_ALLOWED)
}

/// Whether this program has more rights than its caller, whose environment it must not follow then.
pub fn is_privileged(initial: Initial) -> bool {
    initial.auxiliary(AT_SECURE) != 0
}

/// Reads what [`mode`] tells, if nobody has: where there is no path of ours on the stack, for stacks may be small.
#[inline(always)]
pub fn prepare() {
    if MODE.load(Ordering::Relaxed) == UNKNOWN {
        mode();
    }
}

/// What the library does in this process: read at the first path that may be a lock's, and kept.
pub fn mode() -> Mode {
    match MODE.load(Ordering::Relaxed) {
        REDIRECT => Mode::Redirect,
        OBSERVE => Mode::Observe,
        OFF => Mode::Off,
        _ => {
            let mode = read_mode();
            let word = match mode {
                Mode::Redirect => REDIRECT,
                Mode::Observe => OBSERVE,
                Mode::Off => OFF,
            };
            MODE.store(word, Ordering::Relaxed);
            mode
        }
    }
}

fn read_mode() -> Mode {
    if is_privileged(Initial::UNKNOWN) {
        return Mode::Off;
    }
    let mode = settings::mode(
        value(settings::DISABLE),
        value(settings::MODE),
        value(settings::EVENTS),
        value(settings::ROLLBACK),
    );
    let variable = match mode {
        Err(bad) => bad.variable,
        Ok(mode) if mode == Mode::Off || configuration::load().is_ok() => return mode,
        Ok(_) => "configuration",
    };
    events::inert(variable);
    Mode::Off
}
