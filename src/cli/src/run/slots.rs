//! `--slot`: a bounded number of commands of one name at a time, in all containers that share the config directory.
//!
//! A slot is a file whose flock is held, so that it is free as soon as its holder is dead. Who waits stands in line
//! for another flock; the first in the line looks at the slots.

use std::fs::File;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::Failure;
use super::flock::{self, Waiting};
use super::secret::{self, Secret};
use super::shared::Shared;

/// What the slots are for.
pub enum Slot {
    /// The setup-token that the command gets.
    Token,
    /// Whatever the user calls so.
    Named(String),
}

/// The longest name of a slot.
const LONGEST_NAME: usize = 64;

impl Slot {
    /// Reads what the user calls it.
    ///
    /// # Errors
    /// [`Failure::Refused`]. It is not clap that asks, since clap's message would repeat a token.
    pub fn parse(name: &str) -> Result<Slot, Failure> {
        let refuse = |why: &str| Err(Failure::Refused(format!("--slot: {why}")));
        let is_plain = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
        match name {
            "token" => Ok(Slot::Token),
            name if name.starts_with(secret::PREFIX) => refuse(
                "that looks like a token; type: --slot token, with the token in CLAUDE_CODE_OAUTH_TOKEN",
            ),
            name if (1..=LONGEST_NAME).contains(&name.len())
                && !name.starts_with('.')
                && name.chars().all(is_plain) =>
            {
                Ok(Slot::Named(name.to_owned()))
            }
            _ => refuse("a name of 1 to 64 letters, digits, `.`, `-` and `_` is wanted, no `.` first"),
        }
    }
}

/// How often the first in the line looks.
const LOOK: Duration = Duration::from_millis(50);

/// Takes one of `count` slots; it lasts until the file is closed.
///
/// # Errors
/// [`Failure`]: all were taken until the deadline, or there is no token to name them by.
pub fn take(
    directory: &Path,
    slot: &Slot,
    token: Option<&Secret>,
    count: u16,
    deadline: Instant,
) -> Result<File, Failure> {
    let shared = Shared::slots(directory)?;
    let name = match (slot, token) {
        (Slot::Named(name), _) => name.clone(),
        (Slot::Token, Some(token)) => token.name(&secret::key(&shared, deadline)?),
        (Slot::Token, None) => {
            return Err(Failure::Refused(
                "--slot token: no token; set CLAUDE_CODE_OAUTH_TOKEN (`claude setup-token` makes one) or give \
                 --tokens FILE"
                    .into(),
            ));
        }
    };
    let line = format!("{name}.line");
    let what = format!("one of {count} slots {}", shared.path(&name).display());
    let first_in_line = flock::take(shared.open(&line)?, &shared.path(&line), &what, deadline)?;
    let names: Vec<String> = (0..count).map(|index| format!("{name}.{index}")).collect();
    let mut waiting = Waiting::new(what, deadline);
    loop {
        for name in &names {
            let file = shared.open(name)?;
            if flock::try_take(&file, &shared.path(name))? {
                drop(first_in_line);
                return Ok(file);
            }
        }
        let step = waiting.step(|| {
            let holders = names.iter().filter_map(|name| flock::holder(&shared.open(name).ok()?));
            Some(holders.collect::<Vec<_>>().join(" and ")).filter(|holders| !holders.is_empty())
        })?;
        thread::sleep(step.min(LOOK));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_slots() {
        assert!(matches!(Slot::parse("token"), Ok(Slot::Token)));
        assert!(matches!(Slot::parse("nightly-2"), Ok(Slot::Named(name)) if name == "nightly-2"));
        for bad in ["", ".hidden", "a/b", "../up", "a b", "sk-ant-oat01-made-up", &"n".repeat(65)] {
            let Err(Failure::Refused(why)) = Slot::parse(bad) else { panic!("{bad:?}") };
            assert!(!why.contains("made-up"), "{why}");
        }
    }
}
