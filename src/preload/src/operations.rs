//! What a call on a lock's path becomes. Each function answers the call, or says that the original is to.
//!
//! The decisions are the protocol's; this only asks it, waits as long as the calling thread may, and records
//! what happened.

use core::ffi::{c_char, c_int};

use libc::{mode_t, timespec, timeval, utimbuf};
use lockspan_core::names::LOCKS;
use lockspan_core::settings::Mode;
use lockspan_core::{Cycle, Time};
use lockspan_lock::kernel::{Errno, Kernel, Times};
use lockspan_lock::protocol::{self, Blocked, Make, Patience, Removed, Taken};
use lockspan_lock::slot::Slot;
use lockspan_lock::sys;

use crate::environment;
use crate::events::{self, Event};
use crate::matching::{self, Target, target};

/// What this process holds, by index into [`LOCKS`].
static SLOTS: [Slot; LOCKS.len()] = [const { Slot::new() }; LOCKS.len()];

/// On the main thread, where clients run their event loop: less than a person notices.
const ON_MAIN_THREAD: Patience = Patience { total: 40, step: 2, absent: 200 };

/// On any other thread. Clients try six times in a round and give up after it: six times this, and their own
/// pauses, outlast a holder of 45 s.
const ON_OTHER_THREADS: Patience = Patience { total: 7_000, step: 5, absent: 200 };

type Answer = Option<Result<(), Errno>>;

/// Whether this process, or one that it was forked from, has used a lock: before that nothing but mkdir and
/// rmdir can concern it.
fn in_use() -> bool {
    SLOTS.iter().any(Slot::was_used)
}

fn record(target: &Target, event: &'static str, detail: &'static str, errno: i32, took: u64) {
    let lock = LOCKS.get(target.lock).map_or("", |names| names.title);
    events::record(Event { lock, event, detail, errno, took });
}

/// The lock that a path is, with its slot, unless the library is to leave it alone.
unsafe fn served(at: c_int, path: *const c_char, would: &'static str) -> Option<(Target, &'static Slot)> {
    let mode = environment::mode();
    if mode == Mode::Off {
        return None;
    }
    // SAFETY: the caller's path.
    let target = unsafe { target(at, path) }?;
    if mode == Mode::Observe {
        record(&target, "observed", would, 0, 0);
        return None;
    }
    let slot = SLOTS.get(target.lock)?;
    Some((target, slot))
}

/// mkdir.
#[cold]
#[inline(never)]
pub unsafe fn make(at: c_int, path: *const c_char, mode: mode_t) -> Answer {
    // SAFETY: the caller's path.
    let (mut target, slot) = unsafe { served(at, path, "mkdir") }?;
    let kernel = &mut target.kernel;
    let start = kernel.monotonic();
    let cycle = match protocol::decide(kernel, slot, target.asked) {
        Make::Nested => {
            let result = protocol::nested(kernel, slot, mode);
            record(&target, "nested", "", errno_of(result), 0);
            return Some(result);
        }
        Make::Take(cycle) => cycle,
    };
    let main_thread = sys::thread_id() == sys::process_id();
    let patience = if main_thread { ON_MAIN_THREAD } else { ON_OTHER_THREADS };
    let taken = protocol::take(kernel, slot, cycle, mode, patience);
    let took = kernel.monotonic().saturating_sub(start);
    let (event, detail, answer) = match taken {
        Ok(Taken::Free) => ("taken", how(cycle), Some(Ok(()))),
        Ok(Taken::FromDead) => ("taken-from-dead", how(cycle), Some(Ok(()))),
        Err(Blocked::OwnProcess) => ("blocked", "own-process", Some(Err(Errno::EXIST))),
        Err(Blocked::Held) => ("blocked", "held", Some(Err(Errno::EXIST))),
        Err(Blocked::Foreign) => ("blocked", "foreign", Some(Err(Errno::EXIST))),
        Err(Blocked::ForeignSibling) => ("blocked", "foreign-sibling", Some(Err(Errno::EXIST))),
        Err(Blocked::Refused(errno)) => ("blocked", "refused", Some(Err(errno))),
        Err(Blocked::NotHere) => ("bypassed", "config-directory-not-writable", None),
    };
    record(&target, event, detail, answer.map_or(0, errno_of), took);
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
    // SAFETY: the caller's path.
    let (mut target, slot) = unsafe { served(at, path, "rmdir") }?;
    let (removed, result) = protocol::remove(&mut target.kernel, slot, target.asked)?;
    let event = match removed {
        Removed::Released => "released",
        Removed::WasRobbed => "robbed",
        Removed::Stale => "stale-removed",
        Removed::TooFresh => "stale-refused",
        Removed::ByOther => "removed-by-other",
    };
    record(&target, event, "", errno_of(result), 0);
    Some(result)
}

/// The times argument of the functions that set a file's times.
pub enum When {
    /// Of utimensat.
    Spec(*const timespec),
    /// Of utimes, lutimes and futimesat.
    Val(*const timeval),
    /// Of utime.
    Buf(*const utimbuf),
}

impl When {
    unsafe fn times(&self) -> Times {
        let now = Time { sec: 0, nsec: libc::UTIME_NOW as u32 };
        let pair = |times: Option<(Time, Time)>| {
            let (accessed, modified) = times.unwrap_or((now, now));
            Times { accessed, modified }
        };
        // SAFETY: the caller passes NULL or what its function takes.
        unsafe {
            match *self {
                When::Spec(times) => {
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
        }
    }
}

/// utimensat and its relatives.
#[cold]
#[inline(never)]
pub unsafe fn touch(at: c_int, path: *const c_char, when: When) -> Answer {
    if !in_use() {
        return None;
    }
    // SAFETY: the caller's path and times.
    let ((mut target, slot), times) = unsafe { (served(at, path, "utimensat")?, when.times()) };
    let result = protocol::heartbeat(&mut target.kernel, slot, target.asked, times)?;
    if result == Err(Errno::NOENT) {
        record(&target, "heartbeat-refused", "robbed", errno_of(result), 0);
    }
    Some(result)
}

/// Calls the original with the path that this process is to see instead of `path`, and the modification time
/// that it is to see, if they are not the real ones.
#[cold]
#[inline(never)]
pub unsafe fn shown<R>(
    at: c_int,
    path: *const c_char,
    original: impl FnOnce(*const c_char, Option<Time>) -> R,
) -> R {
    let mut room = None;
    // SAFETY: the caller's path.
    let (path, mtime) = unsafe { look(at, path, &mut room) }.unwrap_or((path, None));
    original(path, mtime)
}

/// The path to look at instead, which lies in `room`, and the modification time to show.
#[inline(never)]
unsafe fn look(
    at: c_int,
    path: *const c_char,
    room: &mut Option<Target>,
) -> Option<(*const c_char, Option<Time>)> {
    if !in_use() {
        return None;
    }
    // SAFETY: the caller's path.
    let (target, slot) = unsafe { served(at, path, "stat") }?;
    let asked = target.asked;
    let kernel = &mut room.insert(target).kernel;
    let (place, mtime) = protocol::look(kernel, slot, asked)?;
    Some((kernel.path(place).as_ptr(), mtime))
}

/// Called when the process exits.
pub fn leave() {
    for (lock, slot) in SLOTS.iter().enumerate() {
        if slot.was_used()
            && let Some(mut kernel) = matching::kernel(lock)
        {
            protocol::leave(&mut kernel, slot);
        }
    }
}

/// Whether this process may not have an io_uring in which file operations would pass us by.
pub fn refuses_submission_thread() -> bool {
    environment::mode() == Mode::Redirect && matching::has_directory()
}
