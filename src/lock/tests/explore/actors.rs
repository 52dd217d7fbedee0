//! The processes of a scenario: clients with the library, which run the real protocol code, and clients
//! without it, which do what upstream does.
//!
//! A process is run again from its start for every step: it is given the recorded results of its earlier
//! calls, makes one more, and is stopped at the next.

use std::panic::resume_unwind;

use lockspan_core::lease::Lease;
use lockspan_core::record::Record;
use lockspan_core::{Cycle, Identity, Time, stale};
use lockspan_lock::kernel::{Errno, Kernel, OpenGuard, Owner, Place, Result, Shared, Signals, Stat, Times};
use lockspan_lock::protocol::{self, Asked, Make, Patience};
use lockspan_lock::slot::Slot;

use crate::world::World;

/// What kind of client a process is, and what it does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Client {
    /// With the library, asks for the sibling.
    Old,
    /// With the library, asks for the lock, then the sibling.
    New,
    /// With the library; exits without removing its lock, as mkdir(1) does.
    Leaves,
    /// Takes nothing, only removes what is proven dead, as `lockspan clean` does.
    Tidies,
    /// Without the library, asks for the sibling.
    ForeignOld,
    /// Without the library, asks for the lock, then the sibling.
    ForeignNew,
}

impl Client {
    pub fn has_library(self) -> bool {
        !matches!(self, Client::ForeignOld | Client::ForeignNew)
    }
}

/// The result of one call.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Answer {
    Done(Result<()>),
    Stat(Result<Stat>),
    Time(Time),
    Clock(u64),
    Record(Option<Box<[u8]>>),
    Open(OpenGuard),
    Locked(Option<u64>),
    Yes(bool),
    Shared(Shared),
}

/// Thrown when a process has made its one call.
pub struct Stopped;

/// A process that is being run.
pub struct Process<'a> {
    pub world: &'a mut World,
    pub history: &'a mut Vec<Answer>,
    pub number: usize,
    pub home: u8,
    /// The call that was made last, for a trace.
    pub call: String,
    replayed: usize,
    may_step: bool,
    slept: u64,
}

impl<'a> Process<'a> {
    pub fn new(world: &'a mut World, history: &'a mut Vec<Answer>, number: usize, home: u8) -> Self {
        Process { world, history, number, home, call: String::new(), replayed: 0, may_step: true, slept: 0 }
    }

    /// A call that others can see or that sees others: the point at which a process is stopped.
    fn step(&mut self, call: &str, make: impl FnOnce(&mut World) -> Answer) -> Answer {
        if let Some(answer) = self.history.get(self.replayed) {
            self.replayed += 1;
            return answer.clone();
        }
        if !self.may_step {
            resume_unwind(Box::new(Stopped));
        }
        self.may_step = false;
        let answer = self.record(make);
        self.call = format!("{call}: {answer:?}");
        answer
    }

    /// A look at the clock: recorded, but no point to stop at.
    fn look(&mut self, make: impl FnOnce(&mut World) -> Answer) -> Answer {
        if let Some(answer) = self.history.get(self.replayed) {
            self.replayed += 1;
            return answer.clone();
        }
        self.world.timely = true;
        self.record(make)
    }

    fn record(&mut self, make: impl FnOnce(&mut World) -> Answer) -> Answer {
        let answer = make(self.world);
        self.history.push(answer.clone());
        self.replayed += 1;
        answer
    }

    fn done(&mut self, call: &str, make: impl FnOnce(&mut World) -> Result<()>) -> Result<()> {
        match self.step(call, |world| Answer::Done(make(world))) {
            Answer::Done(result) => result,
            other => unreachable!("{other:?}"),
        }
    }

    fn was_passed(&mut self) -> bool {
        let number = self.number;
        match self.look(|world| Answer::Yes(world.was_passed(number))) {
            Answer::Yes(yes) => yes,
            other => unreachable!("{other:?}"),
        }
    }

    fn yes(&mut self, call: &str, make: impl FnOnce(&mut World) -> bool) -> bool {
        match self.step(call, |world| Answer::Yes(make(world))) {
            Answer::Yes(yes) => yes,
            other => unreachable!("{other:?}"),
        }
    }
}

impl Kernel for Process<'_> {
    fn pid(&mut self) -> u32 {
        self.number as u32 + 100
    }

    fn thread(&mut self) -> u32 {
        self.pid()
    }

    fn owner(&mut self) -> Owner {
        self.world.owner(self.number, self.home)
    }

    /// The clients of a scenario are in pid namespaces of their own.
    fn is_alive(&mut self, _: u32, _: u64) -> bool {
        unreachable!("no record names a process that can be seen")
    }

    fn wall(&mut self) -> Time {
        match self.look(|world| Answer::Time(world.now())) {
            Answer::Time(time) => time,
            other => unreachable!("{other:?}"),
        }
    }

    fn monotonic(&mut self) -> u64 {
        match self.look(|world| Answer::Clock(world.monotonic())) {
            Answer::Clock(now) => now + self.slept,
            other => unreachable!("{other:?}"),
        }
    }

    fn sleep(&mut self, milliseconds: u64, _: Signals) {
        self.slept += milliseconds;
        let number = self.number;
        let slept = self.done("sleep", |world| {
            world.sleeper = Some(number);
            Ok(())
        });
        assert_eq!(slept, Ok(()));
    }

    fn mkdir(&mut self, place: Place, _mode: u32) -> Result<()> {
        let (number, home) = (self.number, self.home);
        self.done(&format!("mkdir {place:?}"), |world| world.mkdir(number, home, place))
    }

    fn rmdir(&mut self, place: Place) -> Result<()> {
        let (number, home) = (self.number, self.home);
        self.done(&format!("rmdir {place:?}"), |world| world.rmdir(number, home, place))
    }

    fn stat(&mut self, place: Place) -> Result<Stat> {
        let home = self.home;
        match self.step(&format!("stat {place:?}"), |world| Answer::Stat(world.stat(home, place))) {
            Answer::Stat(result) => result,
            other => unreachable!("{other:?}"),
        }
    }

    fn touch(&mut self, place: Place, identity: Identity, times: Times) -> Result<()> {
        let (number, home) = (self.number, self.home);
        self.done(&format!("touch {place:?}"), |world| world.touch(number, home, place, identity, times))
    }

    fn give_to_owner(&mut self, _: Place) {}

    fn unlink(&mut self, place: Place) -> Result<()> {
        let home = self.home;
        self.done(&format!("unlink {place:?}"), |world| world.unlink(home, place))
    }

    fn writable(&mut self, _: Place) -> bool {
        true
    }

    fn read_record(&mut self, place: Place) -> Option<Record> {
        let home = self.home;
        match self.step("read record", |world| Answer::Record(world.read_record(home, place))) {
            Answer::Record(record) => record.and_then(|record| Record::parse(&record)),
            other => unreachable!("{other:?}"),
        }
    }

    fn write_record(&mut self, place: Place, record: &Record) -> Result<()> {
        let home = self.home;
        self.done("write record", |world| {
            world.write_record(home, place, &record.encode());
            Ok(())
        })
    }

    fn guard_open(&mut self) -> Result<OpenGuard> {
        let (number, home) = (self.number, self.home);
        match self.step("open guard", |world| Answer::Open(world.open_file(number, home, Place::Guard))) {
            Answer::Open(open) => Ok(open),
            other => unreachable!("{other:?}"),
        }
    }

    fn guard_lock(&mut self, guard: OpenGuard) -> Result<Option<u64>> {
        let number = self.number;
        match self.step("lock guard", |world| Answer::Locked(world.flock(number, guard.handle))) {
            Answer::Locked(locked) => Ok(locked),
            other => unreachable!("{other:?}"),
        }
    }

    fn guard_refused(&mut self) -> bool {
        let home = self.home;
        self.yes("is the guard refused", |world| world.refused(home, Place::Guard))
    }

    fn guard_drop(&mut self, guard: u64) {
        let number = self.number;
        let dropped = self.done("unlock", |world| {
            world.unlock(number, guard);
            Ok(())
        });
        assert_eq!(dropped, Ok(()));
    }

    fn shared_lock(&mut self, lease: Lease) -> Shared {
        let number = self.number;
        match self.step("lock credentials", |world| Answer::Shared(world.shared_lock(number, lease))) {
            Answer::Shared(shared) => shared,
            other => unreachable!("{other:?}"),
        }
    }

    fn shared_drop(&mut self, shared: u64) {
        let number = self.number;
        let dropped = self.done("unlock credentials", |world| {
            world.shared_drop(number, shared);
            Ok(())
        });
        assert_eq!(dropped, Ok(()));
    }

    // The removal file is never replaced, so that opening and locking it are one step. Waiting for another
    // process is no step at all: the same call is made again once that one has gone on.
    fn removal_lock(&mut self) -> Result<Option<u64>> {
        let (number, home) = (self.number, self.home);
        if self.replayed == self.history.len() && self.world.refused(home, Place::Removal) {
            self.world.sleeper = Some(number);
            resume_unwind(Box::new(Stopped));
        }
        match self.step("lock removals", |world| {
            let file = world.open_file(number, home, Place::Removal);
            Answer::Locked(world.flock(number, file.handle))
        }) {
            Answer::Locked(locked) => Ok(locked),
            other => unreachable!("{other:?}"),
        }
    }

    fn removal_unlock(&mut self, removal: u64) {
        self.guard_drop(removal);
    }
}

/// How a client's whole run ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// It held the lock and gave it back, or left it.
    Held,
    /// It gave up.
    GaveUp,
}

/// Runs a client: takes the lock, with one try more after a stale one was removed, holds it, and gives it
/// back.
pub fn run(client: Client, process: &mut Process<'_>, patience: Patience) -> Outcome {
    match client {
        Client::Old => with_library(process, Asked::Sibling, false, patience),
        Client::New => with_library(process, Asked::Lock, false, patience),
        Client::Leaves => with_library(process, Asked::Sibling, true, patience),
        Client::Tidies => tidy(process),
        Client::ForeignOld => without_library(process, &[Place::Sibling]),
        Client::ForeignNew => without_library(process, &[Place::Lock, Place::Sibling]),
    }
}

fn enter(process: &mut Process<'_>) {
    let number = process.number;
    let entered = process.done("enter", |world| {
        world.enter(number);
        Ok(())
    });
    assert_eq!(entered, Ok(()));
}

fn leave(process: &mut Process<'_>) {
    let number = process.number;
    let left = process.done("leave", |world| {
        world.leave(number);
        Ok(())
    });
    assert_eq!(left, Ok(()));
}

fn with_library(process: &mut Process<'_>, asked: Asked, leaves: bool, patience: Patience) -> Outcome {
    let slot = Slot::new();
    // Time may pass between its first look at the clock and what it does then.
    let begun = process.done("begin", |_| Ok(()));
    assert_eq!(begun, Ok(()));
    let mkdir = |process: &mut Process<'_>, asked| match protocol::decide(process, &slot, asked) {
        Make::Nested => protocol::nested(process, &slot, 0o777).is_ok(),
        Make::Take(cycle) => {
            assert_eq!(cycle == Cycle::Redirected, asked == Asked::Sibling);
            protocol::take(process, &slot, cycle, 0o777, patience).is_ok()
        }
    };
    if !mkdir(process, asked) {
        // proper-lockfile: look at what is in the way; if it is stale remove it and try once more.
        let Some((place, mtime)) = protocol::look(process, &slot, asked) else {
            unreachable!("a waiter uses the lock");
        };
        let Ok(stat) = process.stat(place) else { return Outcome::GaveUp };
        let now = process.wall();
        if stale::beats(mtime.unwrap_or(stat.mtime), now) {
            return Outcome::GaveUp;
        }
        let removed = protocol::remove(process, &slot, asked);
        assert!(removed.is_some(), "a waiter's rmdir is never done as it was asked");
        if !mkdir(process, asked) {
            return Outcome::GaveUp;
        }
    }
    if asked == Asked::Lock && !mkdir(process, Asked::Sibling) && !make(process, Place::Sibling) {
        let _ = protocol::remove(process, &slot, asked);
        return Outcome::GaveUp;
    }
    enter(process);
    // A heartbeat; a holder that was robbed hears of it and stops.
    let passed = process.was_passed();
    let beats = protocol::heartbeat(process, &slot, asked, Times::NOW);
    assert!(beats.is_some(), "a holder's heartbeat is never done as it was asked");
    assert!(!passed || beats == Some(Err(Errno::NOENT)), "a holder that another one has passed hears of it");
    leave(process);
    if leaves {
        protocol::leave(process, &slot);
        return Outcome::Held;
    }
    if asked == Asked::Lock {
        let holds = slot.held(process.pid()).is_some();
        match protocol::remove(process, &slot, Asked::Sibling) {
            None => drop(process.rmdir(Place::Sibling)),
            Some(_) => assert!(!holds, "a new client's sibling is its own business, unless it was robbed"),
        }
    }
    let _ = protocol::remove(process, &slot, asked);
    Outcome::Held
}

fn tidy(process: &mut Process<'_>) -> Outcome {
    for asked in [Asked::Sibling, Asked::Lock] {
        // What it may not remove is for the world to say.
        let _ = protocol::remove_dead(process, asked);
    }
    // It has got what it came for.
    Outcome::Held
}

/// Upstream's own mkdir. The removal of a stale directory and the mkdir after it are one step here: two
/// upstream clients that remove at the same time can rob each other, and no library in a third one can help.
fn make(process: &mut Process<'_>, place: Place) -> bool {
    let (number, home) = (process.number, process.home);
    let made =
        process.done(&format!("upstream mkdir {place:?}"), |world| match world.mkdir(number, home, place) {
            Err(Errno::EXIST) if !stale::beats(world.stat(home, place)?.mtime, world.now()) => {
                world.rmdir(number, home, place)?;
                world.mkdir(number, home, place)
            }
            other => other,
        });
    made.is_ok()
}

/// Upstream's own steps.
fn without_library(process: &mut Process<'_>, places: &[Place]) -> Outcome {
    for (index, place) in places.iter().enumerate() {
        if !make(process, *place) {
            give_back(process, &places[..index]);
            return Outcome::GaveUp;
        }
    }
    enter(process);
    leave(process);
    give_back(process, places);
    Outcome::Held
}

fn give_back(process: &mut Process<'_>, places: &[Place]) {
    let (number, home) = (process.number, process.home);
    for place in places.iter().rev() {
        // ENOENT, which upstream ignores, is the only failure.
        let _ = process
            .done(&format!("upstream rmdir {place:?}"), |world| world.rmdir_blindly(number, home, *place));
    }
}
