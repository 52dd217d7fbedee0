//! The names that clients and lockspan give to things in and beside the config directory.

use crate::hash::{START, hash};
use crate::lease::REGION;

/// What a client appends to the config directory's real path to name the sibling lock.
pub const SIBLING_SUFFIX: &[u8] = b".lock";
/// The login that all this protects.
pub const CREDENTIALS: &[u8] = b".credentials.json";
/// The file in which clients from 2.1.181 on describe the holder of the refresh lock.
pub const UPSTREAM_OWNER: &[u8] = b".oauth_refresh.lock.owner";
/// Our own directory inside the config directory.
pub const STATE_DIR: &[u8] = b".lockspan";
/// What leads to the files in it.
pub const STATE: &[u8] = b"/.lockspan/";
/// The file there whose flock keeps two processes from removing lock directories at the same time.
pub const REMOVAL: &[u8] = b"removal";

/// Files there that say who made a sibling lock; the sixteen hexadecimal digits of [`sibling_key`] follow.
pub const SIBLING_RECORD: &[u8] = b"sibling-";

/// The key of the file that speaks of this sibling lock: an FNV-1a hash of its identity. Two with the same key
/// would cost one of them its record, which makes it slower to take over and nothing else.
pub fn sibling_key(sibling: crate::Identity) -> u64 {
    let birth = sibling.birth;
    let words = [sibling.dev, sibling.ino, birth.sec.cast_unsigned(), u64::from(birth.nsec)];
    words.iter().fold(START, |key, word| hash(key, &word.to_le_bytes()))
}

/// One lock inside a directory, with the files that lockspan keeps for it.
#[derive(Clone, Copy, Debug)]
pub struct LockNames {
    /// The lock directory, relative to the directory, without [`LOCK_SUFFIX`].
    pub stem: &'static [u8],
    /// What the files of this lock in [`STATE_DIR`] are called: the guard, whose flock proves that the holder lives,
    /// and the record, which says who holds the lock.
    pub state: &'static [u8],
    /// The file that the lock protects; empty if it is the directory itself.
    pub credentials: &'static [u8],
    /// Where in that file the leases of this lock lie where only the file is shared ([`crate::lease`]): far behind
    /// the end of any file, where a lock disturbs nobody.
    pub leases: u64,
    /// Whether clients take this lock as a directory beside the directory.
    pub has_sibling: bool,
    /// The name by which events and `lockspan status` call it.
    pub title: &'static str,
}

/// What every lock's name ends with.
pub const LOCK_SUFFIX: &[u8] = b".lock";
/// What the name of a guard ends with.
pub const GUARD_SUFFIX: &[u8] = b".guard";
/// What the name of a record ends with.
pub const RECORD_SUFFIX: &[u8] = b".owner";

/// Where leases begin. What lies before, from 2^62 on, is for other locks of ours.
const LEASES: u64 = (1 << 62) + REGION;

/// The locks of Claude Code; the index is used throughout. Old clients take the first one as a directory beside the
/// config directory.
pub static LOCKS: [LockNames; 2] = [
    LockNames {
        stem: b".oauth_refresh",
        state: b"oauth_refresh",
        credentials: CREDENTIALS,
        leases: LEASES,
        has_sibling: true,
        title: "refresh",
    },
    LockNames {
        stem: b".storage-write",
        state: b"storage-write",
        credentials: CREDENTIALS,
        leases: LEASES + REGION,
        has_sibling: false,
        title: "write",
    },
];

/// The lock of a store that is a directory, as the configuration names it: what its client makes beside it is
/// redirected to this one inside.
pub const DIRECTORY_STORE: LockNames = LockNames {
    stem: b".lockspan",
    state: b"lockspan",
    credentials: b"",
    leases: LEASES,
    has_sibling: true,
    title: "store",
};

/// The lock of a store that is a file of this name.
pub fn file_store(name: &'static [u8]) -> LockNames {
    LockNames {
        stem: name,
        state: name,
        credentials: name,
        leases: LEASES,
        has_sibling: false,
        title: "store",
    }
}

/// What a gate is called.
pub const GATE: &str = "gate";

/// The gate of a store that is a file of this name: a lock that no client knows of.
pub fn gate(name: &'static [u8]) -> LockNames {
    LockNames {
        // In the directory of ours; the path says so.
        stem: name,
        state: name,
        credentials: name,
        leases: LEASES,
        has_sibling: false,
        title: GATE,
    }
}

/// Where a client's config directory is, before symbolic links are followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConfigDirectory<'a> {
    /// The path as the user gave it.
    Given(&'a [u8]),
    /// `.claude` below this home directory.
    BelowHome(&'a [u8]),
}

/// The name of the config directory below a home directory.
pub const CONFIG_BELOW_HOME: &[u8] = b".claude";

/// Picks the config directory as the clients do; an empty variable counts as unset.
///
/// `None` when no variable names one: then no path can be a lock of ours.
pub fn config_directory<'a>(
    secure_storage: Option<&'a [u8]>,
    config: Option<&'a [u8]>,
    home: Option<&'a [u8]>,
) -> Option<ConfigDirectory<'a>> {
    let set = |value: Option<&'a [u8]>| value.filter(|value| !value.is_empty());
    set(secure_storage)
        .or(set(config))
        .map(ConfigDirectory::Given)
        .or(set(home).map(ConfigDirectory::BelowHome))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_config_directory_follows_the_clients_order() {
        let pick = config_directory;
        assert_eq!(pick(Some(b"/s"), Some(b"/c"), Some(b"/h")), Some(ConfigDirectory::Given(b"/s")));
        assert_eq!(pick(None, Some(b"/c"), Some(b"/h")), Some(ConfigDirectory::Given(b"/c")));
        assert_eq!(pick(Some(b""), None, Some(b"/h")), Some(ConfigDirectory::BelowHome(b"/h")));
        assert_eq!(pick(None, None, Some(b"")), None);
        assert_eq!(pick(None, None, None), None);
    }
}
