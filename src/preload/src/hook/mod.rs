//! The hooks: what every one of them does around the look at the path and the call of the original.
//!
//! A hook is a few instructions of the machine ([`machine`]), the same for all rows of a kind: they look at the path
//! and go on to the original, as the loader's own stubs do. What else there is to do, [`serve`] does for all rows:
//! it finds the original at the first call, and asks [`crate::operations`] once a path has matched. [`rows`] makes
//! both out of the table.
//!
//! Nothing here may know what a path means.

#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(not(target_arch = "aarch64"), path = "x86_64.rs")]
pub mod machine;
pub mod rows;

use core::ffi::{c_char, c_int, c_long, c_void};
use core::sync::atomic::{AtomicUsize, Ordering};

use lockspan_lock::sys::Descriptor;

use crate::credentials::{self, Opened, staged};
use crate::environment;
use crate::file_lock::{self, Act};
use crate::gate::{self, Decision, Then};
use crate::memcheck;
use crate::operations;
use crate::real::Real;
use crate::shell::{Found, answer};
use crate::table::Symbol;

/// What a register holds.
pub type Word = *mut c_void;

/// The arguments that travel in registers: no function with a path has more.
pub type Arguments = [Word; 6];

/// The original of each row, once it was looked up.
pub static REALS: [Real; Symbol::COUNT] = [const { Real::new() }; Symbol::COUNT];

/// The address at which the hook of each row may go on by itself; 0 as long as it must ask [`serve`].
pub static STRAIGHT: [AtomicUsize; Symbol::COUNT] = [const { AtomicUsize::new(0) }; Symbol::COUNT];

/// From now on every call of the functions that end a write, or lock an open file, is looked at.
pub fn watch() {
    for (symbol, straight) in STRAIGHT.iter().enumerate() {
        if Symbol::is_watched(symbol) {
            straight.store(0, Ordering::SeqCst);
        }
    }
}

/// What a hook does that has more to do than to look: the address at which to go on with the arguments as they are
/// then, or 0 if the first of them has become the answer.
///
/// `matched`: whether there is a path that may concern us.
///
/// # Safety
/// Only the machine's part of a hook calls this, which has the row's own number for `symbol`.
pub unsafe extern "C" fn serve(symbol: Symbol, arguments: &mut Arguments, matched: bool) -> usize {
    let mut call = Call { symbol, arguments };
    let row = symbol as usize;
    let is_looked_at = || Symbol::is_watched(row) && (staged::any() || file_lock::any());
    if matched || is_looked_at() {
        environment::prepare();
        // SAFETY: the caller's arguments.
        if let Some(result) = unsafe { symbol.operation(&mut call) } {
            let [first, ..] = arguments;
            *first = result as Word;
            return 0;
        }
    }
    let original = symbol.original();
    if let Some(straight) = STRAIGHT.get(row)
        && !is_looked_at()
        && !memcheck::is_running()
    {
        straight.store(original, Ordering::SeqCst);
        // Another thread may just have begun a write.
        if is_looked_at() {
            straight.store(0, Ordering::SeqCst);
        }
    }
    original
}

/// A call of a hooked function.
pub struct Call<'a> {
    symbol: Symbol,
    pub arguments: &'a mut Arguments,
}

impl Call<'_> {
    /// Calls the original here, for those who have something to do when it returns.
    unsafe fn original(&self) -> c_long {
        type Function = unsafe extern "C" fn(Word, Word, Word, Word, Word, Word) -> c_long;
        let [a, b, c, d, e, f] = *self.arguments;
        // SAFETY: integers and pointers travel in registers of their own, and what a function does not take it does
        // not see; it is called as we were.
        unsafe { core::mem::transmute::<usize, Function>(self.symbol.original())(a, b, c, d, e, f) }
    }

    /// Puts another path in the place of an argument.
    pub fn set_path(&mut self, position: usize, path: *const c_char) {
        if let Some(argument) = self.arguments.get_mut(position) {
            *argument = path.cast_mut().cast();
        }
    }

    /// A look at a file: the original gets the path that this process is to see, which is the argument `position`, and
    /// the modification time in `buffer` is what it is to see.
    pub unsafe fn shown<T: Found>(
        &mut self,
        at: c_int,
        path: *const c_char,
        position: usize,
        buffer: *mut T,
    ) -> Option<c_long> {
        // SAFETY: the caller's path.
        let seen = unsafe { operations::seen(at, path) };
        self.set_path(position, seen.path);
        let mtime = seen.mtime?;
        // SAFETY: the caller's arguments but for the path.
        let result = unsafe { self.original() };
        if result as c_int == 0 {
            // SAFETY: the original has filled the caller's buffer.
            unsafe { (*buffer).set_mtime(mtime) };
        }
        Some(result)
    }

    /// open and its relatives, of what may be the credentials file; the path is the argument `position`.
    pub unsafe fn opens(
        &mut self,
        at: c_int,
        path: *const c_char,
        position: usize,
        flags: c_int,
    ) -> Option<c_long> {
        // SAFETY: the caller's path.
        match unsafe { credentials::opened(at, path, flags) } {
            Opened::Descriptor(descriptor) => Some(descriptor.into()),
            Opened::Path(path) => {
                self.set_path(position, path);
                None
            }
        }
    }

    /// A call that locks, or unlocks, an open file.
    pub unsafe fn locks(&mut self, descriptor: c_int, act: Option<Act>) -> Option<c_long> {
        // SAFETY: the caller's arguments.
        file_lock::lock(descriptor, act?, || unsafe { self.original() })
    }

    /// close, which may end a write of the credentials file, or a lock.
    pub fn closes(&mut self, descriptor: c_int) -> Option<c_long> {
        if file_lock::any() {
            file_lock::closing(descriptor);
        }
        let errno = staged::closing(descriptor).err()?;
        // Without the original, which could be cancelled with this on its stack.
        drop(Descriptor::from_number(descriptor));
        Some(answer(Err(errno)))
    }

    /// A rename, which may be onto the credentials file.
    pub unsafe fn replaces(
        &mut self,
        from_at: c_int,
        from: *const c_char,
        to_at: c_int,
        to: *const c_char,
    ) -> Option<c_long> {
        // SAFETY: the caller's paths.
        unsafe { credentials::replace(from_at, from, to_at, to) }.map(answer)
    }

    /// A system call by its number.
    pub unsafe fn gate(&mut self) -> Option<c_long> {
        let [number, arguments @ ..] = self.arguments;
        let number = number.addr() as c_long;
        // SAFETY: the caller's arguments.
        match unsafe { gate::decide(number, arguments) } {
            Decision::Answered(result) => Some(answer(result)),
            Decision::Passed(Then::Nothing) => None,
            Decision::Passed(then) => {
                // SAFETY: the caller's arguments but for the path.
                let result = unsafe { self.original() };
                if result == 0 {
                    let [_, arguments @ ..] = self.arguments;
                    // SAFETY: the call of these arguments has succeeded.
                    unsafe { gate::finish(number, arguments, then) };
                }
                Some(result)
            }
        }
    }
}
