//! What the `LOCKSPAN_*` variables mean. The library goes inert on a value that it does not know; the command
//! refuses it with the reason.

use core::ffi::CStr;

/// Whether the library does nothing.
pub const DISABLE: &CStr = c"LOCKSPAN_DISABLE";
/// What it does.
pub const MODE: &CStr = c"LOCKSPAN_MODE";
/// Where it says what it does.
pub const EVENTS: &CStr = c"LOCKSPAN_EVENTS";
/// Whether a process may replace a newer pair of tokens than it has seen.
pub const ROLLBACK: &CStr = c"LOCKSPAN_ROLLBACK";

/// The name of a variable, the same bytes.
const fn name(variable: &'static CStr) -> &'static str {
    match variable.to_str() {
        Ok(name) => name,
        Err(_) => panic!("a name is ASCII"),
    }
}

/// What the library does with a lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Serve it.
    Redirect,
    /// Change nothing; record what would be done.
    Observe,
    /// Nothing at all.
    Off,
}

/// The value of `LOCKSPAN_ROLLBACK` by which a process may replace a newer pair of tokens than it has seen.
pub const ROLLBACK_ALLOWED: &[u8] = b"allow";

/// A setting that cannot be followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadSetting {
    /// The variable.
    pub variable: &'static str,
    /// What it may be, as the end of a sentence that starts with the variable's name.
    pub expected: &'static str,
}

/// Reads the mode out of the variables' values; an empty value counts as unset.
///
/// # Errors
/// The first variable whose value is not known.
pub fn mode(
    disable: Option<&[u8]>,
    mode: Option<&[u8]>,
    events: Option<&[u8]>,
    rollback: Option<&[u8]>,
) -> Result<Mode, BadSetting> {
    let bad = |variable, expected| Err(BadSetting { variable, expected });
    let disable = disable.unwrap_or_default();
    if !matches!(disable, b"" | b"0" | b"1") {
        return bad(const { name(DISABLE) }, "must be 0 or 1");
    }
    let mode = mode.unwrap_or_default();
    let mode = if mode.is_empty() || mode == b"redirect" {
        Mode::Redirect
    } else if mode == b"observe" {
        Mode::Observe
    } else if mode == b"off" {
        Mode::Off
    } else {
        return bad(const { name(MODE) }, "must be redirect, observe or off");
    };
    let events = events.unwrap_or_default();
    if !events.is_empty() && !events.starts_with(b"/") {
        return bad(const { name(EVENTS) }, "must be an absolute path");
    }
    let rollback = rollback.unwrap_or_default();
    if !rollback.is_empty() && rollback != b"refuse" && rollback != ROLLBACK_ALLOWED {
        return bad(const { name(ROLLBACK) }, "must be refuse or allow");
    }
    Ok(if disable == b"1" { Mode::Off } else { mode })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        assert_eq!(mode(None, None, None, None), Ok(Mode::Redirect));
        assert_eq!(mode(Some(b""), Some(b""), Some(b""), Some(b"")), Ok(Mode::Redirect));
        assert_eq!(mode(Some(b"0"), Some(b"observe"), Some(b"/tmp/e"), Some(b"allow")), Ok(Mode::Observe));
        assert_eq!(mode(Some(b"1"), Some(b"redirect"), None, Some(b"refuse")), Ok(Mode::Off));
        assert_eq!(mode(None, Some(b"off"), None, None), Ok(Mode::Off));
    }

    #[test]
    fn unknown_values_are_named() {
        let variable = |result: Result<Mode, BadSetting>| result.map_err(|bad| bad.variable);
        assert_eq!(variable(mode(Some(b"yes"), None, None, None)), Err("LOCKSPAN_DISABLE"));
        assert_eq!(variable(mode(None, Some(b"Redirect"), None, None)), Err("LOCKSPAN_MODE"));
        assert_eq!(variable(mode(None, None, Some(b"events"), None)), Err("LOCKSPAN_EVENTS"));
        assert_eq!(variable(mode(None, None, None, Some(b"no"))), Err("LOCKSPAN_ROLLBACK"));
    }
}
