//! A kernel in memory: directories, files with flock, processes that can be killed, and a clock that only
//! moves when the exploration says so. Every effect is recorded against the process that made it, so that a
//! broken invariant names the step.

use std::collections::{BTreeMap, BTreeSet};

use lockspan_core::lease::{self, Lease};
use lockspan_core::record::{BOOT_ID_LENGTH, HOST_LENGTH, RECORD_LENGTH};
use lockspan_core::{Identity, Time, stale};
use lockspan_lock::kernel::{Errno, OpenGuard, Owner, Place, Result, Shared, Stat, Times};

/// What can differ between filesystems.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Filesystem {
    /// Whether a lock that one process has is refused to another.
    pub coherent_flock: bool,
    /// Whether directories have a birth time.
    pub birth_times: bool,
    /// Whether the credentials file is all that the homes share.
    pub file_mount: bool,
    /// Whether each home is on a kernel of its own.
    pub many_kernels: bool,
}

/// Where a directory or file is. Everything but the sibling is shared by all, or nothing is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Path {
    home: u8,
    place: Place,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Node {
    identity: Identity,
    mtime: u64,
    /// The process that made it.
    maker: usize,
    /// When that process made or touched it last.
    beat: u64,
}

/// The state of the world.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct World {
    filesystem: Filesystem,
    /// Milliseconds.
    clock: u64,
    nodes: BTreeMap<Path, Node>,
    records: BTreeMap<Path, Box<[u8]>>,
    births: u32,
    /// flocks: which file each process has locked, by inode.
    flocks: BTreeSet<(u64, usize)>,
    /// Leases of the credentials file, each with its number and the process that has it.
    leases: BTreeMap<u64, (usize, Lease)>,
    /// Processes between taking and releasing, as they themselves believe.
    critical: BTreeSet<usize>,
    /// Processes that ended or were killed.
    ended: BTreeSet<usize>,
    /// Processes whose lock was removed by somebody's staleness rule: they no longer count.
    robbed: BTreeSet<usize>,
    /// Processes whose lease had run out when another took one, or when they gave it back: they no longer count.
    passed: BTreeSet<usize>,
    /// The process that went to sleep in the last step.
    pub sleeper: Option<usize>,
    /// Whether the last step read a clock, or made, touched or removed a directory. Time that passes after any
    /// other step might as well have passed before it.
    pub timely: bool,
    /// What broke, if anything did.
    pub broken: Option<String>,
}

const START: u64 = 1_000_000_000;

impl World {
    pub fn new(filesystem: Filesystem) -> World {
        World {
            filesystem,
            clock: START,
            nodes: BTreeMap::new(),
            records: BTreeMap::new(),
            births: 0,
            flocks: BTreeSet::new(),
            leases: BTreeMap::new(),
            critical: BTreeSet::new(),
            ended: BTreeSet::new(),
            robbed: BTreeSet::new(),
            passed: BTreeSet::new(),
            sleeper: None,
            timely: true,
            broken: None,
        }
    }

    fn path(&self, home: u8, place: Place) -> Path {
        let private = place == Place::Sibling || self.filesystem.file_mount;
        Path { home: if private { home } else { 0 }, place }
    }

    fn break_with(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    /// The smallest free inode number, so that numbers are reused at once, as real filesystems do.
    fn create(&mut self, path: Path, maker: usize) -> Identity {
        let used: BTreeSet<u64> = self
            .nodes
            .values()
            .map(|node| node.identity.ino)
            .chain(self.flocks.iter().map(|(ino, _)| *ino))
            .collect();
        let ino = (1..).find(|ino| !used.contains(ino)).expect("numbers do not run out");
        self.births += 1;
        let birth =
            if self.filesystem.birth_times { Time { sec: 1, nsec: self.births } } else { Time::default() };
        let identity = Identity { dev: 1, ino, birth };
        self.nodes.insert(path, Node { identity, mtime: self.clock, maker, beat: self.clock });
        identity
    }

    /// Milliseconds of the clock that never steps.
    pub fn monotonic(&self) -> u64 {
        self.clock
    }

    pub fn now(&self) -> Time {
        Time { sec: (self.clock / 1000) as i64, nsec: (self.clock % 1000 * 1_000_000) as u32 }
    }

    pub fn pass(&mut self, milliseconds: u64) {
        self.clock += milliseconds;
    }

    pub fn mkdir(&mut self, actor: usize, home: u8, place: Place) -> Result<()> {
        self.timely = true;
        let path = self.path(home, place);
        if self.nodes.contains_key(&path) {
            return Err(Errno::EXIST);
        }
        self.create(path, actor);
        Ok(())
    }

    /// Invariant: nobody removes the directory of a live process that has it, unless it is stale.
    pub fn rmdir(&mut self, actor: usize, home: u8, place: Place) -> Result<()> {
        self.timely = true;
        let path = self.path(home, place);
        let node = self.nodes.remove(&path).ok_or(Errno::NOENT)?;
        let alive = node.maker != actor && !self.ended.contains(&node.maker);
        if alive && !self.robbed.contains(&node.maker) {
            if self.clock - node.beat >= stale::COMMON_THRESHOLD as u64 {
                self.robbed.insert(node.maker);
            } else {
                self.break_with(format!("{actor} removed {place:?} of {}, which lives", node.maker));
            }
        }
        Ok(())
    }

    /// rmdir by a client without the library, which does not look whose directory it is. If it was robbed
    /// itself, it robs its successor: that is upstream's own doing.
    pub fn rmdir_blindly(&mut self, actor: usize, home: u8, place: Place) -> Result<()> {
        if self.robbed.contains(&actor)
            && let Some(node) = self.nodes.get(&self.path(home, place))
            && node.maker != actor
        {
            self.robbed.insert(node.maker);
        }
        self.rmdir(actor, home, place)
    }

    pub fn stat(&self, home: u8, place: Place) -> Result<Stat> {
        let node = self.nodes.get(&self.path(home, place)).ok_or(Errno::NOENT)?;
        let mtime = Time { sec: (node.mtime / 1000) as i64, nsec: (node.mtime % 1000 * 1_000_000) as u32 };
        Ok(Stat { identity: node.identity, mtime })
    }

    pub fn touch(
        &mut self,
        actor: usize,
        home: u8,
        place: Place,
        identity: Identity,
        times: Times,
    ) -> Result<()> {
        self.timely = true;
        assert_eq!(times, Times::NOW, "the model's clients set no other time");
        let clock = self.clock;
        let path = self.path(home, place);
        let node = self.nodes.get_mut(&path).ok_or(Errno::NOENT)?;
        if node.identity != identity {
            return Err(Errno::NOENT);
        }
        node.mtime = clock;
        if node.maker == actor {
            node.beat = clock;
        }
        Ok(())
    }

    pub fn unlink(&mut self, home: u8, place: Place) -> Result<()> {
        let path = self.path(home, place);
        match place {
            Place::Record | Place::SiblingRecord(_) => {
                self.records.remove(&path).map(drop).ok_or(Errno::NOENT)
            }
            _ => self.nodes.remove(&path).map(drop).ok_or(Errno::NOENT),
        }
    }

    pub fn read_record(&self, home: u8, place: Place) -> Option<Box<[u8]>> {
        self.records.get(&self.path(home, place)).cloned()
    }

    pub fn write_record(&mut self, home: u8, place: Place, record: &[u8; RECORD_LENGTH]) {
        self.records.insert(self.path(home, place), Box::from(record.as_slice()));
    }

    pub fn shared_lock(&mut self, actor: usize, lease: Lease) -> Shared {
        self.timely = true;
        if !self.filesystem.file_mount {
            return Shared::NotNeeded;
        }
        let overlap = |one: Lease, other: Lease| one.start < other.end && other.start < one.end;
        let exclude = |(_, other): &(usize, Lease)| {
            overlap(lease, *other) || overlap(lease.others(), *other) || overlap(lease, other.others())
        };
        if self.leases.values().any(exclude) {
            return Shared::Busy;
        }
        let clock = self.clock;
        let run_out = self.leases.values().filter(|(_, other)| !lease::runs(other.end, clock));
        self.passed.extend(run_out.map(|(other, _)| *other));
        let number = (1..).find(|number| !self.leases.contains_key(number)).expect("numbers do not run out");
        self.leases.insert(number, (actor, lease));
        self.passed.remove(&actor);
        Shared::Taken(number)
    }

    /// Invariant: nobody gives back what he does not have.
    pub fn shared_drop(&mut self, actor: usize, shared: u64) {
        match self.leases.remove(&shared) {
            // A holder that finds its lease run out lets go of it, and then tells its client.
            Some((holder, lease)) if holder == actor => {
                if !lease::runs(lease.end, self.clock) {
                    self.passed.insert(actor);
                }
            }
            _ => self
                .break_with(format!("{actor} gives back a lease of the credentials file, which is not its")),
        }
    }

    /// Whether another one has taken the lock since this one's lease ran out.
    pub fn was_passed(&self, actor: usize) -> bool {
        self.passed.contains(&actor)
    }

    pub fn has_leases(&self) -> bool {
        !self.leases.is_empty()
    }

    pub fn open_file(&mut self, actor: usize, home: u8, place: Place) -> OpenGuard {
        let path = self.path(home, place);
        let identity = match self.nodes.get(&path) {
            Some(node) => node.identity,
            None => self.create(path, actor),
        };
        OpenGuard { handle: identity.ino, identity }
    }

    pub fn flock(&mut self, actor: usize, handle: u64) -> Option<u64> {
        if self.filesystem.coherent_flock && self.flocks.iter().any(|(file, _)| *file == handle) {
            return None;
        }
        self.flocks.insert((handle, actor));
        Some(handle)
    }

    pub fn refused(&self, home: u8, place: Place) -> bool {
        self.filesystem.coherent_flock
            && self
                .nodes
                .get(&self.path(home, place))
                .is_some_and(|node| self.flocks.iter().any(|(file, _)| *file == node.identity.ino))
    }

    pub fn unlock(&mut self, actor: usize, handle: u64) {
        self.flocks.remove(&(handle, actor));
    }

    /// Invariant: never two holders.
    pub fn enter(&mut self, actor: usize) {
        self.critical.insert(actor);
        let counts = |actor: &&usize| !self.robbed.contains(actor) && !self.passed.contains(actor);
        let holders: Vec<_> = self.critical.iter().filter(counts).collect();
        if holders.len() > 1 {
            let what = format!("two holders: {holders:?}");
            self.break_with(what);
        }
    }

    pub fn leave(&mut self, actor: usize) {
        self.critical.remove(&actor);
    }

    /// The process is gone, with its locks, and without a chance to tidy up.
    pub fn end(&mut self, actor: usize) {
        self.flocks.retain(|(_, holder)| *holder != actor);
        self.leases.retain(|_, (holder, _)| *holder != actor);
        self.critical.remove(&actor);
        self.ended.insert(actor);
    }

    pub fn has_lock_directories(&self) -> bool {
        self.nodes.keys().any(|path| matches!(path.place, Place::Lock | Place::Sibling))
    }

    pub fn owner(&self, actor: usize, home: u8) -> Owner {
        let kernel = if self.filesystem.many_kernels { home } else { 0 };
        Owner {
            boot: Some([b'b' + kernel; BOOT_ID_LENGTH]),
            pid_namespace: actor as u64 + 1,
            time_namespace: 1,
            started: 1,
            host: [0; HOST_LENGTH],
        }
    }
}
