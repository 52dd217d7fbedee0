//! A token, and the name that stands for it in files. There is no way to print one.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::time::Instant;

use sha2::{Digest, Sha256};

use super::Failure;
use super::flock;
use super::shared::Shared;

/// How the tokens of this client start.
pub const PREFIX: &str = "sk-ant-";

/// A setup-token.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// What goes into every token's name, so that a name alone, in a listing or a backup, is no test for a guess.
pub type Key = [u8; 32];

impl Secret {
    /// A token from somewhere.
    pub fn new(token: String) -> Secret {
        Secret(token)
    }

    /// The token, for the one variable that it is meant for.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The name that stands for it: half of a hash of the key and the token.
    pub fn name(&self, key: &Key) -> String {
        let hash = Sha256::new().chain_update(key).chain_update(&self.0).finalize();
        let half = hash.iter().take(16).map(|byte| format!("{byte:02x}"));
        format!("token-{}", half.collect::<String>())
    }
}

/// The file with the key.
const KEY: &str = "key";

/// The key of this config directory, made at random when it is first asked for.
///
/// # Errors
/// [`Failure`]: it cannot be read, or not be made.
pub fn key(shared: &Shared, deadline: Instant) -> Result<Key, Failure> {
    let path = shared.path(KEY);
    // Under a lock, so that two first users agree on one.
    let mut file = flock::take(shared.open(KEY)?, &path, "the key of the tokens' names", deadline)?;
    read_or_make(&mut file).map_err(|error| Failure::Refused(format!("{}: {error}", path.display())))
}

fn read_or_make(file: &mut File) -> io::Result<Key> {
    let mut bytes = Vec::new();
    file.take(64).read_to_end(&mut bytes)?;
    if let Ok(key) = Key::try_from(bytes) {
        return Ok(key);
    }
    // Empty, or cut off. Another key gives other names, which costs an uneven turn.
    let mut key = Key::default();
    rustix::rand::getrandom(&mut key, rustix::rand::GetRandomFlags::empty())?;
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&key)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_depends_on_token_and_key_and_shows_neither() {
        let token = Secret::new("sk-ant-oat01-made-up".into());
        let name = token.name(&[1; 32]);
        assert_eq!(name.len(), "token-".len() + 32);
        assert!(!name.contains("made-up"));
        assert_eq!(name, token.name(&[1; 32]));
        assert_ne!(name, token.name(&[2; 32]));
        assert_ne!(name, Secret::new("sk-ant-oat01-other".into()).name(&[1; 32]));
    }

    #[test]
    fn a_key_is_made_once_and_again_if_it_is_damaged() {
        let mut file = tempfile::tempfile().expect("a temporary file");
        let mut key = || {
            file.rewind().expect("a file");
            read_or_make(&mut file).expect("a key")
        };
        let first = key();
        assert_eq!(key(), first);
        assert_ne!(first, [0; 32]);
        file.set_len(5).expect("a file");
        file.rewind().expect("a file");
        assert_ne!(read_or_make(&mut file).expect("a key"), first);
    }
}
