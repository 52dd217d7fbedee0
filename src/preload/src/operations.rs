//! What a call on a lock's path becomes. Each function answers the call, or says that the original is to.
//!
//! The decisions are the protocol's; this only asks it, waits as long as the calling thread may, and records
//! what happened.

use core::ffi::{c_char, c_int};
use core::sync::atomic::{AtomicBool, Ordering};

use libc::{mode_t, timespec, timeval, utimbuf};
use lockspan_core::names::{LOCKS, file_store};
use lockspan_core::settings::Mode;
use lockspan_core::{Cycle, Time};
use lockspan_lock::kernel::{Errno, Kernel, Place, Times};
use lockspan_lock::linux::Linux;
use lockspan_lock::protocol::{self, Asked, Blocked, Make, Patience, Removed, Taken};
use lockspan_lock::slot::Slot;
use lockspan_lock::sys;

use crate::credentials;
use crate::directory;
use crate::environment;
use crate::events::{self, Event};
use crate::matching::{self, MAX_LOCKS, target};
use crate::shell;

/// What this process holds, by the index of the lock.
static SLOTS: [Slot; MAX_LOCKS] = [const { Slot::new() }; MAX_LOCKS];

/// On the main thread, where clients run their event loop: less than a person notices.
const ON_MAIN_THREAD: Patience = Patience { total: 40, step: 2, absent: 200 };

/// On any other thread. A process that exits joins its threads first, so that this is also how long a waiter's
/// end may take.
const ON_OTHER_THREADS: Patience = Patience { total: 2_000, step: 5, absent: 200 };

type Answer = Option<Result<(), Errno>>;

/// Whether this process, or one that it was forked from, has used a lock: before that nothing but mkdir and
/// rmdir can concern it.
fn in_use() -> bool {
    SLOTS.iter().any(Slot::was_used)
}

/// What this process holds of a lock, by the lock's index.
pub fn slot(lock: usize) -> Option<&'static Slot> {
    SLOTS.get(lock)
}

/// Whether this process holds a lock.
pub fn holds_lock() -> bool {
    let pid = sys::process_id();
    SLOTS.iter().any(|slot| slot.held(pid).is_some())
}

fn record(lock: usize, event: &'static str, detail: &'static str, errno: i32, took: u64) {
    let lock = LOCKS.get(lock).map_or(file_store(b"").title, |names| names.title);
    events::record(Event { lock, event, detail, errno, took });
}

/// A lock that a call is about.
#[derive(Clone, Copy)]
struct Target {
    /// Its index.
    lock: usize,
    asked: Asked,
    slot: &'static Slot,
}

/// The lock that a path is, unless the library is to leave it alone; `kernel` serves it from then on.
unsafe fn served(at: c_int, path: *const c_char, would: &'static str, kernel: &mut Linux) -> Option<Target> {
    let mode = environment::mode();
    if mode == Mode::Off {
        return None;
    }
    // SAFETY: the caller's path.
    let (lock, asked) = unsafe { target(at, path, kernel) }?;
    if mode == Mode::Observe {
        record(lock, "observed", would, 0, 0);
        return None;
    }
    let slot = SLOTS.get(lock)?;
    Some(Target { lock, asked, slot })
}

/// Takes a step of the protocol, during which no signal handler runs. Apart from its caller, whose path would be in the
/// way of the step's own variables.
#[inline(never)]
pub fn undisturbed<R>(kernel: &mut Linux, step: impl FnOnce(&mut Linux) -> R) -> R {
    kernel.block_signals();
    let result = step(kernel);
    kernel.unblock_signals();
    result
}

/// mkdir.
#[cold]
#[inline(never)]
pub unsafe fn make(at: c_int, path: *const c_char, mode: mode_t) -> Answer {
    // Of an earlier lock: judged by what was known then, not by what is found once this one is taken.
    credentials::staged::finish();
    let mut kernel = directory::kernel();
    // SAFETY: the caller's path.
    let target = unsafe { served(at, path, "mkdir", &mut kernel) }?;
    MKDIR_SEEN.store(true, Ordering::Relaxed);
    undisturbed(&mut kernel, |kernel| make_undisturbed(kernel, target, mode))
}

fn make_undisturbed(kernel: &mut Linux, Target { lock, asked, slot }: Target, mode: mode_t) -> Answer {
    let start = kernel.monotonic();
    let cycle = match protocol::decide(kernel, slot, asked) {
        Make::Nested => {
            let result = protocol::nested(kernel, slot, mode);
            record(lock, "nested", "", errno_of(result), 0);
            return Some(result);
        }
        Make::Take(cycle) => cycle,
    };
    let main_thread = kernel.thread() == kernel.pid();
    let patience = if main_thread { ON_MAIN_THREAD } else { ON_OTHER_THREADS };
    let taken = protocol::take(kernel, slot, cycle, mode, patience);
    let took = kernel.monotonic().saturating_sub(start);
    if taken.is_ok() && lock == 0 {
        // The client reads its credentials again, now that it has the lock.
        credentials::note(kernel);
    }
    let (event, detail, answer) = match taken {
        Ok(Taken::Free) => ("taken", how(cycle), Some(Ok(()))),
        Ok(Taken::FromDead) => ("taken-from-dead", how(cycle), Some(Ok(()))),
        Err(Blocked::OwnProcess) => ("blocked", "own-process", Some(Err(Errno::EXIST))),
        Err(Blocked::Held) => ("blocked", "held", Some(Err(Errno::EXIST))),
        Err(Blocked::HeldElsewhere) => ("blocked", "held-elsewhere", Some(Err(Errno::EXIST))),
        Err(Blocked::Foreign) => ("blocked", "foreign", Some(Err(Errno::EXIST))),
        Err(Blocked::ForeignSibling) => ("blocked", "foreign-sibling", Some(Err(Errno::EXIST))),
        Err(Blocked::Refused(errno)) => ("blocked", "refused", Some(Err(errno))),
        Err(Blocked::NotHere) => ("bypassed", "config-directory-not-writable", None),
        Err(Blocked::NoSharedLock) => ("bypassed", "locks-on-credentials-file-do-not-work", None),
    };
    record(lock, event, detail, answer.map_or(0, errno_of), took);
    answer
}

fn how(cycle: Cycle) -> &'static str {
    match cycle {
        Cycle::Redirected => "redirected",
        Cycle::InPlace => "in-place",
    }
}

fn errno_of(result: Result<(), Errno>) -> i32 {
    result.err().map_or(0, |errno| errno.0)
}

/// rmdir, and unlinkat with `AT_REMOVEDIR`.
#[cold]
#[inline(never)]
pub unsafe fn remove(at: c_int, path: *const c_char, flags: c_int) -> Answer {
    if flags != libc::AT_REMOVEDIR {
        return None;
    }
    credentials::staged::finish();
    let mut kernel = directory::kernel();
    // SAFETY: the caller's path.
    let Target { lock, asked, slot } = unsafe { served(at, path, "rmdir", &mut kernel) }?;
    let Some((removed, result)) = undisturbed(&mut kernel, |kernel| protocol::remove(kernel, slot, asked))
    else {
        if !MKDIR_SEEN.load(Ordering::Relaxed) && kernel.stat(asked.place()).is_ok() {
            rmdir_without_mkdir(lock);
        }
        return None;
    };
    let event = match removed {
        Removed::Released => "released",
        Removed::WasRobbed => "robbed",
        Removed::Stale => "stale-removed",
        Removed::TooFresh => "stale-refused",
        Removed::ByOther => "removed-by-other",
    };
    record(lock, event, "", errno_of(result), 0);
    Some(result)
}

/// Whether this process, or one that it was forked from, was ever seen to make a lock, or to try.
static MKDIR_SEEN: AtomicBool = AtomicBool::new(false);

/// A process that removes a lock which nobody saw it make is blind, or is rmdir(1). Said once.
#[cold]
fn rmdir_without_mkdir(lock: usize) {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !SAID.swap(true, Ordering::Relaxed) {
        record(lock, "blind", "rmdir-without-mkdir", 0, 0);
    }
}

/// The times argument of the functions that set a file's times.
pub enum When {
    /// Of utimensat, with its flags.
    Spec(*const timespec, c_int),
    /// Of utimes, lutimes and futimesat.
    Val(*const timeval),
    /// Of utime.
    Buf(*const utimbuf),
}

impl When {
    /// The times meant, or `None` if they cannot be read: then the original says so.
    unsafe fn times(&self) -> Option<Times> {
        let (address, length) = match *self {
            // The original knows what to say to others.
            When::Spec(_, flags) if flags & !libc::AT_SYMLINK_NOFOLLOW != 0 => return None,
            When::Spec(times, _) => (times.addr(), size_of::<[timespec; 2]>()),
            When::Val(times) => (times.addr(), size_of::<[timeval; 2]>()),
            When::Buf(times) => (times.addr(), size_of::<utimbuf>()),
        };
        // In the first and in the last page that they can lie in.
        let last = address.saturating_add(length - 1);
        if address != 0 && !(shell::readable(address) && shell::readable(last)) {
            return None;
        }
        let pair = |times: Option<(Time, Time)>| match times {
            Some((accessed, modified)) => Times { accessed, modified },
            None => Times::NOW,
        };
        // SAFETY: the caller passes NULL or what its function takes, and it can be read.
        Some(unsafe {
            match *self {
                When::Spec(times, _) => {
                    pair(times.cast::<[timespec; 2]>().as_ref().map(|[accessed, modified]| {
                        let time = |spec: &timespec| Time { sec: spec.tv_sec, nsec: spec.tv_nsec as u32 };
                        (time(accessed), time(modified))
                    }))
                }
                When::Val(times) => {
                    pair(times.cast::<[timeval; 2]>().as_ref().map(|[accessed, modified]| {
                        let time = |val: &timeval| Time {
                            sec: val.tv_sec,
                            nsec: (val.tv_usec as u32).wrapping_mul(1000),
                        };
                        (time(accessed), time(modified))
                    }))
                }
                When::Buf(times) => pair(times.as_ref().map(|times| {
                    let time = |sec| Time { sec, nsec: 0 };
                    (time(times.actime), time(times.modtime))
                })),
            }
        })
    }
}

/// utimensat and its relatives.
#[cold]
#[inline(never)]
pub unsafe fn touch(at: c_int, path: *const c_char, when: When) -> Answer {
    if !in_use() {
        return None;
    }
    let mut kernel = directory::kernel();
    // SAFETY: the caller's path.
    let Target { lock, asked, slot } = unsafe { served(at, path, "utimensat", &mut kernel) }?;
    // SAFETY: the caller's times.
    let times = unsafe { when.times() }?;
    let result = undisturbed(&mut kernel, |kernel| protocol::heartbeat(kernel, slot, asked, times))?;
    if result == Err(Errno::NOENT) {
        record(lock, "heartbeat-refused", "robbed", errno_of(result), 0);
    }
    Some(result)
}

/// What a process is to see of a path.
pub struct Seen {
    /// The path to look at.
    pub path: *const c_char,
    /// The modification time to show, if it is not the real one.
    pub mtime: Option<Time>,
}

/// What this process is to see instead of `path`.
#[cold]
#[inline(never)]
pub unsafe fn seen(at: c_int, path: *const c_char) -> Seen {
    if in_use() {
        // SAFETY: the caller's path.
        if let Some(seen) = unsafe { look(at, path) } {
            return seen;
        }
    }
    Seen { path, mtime: None }
}

/// The path to look at instead of `path`.
#[cold]
#[inline(never)]
pub unsafe fn seen_path(at: c_int, path: *const c_char) -> *const c_char {
    // SAFETY: the caller's path.
    unsafe { seen(at, path) }.path
}

#[inline(never)]
unsafe fn look(at: c_int, path: *const c_char) -> Option<Seen> {
    let mut kernel = directory::kernel();
    // SAFETY: the caller's path.
    let Target { asked, slot, .. } = unsafe { served(at, path, "stat", &mut kernel) }?;
    let (place, mtime) = undisturbed(&mut kernel, |kernel| protocol::look(kernel, slot, asked))?;
    let path = match (asked, place) {
        (Asked::Sibling, Place::Lock) => directory::lasting_path(&mut kernel)?,
        _ => path,
    };
    Some(Seen { path, mtime })
}

/// Called when the process exits.
pub fn leave() {
    if in_use() {
        leave_all();
    }
}

#[cold]
#[inline(never)]
fn leave_all() {
    let mut kernel = directory::kernel();
    for (lock, slot) in SLOTS.iter().enumerate() {
        if slot.was_used() && matching::serve(&mut kernel, lock).is_some() {
            undisturbed(&mut kernel, |kernel| {
                if kernel.is_gate() {
                    // Nobody means to leave a gate, since nobody knows of it.
                    protocol::remove(kernel, slot, Asked::Lock);
                } else {
                    protocol::leave(kernel, slot);
                }
            });
        }
    }
}

/// Whether this process may not have an io_uring: in one with a submission thread Node's file operations pass
/// us by, and in a process that uses a lock any might.
pub fn refuses_ring(submission_thread: bool) -> bool {
    environment::mode() == Mode::Redirect && (in_use() || submission_thread && matching::has_directory())
}
