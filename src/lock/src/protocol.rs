//! The lock protocol for a config directory that processes share.
//!
//! Mutual exclusion rests on `mkdir` of one shared path, the **lock** inside the config directory, which is
//! also where clients without the library look. The **guard**, a file with a flock, only says whether the
//! holder lives; where flock does not work, that costs speed and never safety.
//!
//! - An old client asks for the **sibling** lock beside the config directory. It is given the lock **and** the
//!   sibling, so that it excludes new clients everywhere and old clients without the library wherever the
//!   sibling reaches ([`take`] with [`Cycle::Redirected`]).
//! - A new client asks for the lock itself ([`Cycle::InPlace`]). The sibling that it takes while it holds the
//!   lock stays its own business.
//! - A directory in the way is replaced at once if, and only if, its owner is **proven dead**: the guard is
//!   free, and the record names this kernel, this guard and this very directory.
//! - Where the credentials file is a mount of its own, it may be all that is shared. Then a lock on **that file**
//!   is taken first and given back last; the directories, which only their own container sees, come on top. It is a
//!   [lease], which the holder's heartbeat renews: one that was stopped for too long has lost it, whether somebody came
//!   or not.
//! - Anything else in the way is respected, until the asking client's own staleness rule removes it
//!   ([`remove`]). Then the robbed holder's guard is retired, so that nobody waits for it.
//! - A holder that wakes up after that touches and removes nothing that is no longer its own.
//!
//! Nothing here may decide by a client's version; only by what a process did.

use lockspan_core::lease::{self, Lease};
use lockspan_core::names::sibling_key;
use lockspan_core::record::Record;
use lockspan_core::{Cycle, Identity, Time, stale};

use crate::kernel::{Errno, Kernel, Owner, Place, Result, Shared, Signals, Stat, Times};
use crate::slot::{Held, OwnLease, Slot};

// Results that are ignored below are those of steps without which the lock is as exclusive as before, only
// slower to take over; each says so.

/// How long a contended [`take`] waits before it says so. Milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// For a live holder to give the lock back.
    pub total: u64,
    /// Between two looks.
    pub step: u64,
    /// Until a busy guard without a lock directory counts as one whose holder has lost its lock. A holder is
    /// in that state between two system calls only.
    pub absent: u64,
}

/// Why a lock was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blocked {
    /// This process holds it already, or another of its threads is taking or releasing it.
    OwnProcess,
    /// A live process with the library holds it.
    Held,
    /// A live process that shares only the credentials file holds it.
    HeldElsewhere,
    /// A directory is in the way that nobody is proven to have left.
    Foreign,
    /// An old client without the library holds the sibling lock.
    ForeignSibling,
    /// The kernel refused the lock directory for another reason.
    Refused(Errno),
    /// The config directory takes no lock directory, but the login can be stored all the same: the client is
    /// to do what it would do without the library.
    NotHere,
    /// Only the credentials file is shared, and locks on it do not work: the same.
    NoSharedLock,
}

/// How a lock was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// It was free.
    Free,
    /// Its owner was proven dead; what it left was replaced.
    FromDead,
}

/// Takes the lock: what `mkdir` becomes.
///
/// Waits within `patience` for a live holder. `mode` is mkdir's.
///
/// # Errors
/// Why it was not taken. To the client every [`Blocked`] is `EEXIST`, except [`Blocked::Refused`], which
/// carries the kernel's own error, and [`Blocked::NotHere`].
pub fn take<K: Kernel>(
    kernel: &mut K,
    slot: &Slot,
    cycle: Cycle,
    mode: u32,
    patience: Patience,
) -> core::result::Result<Taken, Blocked> {
    let pid = kernel.pid();
    let thread = kernel.thread();
    let claim = match slot.claim(pid, thread) {
        Some(claim) => claim,
        None => {
            // Somebody else may have removed the lock of this process, which then does not hold it.
            let held = slot.held(pid).ok_or(Blocked::OwnProcess)?;
            if has_all(kernel, slot, &held) {
                return Err(Blocked::OwnProcess);
            }
            release(kernel, slot, &held, Client::Robbed);
            slot.claim(pid, thread).ok_or(Blocked::OwnProcess)?
        }
    };
    slot.set_user(pid, cycle);
    let owner = kernel.owner();
    let start = kernel.monotonic();
    loop {
        match attempt(kernel, &owner, cycle, mode) {
            Ok((held, shared, taken)) => {
                slot.present();
                slot.set_shared(shared);
                claim.hold(pid, &held);
                return Ok(taken);
            }
            Err(blocked) if worth_waiting(kernel, slot, blocked, start, patience) => {
                kernel.sleep(patience.step, Signals::Delivered);
                if !claim.is_valid() {
                    return Err(Blocked::OwnProcess);
                }
            }
            Err(blocked @ (Blocked::NotHere | Blocked::NoSharedLock)) => {
                claim.end(pid);
                return Err(blocked);
            }
            Err(blocked) => {
                if blocked != Blocked::Held {
                    slot.present();
                }
                claim.free(pid);
                return Err(blocked);
            }
        }
    }
}

/// Whether a live holder will give the lock back in time; retires the guard of one that has lost its lock.
fn worth_waiting<K: Kernel>(
    kernel: &mut K,
    slot: &Slot,
    blocked: Blocked,
    start: u64,
    patience: Patience,
) -> bool {
    let now = kernel.monotonic();
    match blocked {
        Blocked::Held => {}
        // Its lock directory is nowhere to be seen.
        Blocked::HeldElsewhere => return now.saturating_sub(start) < patience.total,
        _ => return false,
    }
    match kernel.stat(Place::Lock) {
        Ok(stat) => {
            slot.present();
            // Without a heartbeat the client's own staleness rule must get to see the lock.
            if !stale::beats(stat.mtime, kernel.wall()) {
                return false;
            }
        }
        Err(Errno::NOENT) => {
            if now.saturating_sub(slot.absent(now)) >= patience.absent {
                slot.present();
                retire_guard(kernel);
            }
        }
        Err(_) => return false,
    }
    now.saturating_sub(start) < patience.total
}

/// A locked guard.
#[derive(Clone, Copy)]
struct Guard {
    handle: u64,
    file: Identity,
    /// Whether a second open of the file is refused the lock, as it must be for a free guard to mean anything.
    coherent: bool,
}

/// One attempt, without waiting.
fn attempt<K: Kernel>(
    kernel: &mut K,
    owner: &Owner,
    cycle: Cycle,
    mode: u32,
) -> core::result::Result<(Held, Option<OwnLease>, Taken), Blocked> {
    let start = kernel.monotonic();
    let lease = Lease::new(owner.boot.as_ref(), owner.time_namespace, start);
    let shared = match kernel.shared_lock(lease) {
        Shared::NotNeeded => None,
        Shared::Taken(handle) => Some(OwnLease { handle, end: lease.end }),
        Shared::Busy => return Err(Blocked::HeldElsewhere),
        Shared::Refused(errno) => return Err(Blocked::Refused(errno)),
        Shared::Incoherent => return Err(Blocked::NoSharedLock),
    };
    let result = match lock_guard(kernel) {
        Ok(guard) => {
            let result = make(kernel, owner, guard, cycle, mode, start);
            if let (Err(_), Some(guard)) = (&result, guard) {
                kernel.guard_drop(guard.handle);
            }
            result
        }
        Err(blocked) => Err(blocked),
    };
    match (result, shared) {
        (Ok((held, taken)), shared) => Ok((held, shared, taken)),
        (Err(blocked), shared) => {
            if let Some(shared) = shared {
                kernel.shared_drop(shared.handle);
            }
            Err(blocked)
        }
    }
}

/// How often a guard that was replaced while it was being locked is tried again.
const GUARD_TRIES: usize = 3;

/// Locks the guard. `None` where there is no working guard: then exclusion rests on mkdir alone.
fn lock_guard<K: Kernel>(kernel: &mut K) -> core::result::Result<Option<Guard>, Blocked> {
    for _ in 0..GUARD_TRIES {
        let Ok(open) = kernel.guard_open() else { return Ok(None) };
        match kernel.guard_lock(open) {
            Ok(Some(handle)) => {
                // A guard that was retired meanwhile is one that nobody else will look at.
                if kernel.stat(Place::Guard).is_ok_and(|stat| stat.identity == open.identity) {
                    let coherent = kernel.guard_refused();
                    return Ok(Some(Guard { handle, file: open.identity, coherent }));
                }
                kernel.guard_drop(handle);
            }
            Ok(None) => return Err(Blocked::Held),
            Err(_) => return Ok(None),
        }
    }
    Ok(None)
}

/// Makes the directories and writes the record, with the guard in hand.
fn make<K: Kernel>(
    kernel: &mut K,
    owner: &Owner,
    guard: Option<Guard>,
    cycle: Cycle,
    mode: u32,
    start: u64,
) -> core::result::Result<(Held, Taken), Blocked> {
    // All that the record says is gathered first: a process that dies between mkdir and the record leaves an
    // orphan that nothing is known of.
    let since = kernel.wall();
    let pid = kernel.pid();

    let taken = match kernel.mkdir(Place::Lock, mode) {
        Ok(()) => Taken::Free,
        Err(Errno::EXIST) => replace_dead(kernel, guard, mode)?,
        Err(Errno::ROFS | Errno::ACCESS | Errno::PERM)
            if cycle == Cycle::Redirected && kernel.writable(Place::Credentials) =>
        {
            return Err(Blocked::NotHere);
        }
        Err(errno) => return Err(Blocked::Refused(errno)),
    };
    let lock = made(kernel, Place::Lock, start)?;

    let sibling = match cycle {
        Cycle::InPlace => None,
        Cycle::Redirected => {
            kernel.give_to_owner(Place::Lock);
            match make_sibling(
                kernel,
                guard.filter(|guard| guard.coherent).map(|guard| guard.file),
                lock,
                mode,
            ) {
                Ok(()) => match made(kernel, Place::Sibling, start) {
                    Ok(sibling) => Some(sibling),
                    Err(blocked) => {
                        let _ = remove_exactly(kernel, Place::Lock, lock);
                        return Err(blocked);
                    }
                },
                // Nobody who sees this path can make it, so it excludes nobody.
                Err(Errno::ROFS) => None,
                Err(errno) => {
                    let _ = remove_exactly(kernel, Place::Lock, lock);
                    return Err(match errno {
                        Errno::EXIST => Blocked::ForeignSibling,
                        errno => Blocked::Refused(errno),
                    });
                }
            }
        }
    };

    if let (Some(guard), Some(boot)) = (guard, owner.boot) {
        let record = Record {
            boot,
            guard: guard.file,
            coherent: guard.coherent,
            lock,
            sibling,
            cycle,
            left: false,
            pid,
            pid_namespace: owner.pid_namespace,
            started: owner.started,
            since,
            host: owner.host,
        };
        // Without a record the lock is as good, but nobody can prove its owner's death.
        let _ = kernel.write_record(Place::Record, &record);
        write_sibling_record(kernel, &record);
    }
    Ok((Held { guard: guard.map(|guard| guard.handle), lock, sibling, cycle }, taken))
}

/// Which directory this process has just made, having begun at `start`. A process that was stopped in between cannot
/// tell: its directory may have been called stale, and another be in its place. Then it must touch neither. A lease that
/// it took is of no use either, by when it looked at its clock.
fn made<K: Kernel>(kernel: &mut K, place: Place, start: u64) -> core::result::Result<Identity, Blocked> {
    let stat = kernel.stat(place).map_err(|_| Blocked::Foreign)?;
    let took = kernel.monotonic().saturating_sub(start);
    if took < stale::SMALLEST_THRESHOLD.unsigned_abs() { Ok(stat.identity) } else { Err(Blocked::Foreign) }
}

/// Replaces the lock directory in the way if its owner is proven dead. Apart from its caller, whose frame need not hold
/// two records.
#[inline(never)]
fn replace_dead<K: Kernel>(
    kernel: &mut K,
    guard: Option<Guard>,
    mode: u32,
) -> core::result::Result<Taken, Blocked> {
    let guard = guard.filter(|guard| guard.coherent).ok_or(Blocked::Foreign)?;
    let lock = dead_lock(kernel, guard.file).ok_or(Blocked::Foreign)?;
    remove_exactly(kernel, Place::Lock, lock).map_err(|_| Blocked::Foreign)?;
    kernel.mkdir(Place::Lock, mode).map_err(|_| Blocked::Foreign)?;
    Ok(Taken::FromDead)
}

/// The lock directory in the way, if its owner is proven dead; `guard` is the file of the coherent guard in hand.
fn dead_lock<K: Kernel>(kernel: &mut K, guard: Identity) -> Option<Identity> {
    let record = kernel.read_record(Place::Record)?;
    let lock = kernel.stat(Place::Lock).ok()?.identity;
    let owner = kernel.owner();
    let dead = record.proves_dead(owner.boot.as_ref(), guard, lock) && !runs_on(kernel, &owner, &record);
    dead.then_some(lock)
}

/// Whether the process that a record names is there to be seen: it gave up its guard by exec, and its lock is not
/// for others to take at once.
fn runs_on<K: Kernel>(kernel: &mut K, asker: &Owner, record: &Record) -> bool {
    asker.pid_namespace != 0
        && asker.pid_namespace == record.pid_namespace
        && record.pid != kernel.pid()
        && kernel.is_alive(record.pid, record.started)
}

/// mkdir of the sibling; one in the way is replaced if its owner is proven dead, `guard` being the file of the
/// coherent guard in hand, and `lock` the lock that is held with it.
fn make_sibling<K: Kernel>(kernel: &mut K, guard: Option<Identity>, lock: Identity, mode: u32) -> Result<()> {
    match (kernel.mkdir(Place::Sibling, mode), guard) {
        (Err(Errno::EXIST), Some(guard)) => {
            // One that is gone by now was there: to the client nothing but EEXIST means that it may try again.
            let sibling = kernel.stat(Place::Sibling).map_err(|_| Errno::EXIST)?.identity;
            let place = Place::SiblingRecord(sibling_key(sibling));
            if !is_dead_sibling(kernel, guard, Some(lock), sibling) {
                return Err(Errno::EXIST);
            }
            remove_exactly(kernel, Place::Sibling, sibling).map_err(|_| Errno::EXIST)?;
            let _ = kernel.unlink(place);
            kernel.mkdir(Place::Sibling, mode)
        }
        (result, _) => result,
    }
}

/// Whether the owner of this sibling is proven dead; `guard` is the file of the coherent guard in hand, `lock` the
/// lock that is held with it.
fn is_dead_sibling<K: Kernel>(
    kernel: &mut K,
    guard: Identity,
    lock: Option<Identity>,
    sibling: Identity,
) -> bool {
    let owner = kernel.owner();
    kernel.read_record(Place::SiblingRecord(sibling_key(sibling))).is_some_and(|record| {
        // A record of this very lock is our own.
        !lock.is_some_and(|lock| record.names(lock))
            && record.proves_sibling_dead(owner.boot.as_ref(), guard, sibling)
            && !runs_on(kernel, &owner, &record)
    })
}

/// Removes the lock directory at a path if its owner is proven dead, and makes nothing. For tools that tidy up:
/// clients do so on their way to the lock.
///
/// Answers whether something was removed. A sibling is to be removed before the lock, as holders do it.
///
/// # Errors
/// The kernel's, for a directory that could be removed but for that.
pub fn remove_dead<K: Kernel>(kernel: &mut K, asked: Asked) -> Result<bool> {
    let place = asked.place();
    let Ok(found) = kernel.stat(place) else { return Ok(false) };
    let record = match asked {
        Asked::Lock => Place::Record,
        Asked::Sibling => Place::SiblingRecord(sibling_key(found.identity)),
    };
    // Without a record nothing is proven. To lock the guard could make one.
    if kernel.read_record(record).is_none() {
        return Ok(false);
    }
    let Ok(Some(guard)) = lock_guard(kernel) else { return Ok(false) };
    let dead = guard.coherent
        && match asked {
            Asked::Lock => dead_lock(kernel, guard.file) == Some(found.identity),
            Asked::Sibling => is_dead_sibling(kernel, guard.file, None, found.identity),
        };
    let result = if dead { remove_exactly(kernel, place, found.identity) } else { Ok(()) };
    if dead && result.is_ok() {
        // What it says of a directory that is gone can prove nothing any more.
        let _ = kernel.unlink(record);
    }
    kernel.guard_drop(guard.handle);
    match result {
        Ok(()) => Ok(dead),
        // Somebody else was quicker.
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Keeps a record of the sibling too. The lock's own record is the next holder's as soon as one takes the lock
/// over in another container, where the dead owner's sibling cannot be seen.
fn write_sibling_record<K: Kernel>(kernel: &mut K, record: &Record) {
    if let Some(sibling) = record.sibling {
        // Without it the sibling's owner cannot be proven dead.
        let _ = kernel.write_record(Place::SiblingRecord(sibling_key(sibling)), record);
    }
}

/// How often, with a sleep of a millisecond each, another process's removal is waited for.
const REMOVAL_TRIES: usize = 100;

/// Removes a lock directory while no other process removes or touches one. Between anybody's look at a
/// directory and his rmdir of that path somebody else could otherwise remove it and make his own, or the
/// holder could wake up.
///
/// Where flock does not work, that is as likely as it is between two clients without the library.
///
/// # Errors
/// `EBUSY` if another process stays at it, as one that was stopped there does; else those of `remove`.
fn removing<K: Kernel>(kernel: &mut K, remove: impl FnOnce(&mut K) -> Result<()>) -> Result<()> {
    match removal_turn(kernel) {
        Turn::Mine(removal) => {
            let result = remove(kernel);
            kernel.removal_unlock(removal);
            result
        }
        Turn::NoFlock => remove(kernel),
        Turn::Busy => Err(Errno::BUSY),
    }
}

/// Whether this process may remove a lock directory now.
enum Turn {
    /// It alone, until it gives this back.
    Mine(u64),
    /// There is no way to tell.
    NoFlock,
    /// Another process is at it.
    Busy,
}

fn removal_turn<K: Kernel>(kernel: &mut K) -> Turn {
    for _ in 0..REMOVAL_TRIES {
        match kernel.removal_lock() {
            Ok(Some(removal)) => return Turn::Mine(removal),
            Ok(None) => kernel.sleep(1, Signals::Blocked),
            Err(_) => return Turn::NoFlock,
        }
    }
    Turn::Busy
}

/// Removes exactly this directory; `ENOENT` if the place no longer leads to it.
fn remove_exactly<K: Kernel>(kernel: &mut K, place: Place, identity: Identity) -> Result<()> {
    removing(kernel, |kernel| {
        let stat = kernel.stat(place)?;
        if stat.identity != identity {
            return Err(Errno::NOENT);
        }
        remove_seen(kernel, place, &stat)
    })
}

/// Removes the directory that was seen a moment ago.
///
/// A client without the library may call it stale just now, remove it and make his own. One that may be called
/// stale is made fresh first, through a descriptor, and looked at again: from then on nobody has a reason to.
fn remove_seen<K: Kernel>(kernel: &mut K, place: Place, seen: &Stat) -> Result<()> {
    if stale::may_be_stale(seen.mtime, kernel.wall()) {
        // One that this process may not touch it may be able to remove all the same.
        let touched = kernel.touch(place, seen.identity, Times::NOW);
        if touched == Err(Errno::NOENT) || kernel.stat(place)?.identity != seen.identity {
            return Err(Errno::NOENT);
        }
    }
    kernel.rmdir(place)
}

/// Lets nobody wait for the guard's present holder any more. The next client makes a new one.
fn retire_guard<K: Kernel>(kernel: &mut K) {
    // A failure leaves things as they were.
    let _ = kernel.unlink(Place::Guard);
}

/// The path by which a client asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Asked {
    /// The lock inside the config directory.
    Lock,
    /// The sibling beside the config directory.
    Sibling,
}

impl Asked {
    /// The place that the path leads to.
    pub fn place(self) -> Place {
        match self {
            Asked::Lock => Place::Lock,
            Asked::Sibling => Place::Sibling,
        }
    }
}

/// What `mkdir` of a path becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Make {
    /// [`take`] with this cycle.
    Take(Cycle),
    /// [`nested`]: a new client takes the sibling while it holds the lock.
    Nested,
}

/// Decides what `mkdir` of a path is to this process, from what it did so far.
pub fn decide<K: Kernel>(kernel: &mut K, slot: &Slot, asked: Asked) -> Make {
    let pid = kernel.pid();
    match asked {
        Asked::Lock => Make::Take(Cycle::InPlace),
        Asked::Sibling => match slot.held(pid) {
            Some(Held { cycle: Cycle::InPlace, .. }) => Make::Nested,
            _ => Make::Take(Cycle::Redirected),
        },
    }
}

/// mkdir of the sibling by a client that holds the lock in place: a plain mkdir, but for a dead owner's sibling
/// in the way, and a record is kept of it.
///
/// # Errors
/// The kernel's.
pub fn nested<K: Kernel>(kernel: &mut K, slot: &Slot, mode: u32) -> Result<()> {
    let pid = kernel.pid();
    let Some(held) = slot.held(pid) else { return kernel.mkdir(Place::Sibling, mode) };
    let record = kernel.read_record(Place::Record).filter(|record| record.names(held.lock));
    let guard = record.filter(|record| record.coherent).map(|record| record.guard);
    make_sibling(kernel, guard, held.lock, mode)?;
    if let Ok(sibling) = kernel.stat(Place::Sibling) {
        slot.set_nested(sibling.identity);
        if let Some(mut record) = record {
            record.sibling = Some(sibling.identity);
            write_sibling_record(kernel, &record);
        }
    }
    Ok(())
}

/// Tells the records that this process exits without having removed its lock.
pub fn leave<K: Kernel>(kernel: &mut K, slot: &Slot) {
    let pid = kernel.pid();
    if let Some(held) = slot.held(pid)
        && let Some(mut record) = kernel.read_record(Place::Record)
        && record.names(held.lock)
    {
        record.left = true;
        // Without it a successor takes the lock over at once, as if this process had been killed.
        let _ = kernel.write_record(Place::Record, &record);
        write_sibling_record(kernel, &record);
    }
}

/// How a `rmdir` ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removed {
    /// The holder gave the lock back.
    Released,
    /// The holder had been robbed; it removed nothing that is not its own.
    WasRobbed,
    /// A client removed a lock that it calls stale.
    Stale,
    /// A client would have removed a lock that nobody can call stale any more.
    TooFresh,
    /// Somebody removed the sibling of a redirected lock, and the lock with it.
    ByOther,
}

/// What `rmdir` becomes; `None` if it is to be done as it was asked.
///
/// The result is the client's: `ENOENT`, which clients ignore, where there is nothing that it may remove.
pub fn remove<K: Kernel>(kernel: &mut K, slot: &Slot, asked: Asked) -> Option<(Removed, Result<()>)> {
    let pid = kernel.pid();
    if let Some(held) = slot.held(pid) {
        return match (asked, held.cycle) {
            (Asked::Sibling, Cycle::InPlace) => None,
            (Asked::Lock, Cycle::Redirected) => remove_stale(kernel, slot, Place::Lock),
            // Another thread was first: there is nothing left that is this one's.
            _ => Some(
                release(kernel, slot, &held, Client::Asked)
                    .unwrap_or((Removed::WasRobbed, Err(Errno::NOENT))),
            ),
        };
    }
    match (asked, slot.user(pid)) {
        (Asked::Sibling, Some(Cycle::Redirected)) => {
            let place = blocking(kernel, asked);
            let removed = remove_stale(kernel, slot, place);
            if place == Place::Lock && matches!(removed, Some((Removed::Stale, Ok(())))) {
                // An old client leaves both. Without this the mkdir that follows would still be blocked.
                remove_stale(kernel, slot, Place::Sibling);
            }
            removed
        }
        // Also a new client's sibling, if it was robbed of the lock under which it took that: it may be another one's.
        (asked, Some(_)) => remove_stale(kernel, slot, asked.place()),
        (Asked::Sibling, None) => remove_redirected(kernel),
        (Asked::Lock, None) => None,
    }
}

/// Why a holder lets go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Client {
    /// Its client removes the lock.
    Asked,
    /// It was found to be robbed. Its client finds its lock compromised, and may remove it all the same: then it
    /// is a waiter, and no stranger to the lock.
    Robbed,
}

/// The holder gives the lock back, or what is left of it.
fn release<K: Kernel>(
    kernel: &mut K,
    slot: &Slot,
    held: &Held,
    client: Client,
) -> Option<(Removed, Result<()>)> {
    let (pid, thread) = (kernel.pid(), kernel.thread());
    let claim = slot.claim_held(pid, thread, held)?;
    // A record that stays says of what stays that its owner is gone, which is true if another process was in the
    // way. If the kernel refused the rmdir it is not, and what is left is for the staleness rule.
    let sibling = held.sibling.map_or(Ok(()), |sibling| remove_exactly(kernel, Place::Sibling, sibling));
    if sibling != Err(Errno::BUSY) {
        // A new client removes its sibling by itself.
        let recorded = held.sibling.unwrap_or(slot.nested());
        let _ = kernel.unlink(Place::SiblingRecord(sibling_key(recorded)));
    }
    let lock = remove_exactly(kernel, Place::Lock, held.lock);
    if !matches!(lock, Err(Errno::NOENT | Errno::BUSY)) {
        let _ = kernel.unlink(Place::Record);
    }
    if let Some(guard) = held.guard {
        kernel.guard_drop(guard);
    }
    if let Some(shared) = slot.take_shared() {
        kernel.shared_drop(shared);
    }
    match client {
        Client::Asked => claim.end(pid),
        Client::Robbed => claim.free(pid),
    }
    Some(match lock.and(sibling) {
        Err(Errno::NOENT) => (Removed::WasRobbed, Err(Errno::NOENT)),
        Err(Errno::BUSY) => (Removed::Released, Ok(())),
        result => (Removed::Released, result),
    })
}

/// rmdir by a client that does not hold the lock: its staleness rule.
///
/// The client looked a moment ago, or longer: somebody else may have been quicker, and his lock is no stale
/// one. So it removes what it was shown, unchanged, or what every client calls stale by now.
fn remove_stale<K: Kernel>(kernel: &mut K, slot: &Slot, place: Place) -> Option<(Removed, Result<()>)> {
    let mut removed = Removed::Stale;
    let result = removing(kernel, |kernel| {
        let stat = kernel.stat(place)?;
        let now = kernel.wall();
        let own = stat.identity == slot.nested();
        let judged = own || slot.was_shown(&stat) && stale::may_be_stale(stat.mtime, now);
        if !judged && stale::beats(stat.mtime, now) {
            removed = Removed::TooFresh;
            return Err(Errno::NOENT);
        }
        remove_seen(kernel, place, &stat)
    });
    if result.is_ok() && place == Place::Lock && kernel.guard_refused() {
        retire_guard(kernel);
    }
    match result {
        Err(Errno::BUSY) => Some((Removed::TooFresh, Err(Errno::NOENT))),
        result => Some((removed, result)),
    }
}

/// rmdir of the sibling by a process that never used the lock, such as rmdir(1) or a forked child of the
/// holder: if it is the sibling of a redirected lock, the lock goes with it, or it would stay for ever.
fn remove_redirected<K: Kernel>(kernel: &mut K) -> Option<(Removed, Result<()>)> {
    let record = kernel.read_record(Place::Record).filter(|record| record.cycle == Cycle::Redirected)?;
    let made = record.sibling.filter(Identity::is_unique)?;
    let sibling = kernel.stat(Place::Sibling).ok()?;
    let lock = kernel.stat(Place::Lock).ok()?;
    if sibling.identity != made || !record.names(lock.identity) {
        return None;
    }
    let result = remove_exactly(kernel, Place::Sibling, made);
    let _ = kernel.unlink(Place::SiblingRecord(sibling_key(made)));
    if result.is_ok() && remove_exactly(kernel, Place::Lock, lock.identity).is_ok() && kernel.guard_refused()
    {
        retire_guard(kernel);
    }
    Some((Removed::ByOther, result))
}

/// What a process gets to see that looks at a lock's path: the place to look at, and another modification time
/// than the real one. `None` if it is to see what it asked for.
///
/// A waiter sees whichever directory blocks it. A robbed holder notices.
pub fn look<K: Kernel>(kernel: &mut K, slot: &Slot, asked: Asked) -> Option<(Place, Option<Time>)> {
    let pid = kernel.pid();
    let user = slot.user(pid)?;
    if (asked, user) == (Asked::Sibling, Cycle::InPlace) {
        return None;
    }
    if let Some(held) = slot.held(pid) {
        if has_all(kernel, slot, &held) {
            // It sees its own sibling, which is touched with the lock, where there is one.
            let as_asked = asked == Asked::Lock || held.sibling.is_some();
            return if as_asked { None } else { Some((Place::Lock, None)) };
        }
        release(kernel, slot, &held, Client::Robbed);
        return Some((blocking(kernel, asked), None));
    }
    let place = blocking(kernel, asked);
    let Ok(stat) = kernel.stat(place) else { return Some((place, None)) };
    slot.set_shown(&stat);
    let mtime = if place == Place::Lock { fresh_mtime(kernel, stat.mtime) } else { None };
    Some((place, mtime))
}

/// Whether a holder still has what it made.
fn has_all<K: Kernel>(kernel: &mut K, slot: &Slot, held: &Held) -> bool {
    let mut is = |place| kernel.stat(place).ok().map(|stat| stat.identity);
    is(Place::Lock) == Some(held.lock)
        && (held.sibling.is_none() || is(Place::Sibling) == held.sibling)
        && slot.shared().is_none_or(|lease| lease::runs(lease.end, kernel.monotonic()))
}

/// Renews a holder's lease of the credentials file, where it has one; `ENOENT` if it has run out: who took it then
/// may have been and gone, and have left a newer login.
fn renew<K: Kernel>(kernel: &mut K, slot: &Slot) -> Result<()> {
    let Some(present) = slot.shared() else { return Ok(()) };
    let now = kernel.monotonic();
    if !lease::runs(present.end, now) {
        return Err(Errno::NOENT);
    }
    if let Some(lease) = lease::renewal(present.end, now)
        && let Shared::Taken(handle) = kernel.shared_lock(lease)
    {
        kernel.shared_drop(slot.renew_shared(present, OwnLease { handle, end: lease.end }));
    }
    // If it was not to be had the present one runs on, until the next heartbeat or its end.
    Ok(())
}

/// Which directory blocks a client that asked for this path.
fn blocking<K: Kernel>(kernel: &mut K, asked: Asked) -> Place {
    match asked {
        Asked::Sibling if kernel.stat(Place::Lock).is_err() => Place::Sibling,
        _ => Place::Lock,
    }
}

/// The time at which a waiter must see the lock touched, instead of the real one: a live holder's lock must
/// not look stale to a client with a shorter threshold than the holder's own.
fn fresh_mtime<K: Kernel>(kernel: &mut K, mtime: Time) -> Option<Time> {
    let now = kernel.wall();
    if !stale::may_be_stale(mtime, now) {
        return None;
    }
    let described = kernel.stat(Place::UpstreamOwner).is_ok();
    (stale::show_as_fresh(mtime, now, described) && kernel.guard_refused()).then_some(now)
}

/// What setting a lock's times becomes, the holder's heartbeat; `None` if it is to be done as it was asked.
///
/// # Errors
/// `ENOENT` once the holder was robbed, so that it never touches its successor's lock; else the kernel's.
pub fn heartbeat<K: Kernel>(kernel: &mut K, slot: &Slot, asked: Asked, times: Times) -> Option<Result<()>> {
    let pid = kernel.pid();
    let held = slot.held(pid)?;
    let sibling = match (asked, held.cycle) {
        (Asked::Sibling, Cycle::Redirected) => held.sibling,
        (Asked::Lock, Cycle::InPlace) => None,
        _ => return None,
    };
    let turn = removal_turn(kernel);
    let result = renew(kernel, slot)
        .and_then(|()| kernel.touch(Place::Lock, held.lock, times))
        .and_then(|()| sibling.map_or(Ok(()), |sibling| kernel.touch(Place::Sibling, sibling, times)));
    if let Turn::Mine(removal) = turn {
        kernel.removal_unlock(removal);
    }
    if result == Err(Errno::NOENT) {
        release(kernel, slot, &held, Client::Robbed);
    }
    Some(result)
}
