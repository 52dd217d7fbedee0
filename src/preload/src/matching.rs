//! Which paths are a lock's, or a credentials file's.
//!
//! A path is compared by its last component first; where it lies is for [`crate::directory`] to say.

use core::ffi::{c_char, c_int};

use lockspan_core::config::{MAX_STORES, Store, StoreLock, StorePath};
use lockspan_core::names::{
    CONFIG_BELOW_HOME, CREDENTIALS, ConfigDirectory, DIRECTORY_STORE, LOCK_SUFFIX, LOCKS, LockNames,
    config_directory, file_store, gate,
};
use lockspan_core::path::split_last;
use lockspan_lock::linux::{Linux, PATH_MAX};
use lockspan_lock::protocol::Asked;

use crate::configuration;
use crate::credentials::refresh;
use crate::directory::{self, CLAUDE, Directory};
use crate::environment::value;
use crate::imports::c_string;

/// How many locks there may be: those of Claude Code, and one for each store that the configuration adds.
pub const MAX_LOCKS: usize = LOCKS.len() + MAX_STORES;

/// Claude Code's config directory, if the environment names one.
fn claude() -> Option<Directory<'static>> {
    let given = config_directory(
        value(c"CLAUDE_SECURESTORAGE_CONFIG_DIR"),
        value(c"CLAUDE_CONFIG_DIR"),
        value(c"HOME"),
    )?;
    let (base, below): (&[u8], &[u8]) = match given {
        ConfigDirectory::Given(path) => (path, b""),
        ConfigDirectory::BelowHome(home) => (home, CONFIG_BELOW_HOME),
    };
    Some(Directory { cache: CLAUDE, base, below, lock: LOCKS[0].stem })
}

/// The directory at this path, which is that of the store with this number or a part of it.
fn below(
    number: usize,
    path: StorePath<'static>,
    part: &'static [u8],
    lock: &'static [u8],
) -> Option<Directory<'static>> {
    let (base, below): (&[u8], &[u8]) = match path {
        StorePath::Absolute(_) => (part, b""),
        StorePath::BelowHome(_) => (value(c"HOME")?, part),
    };
    Some(Directory { cache: CLAUDE + 1 + number, base, below, lock })
}

/// The lock of a store: inside it, if it is a directory, else beside it.
fn lock_of(
    kernel: &mut Linux,
    number: usize,
    store: &'static Store<'static>,
) -> Option<(Directory<'static>, Asked)> {
    let path = store.path().bytes();
    let itself = below(number, store.path(), path, DIRECTORY_STORE.stem)?;
    if itself.real_path(kernel.path_buffer()).is_some() {
        return Some((itself, Asked::Sibling));
    }
    Some((file_of(number, store)?, Asked::Lock))
}

/// The directory that a store's file is in.
fn file_of(number: usize, store: &'static Store<'static>) -> Option<Directory<'static>> {
    let (parent, name) = split_last(store.path().bytes())?;
    below(number, store.path(), parent, name)
}

/// The names of a store's lock, by how its client asks for it.
#[inline(never)]
fn names_of(store: &Store<'static>, asked: Asked) -> LockNames {
    let name = name_of(store);
    match (asked, store.lock) {
        (Asked::Sibling, _) => DIRECTORY_STORE,
        (Asked::Lock, StoreLock::Gate) => gate(name),
        (Asked::Lock, StoreLock::Directory | StoreLock::File) => file_store(name),
    }
}

/// The name of a store.
fn name_of(store: &Store<'static>) -> &'static [u8] {
    split_last(store.path().bytes()).map_or(b"", |(_, name)| name)
}

/// Tells which lock a path is, if any, by its index and by how it was asked for; `kernel` serves it from then
/// on.
#[inline(never)]
pub unsafe fn target(at: c_int, path: *const c_char, kernel: &mut Linux) -> Option<(usize, Asked)> {
    // SAFETY: the caller passed a path, and its length was taken before.
    let path = unsafe { c_string(path) }.to_bytes();
    let (parent, last) = split_last(path)?;
    let stem = last.strip_suffix(LOCK_SUFFIX)?;
    let (index, asked) = match LOCKS.iter().position(|names| names.stem == stem) {
        Some(index) => (index, Asked::Lock),
        None => (0, Asked::Sibling),
    };
    let place = Path { at, parent, stem };
    let names = LOCKS.get(index)?;
    if claude().and_then(|claude| place.is_lock_of(&claude, names, asked, kernel)).is_some() {
        return Some((index, asked));
    }
    configuration::stores().iter().enumerate().find_map(|(number, store)| {
        if store.lock == StoreLock::File || name_of(store) != stem {
            return None;
        }
        let (directory, asked) = lock_of(kernel, number, store)?;
        place.is_lock_of(&directory, &names_of(store, asked), asked, kernel)?;
        if let StoreLock::Gate = store.lock {
            refresh::refuse();
            return None;
        }
        Some((LOCKS.len() + number, asked))
    })
}

/// A path that ends with a lock's suffix.
struct Path<'a> {
    at: c_int,
    parent: &'a [u8],
    stem: &'a [u8],
}

impl Path<'_> {
    /// Whether it leads to the lock in, or beside, a directory; `kernel` serves that from then on.
    fn is_lock_of(
        &self,
        directory: &Directory<'_>,
        names: &LockNames,
        asked: Asked,
        kernel: &mut Linux,
    ) -> Option<()> {
        let beside = (asked == Asked::Sibling).then_some(self.stem);
        let length = directory.located(kernel.path_buffer(), self.at, self.parent, beside)?;
        kernel.serve(length, names)
    }
}

/// Whose credentials file a path is; `kernel` serves its directory from then on.
#[inline(never)]
pub unsafe fn credentials(at: c_int, path: *const c_char, kernel: &mut Linux) -> Option<Whose> {
    // SAFETY: the caller passed a path, and its length was taken before.
    let path = unsafe { c_string(path) }.to_bytes();
    let (parent, last) = split_last(path)?;
    if path.last() == Some(&b'/') || !is_credentials_name(last) {
        return None;
    }
    let mut leads_to = |whose: Whose| {
        let (directory, names) = (whose.file()?, whose.names());
        let length = (names.credentials == last)
            .then(|| directory.located(kernel.path_buffer(), at, parent, None))
            .flatten()?;
        kernel.serve(length, &names)?;
        Some(whose)
    };
    // Files of different directories may have the same name.
    (CLAUDE..=configuration::stores().len()).find_map(|index| leads_to(Whose::of(index)?))
}

/// Whether the file of this name may be a credentials file.
pub fn is_credentials_name(name: &[u8]) -> bool {
    name == CREDENTIALS || configuration::stores().iter().any(|store| name_of(store) == name)
}

/// Whose credentials file it is.
#[derive(Clone, Copy)]
pub enum Whose {
    /// Claude Code's.
    Claude,
    /// That of the store with this number.
    Store(usize, &'static Store<'static>),
}

impl Whose {
    /// The index of its directory.
    pub fn directory(self) -> usize {
        match self {
            Whose::Claude => CLAUDE,
            Whose::Store(number, _) => CLAUDE + 1 + number,
        }
    }

    /// The file in the directory of this index.
    pub fn of(directory: usize) -> Option<Whose> {
        match directory.checked_sub(CLAUDE + 1) {
            None => Some(Whose::Claude),
            Some(number) => configuration::stores().get(number).map(|store| Whose::Store(number, store)),
        }
    }

    /// The names of the lock that is for it.
    fn names(self) -> LockNames {
        match self {
            Whose::Claude => LOCKS[0],
            Whose::Store(_, store) => names_of(store, Asked::Lock),
        }
    }

    /// The directory that it is in.
    fn file(self) -> Option<Directory<'static>> {
        match self {
            Whose::Claude => claude(),
            Whose::Store(number, store) => file_of(number, store),
        }
    }

    /// Whether it holds a login and nothing else: what another store's client may write is not known.
    pub fn is_login(self) -> bool {
        matches!(self, Whose::Claude) || self.gate().is_some()
    }

    /// The number of the store, if it has a gate.
    pub fn gate(self) -> Option<usize> {
        match self {
            Whose::Store(number, store) if store.lock == StoreLock::Gate => Some(number),
            _ => None,
        }
    }
}

/// Whether a store's client locks the file of this name.
pub fn locks_by_file(store: &Store<'static>, name: &[u8]) -> bool {
    store.lock == StoreLock::File && name.strip_suffix(LOCK_SUFFIX) == Some(name_of(store))
}

/// Makes `kernel` serve the lock of the store with this number.
pub fn serve_store(kernel: &mut Linux, number: usize) -> Option<()> {
    serve(kernel, LOCKS.len() + number)
}

/// Makes `kernel` serve a lock that this process uses, by its index.
pub fn serve(kernel: &mut Linux, lock: usize) -> Option<()> {
    let (directory, names) = match LOCKS.get(lock) {
        Some(names) => (claude()?, *names),
        None => {
            let wanted = lock.checked_sub(LOCKS.len())?;
            let store = configuration::stores().get(wanted)?;
            let (directory, asked) = lock_of(kernel, wanted, store)?;
            (directory, names_of(store, asked))
        }
    };
    let length = directory.real_path(kernel.path_buffer())?;
    kernel.serve(length, &names)
}

/// Makes `kernel` serve a credentials file where it was found before, whatever the environment says by now.
pub fn serve_file(kernel: &mut Linux, whose: Whose) -> Option<()> {
    directory::serve_kept(kernel, whose.directory(), &whose.names())
}

/// Whether this process has a config directory at all.
#[inline(never)]
pub fn has_directory() -> bool {
    claude().is_some_and(|claude| claude.real_path(&mut [0; PATH_MAX]).is_some())
}
