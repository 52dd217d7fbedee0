//! The names that clients and lockspan give to things in and beside the config directory.

/// The lock that new clients take inside the config directory, and that old clients are redirected to.
pub const REFRESH_LOCK: &[u8] = b".oauth_refresh.lock";
/// The lock that new clients take around writes of the credentials file.
pub const WRITE_LOCK: &[u8] = b".storage-write.lock";
/// What a client appends to the config directory's real path to name the sibling lock.
pub const SIBLING_SUFFIX: &[u8] = b".lock";
/// The login that all this protects.
pub const CREDENTIALS: &[u8] = b".credentials.json";
/// The file in which clients from 2.1.181 on describe the holder of [`REFRESH_LOCK`].
pub const UPSTREAM_OWNER: &[u8] = b".oauth_refresh.lock.owner";
/// Our own directory inside the config directory.
pub const STATE_DIR: &[u8] = b".lockspan";
/// The file whose flock keeps two processes from removing lock directories at the same time.
pub const REMOVAL: &[u8] = b".lockspan/removal";

/// Files that say who made a sibling lock; the sixteen hexadecimal digits of [`sibling_key`] follow.
pub const SIBLING_RECORD: &[u8] = b".lockspan/sibling-";

/// The key of the file that speaks of this sibling lock: an FNV-1a hash of its identity. Two with the same key
/// would cost one of them its record, which makes it slower to take over and nothing else.
pub fn sibling_key(sibling: crate::Identity) -> u64 {
    let birth = sibling.birth;
    let words = [sibling.dev, sibling.ino, birth.sec.cast_unsigned(), u64::from(birth.nsec)];
    let bytes = words.iter().flat_map(|word| word.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// One lock inside the config directory, with the files that lockspan keeps for it.
#[derive(Debug)]
pub struct LockNames {
    /// The lock directory, relative to the config directory.
    pub lock: &'static [u8],
    /// The file whose flock proves that the holder lives.
    pub guard: &'static [u8],
    /// The file that says who holds the lock.
    pub record: &'static [u8],
    /// Which byte of the credentials file stands for this lock where only that file is shared: far behind the end
    /// of any file, where a lock disturbs nobody.
    pub byte: i64,
    /// Whether old clients take this lock as a directory beside the config directory.
    pub has_sibling: bool,
    /// The name by which events and `lockspan status` call it.
    pub title: &'static str,
}

/// Every lock that the library serves; the index is used throughout.
pub static LOCKS: [LockNames; 2] = [
    LockNames {
        lock: REFRESH_LOCK,
        guard: b".lockspan/oauth_refresh.guard",
        record: b".lockspan/oauth_refresh.owner",
        byte: 1 << 62,
        has_sibling: true,
        title: "refresh",
    },
    LockNames {
        lock: WRITE_LOCK,
        guard: b".lockspan/storage-write.guard",
        record: b".lockspan/storage-write.owner",
        byte: (1 << 62) + 1,
        has_sibling: false,
        title: "write",
    },
];

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

    #[test]
    fn lock_files_lie_in_the_state_directory() {
        for lock in &LOCKS {
            for file in [lock.guard, lock.record] {
                assert!(file.starts_with(STATE_DIR) && file.get(STATE_DIR.len()) == Some(&b'/'));
            }
            assert!(lock.lock.ends_with(SIBLING_SUFFIX), "the library's first look is at the suffix");
        }
    }
}
