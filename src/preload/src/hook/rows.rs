//! Makes functions out of the table's rows.

use core::ffi::{c_int, c_uint};

use super::Word;

/// A type of an argument.
pub trait Argument {
    /// What a register holds of this type.
    fn of(word: Word) -> Self;
}

impl<T> Argument for *const T {
    fn of(word: Word) -> Self {
        word.cast_const().cast()
    }
}

impl<T> Argument for *mut T {
    fn of(word: Word) -> Self {
        word.cast()
    }
}

macro_rules! integers {
    ($($type:ty),*) => {
        $(impl Argument for $type {
            fn of(word: Word) -> Self {
                word.addr() as $type
            }
        })*
    };
}
integers!(c_int, c_uint, usize);

/// Which of the arguments has this name.
pub const fn position(arguments: &[&str], name: &str) -> usize {
    let mut position = 0;
    while !same(arguments[position], name) {
        position += 1;
    }
    position
}

const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut index = 0;
    while index < one.len() && index < other.len() && one[index] == other[index] {
        index += 1;
    }
    index == one.len() && index == other.len()
}

/// Makes the hooks out of the table's rows. A row is
///
/// ```text
/// symbol(arguments) -> result = operation;
/// ```
///
/// - `pass`: the original is called.
/// - `shown(at, path)`: the original is called, with the path that this process is to see instead of `path`.
/// - `shown(at, path, buffer)`: the same, and the modification time in `buffer` is what it is to see.
/// - `changes(at, path)`: as `shown(at, path)`, of a function that is rarely called.
/// - `opens(at, path, flags)`: as `shown`, and it may be the credentials file, whose opening may be answered.
/// - `closes(descriptor)`: the original is called, after what may end a write of the credentials file.
/// - `locks(descriptor, act)`: it may be a store's lock file that is locked.
/// - `replaces(from_at, from, to_at, to, flags)`: a rename, which may be onto the credentials file.
/// - `gate`: `syscall()`, which has its own file.
/// - `operation(at, path, ...)`: a function of [`crate::operations`] answers, or the original is called.
///
/// Paths of rarely called functions, which are `changes`, `replaces` and every `operation`, may be unreadable.
macro_rules! symbols {
    ($( $symbol:ident ( $($argument:ident : $type:ty),* ) -> $result:ty = $operation:ident $(($($operand:tt)*))? ;)*) => {
        /// A hooked function.
        #[derive(Clone, Copy)]
        #[repr(u32)]
        #[expect(non_camel_case_types, reason = "the names of the functions")]
        pub enum Symbol {
            $($symbol),*
        }

        impl Symbol {
            /// How many there are.
            pub const COUNT: usize = [$(Symbol::$symbol),*].len();

            /// All names, each with a NUL.
            const NAMES: &[u8] = concat!($(stringify!($symbol), "\0"),*).as_bytes();

            /// Which functions answer with a pointer.
            const POINTERS: [bool; Symbol::COUNT] = [$(<$result as $crate::real::Answer>::IS_POINTER),*];

            /// Whether the function of this row may end a write, or lock an open file.
            pub fn is_watched(row: usize) -> bool {
                const WATCHED: [bool; Symbol::COUNT] = [$($crate::hook::rows::symbols!(watched $operation)),*];
                WATCHED.get(row).is_some_and(|&watched| watched)
            }

            /// The address of the original.
            #[inline(never)]
            pub fn original(self) -> usize {
                let row = self as usize;
                let name = || Symbol::NAMES.split(|&byte| byte == 0).nth(row).unwrap_or(b"\0").as_ptr().cast();
                let is_pointer = Symbol::POINTERS.get(row).is_some_and(|&is_pointer| is_pointer);
                // SAFETY: each name has its NUL behind it.
                $crate::hook::REALS.get(row).map_or(0, |real| unsafe { real.address(name, is_pointer) })
            }

            /// What becomes of a call whose path has matched: the answer, or `None` if the original is to be called.
            #[expect(unused_variables, reason = "not every operation takes all arguments")]
            pub unsafe fn operation(self, call: &mut $crate::hook::Call<'_>) -> Option<core::ffi::c_long> {
                // SAFETY: the caller's arguments, which are those of the function.
                unsafe {
                    match self {
                        $(Symbol::$symbol => {
                            $crate::hook::rows::symbols!(@ call ($($argument: $type),*) $operation $(($($operand)*))?)
                        })*
                    }
                }
            }
        }

        $(
            #[unsafe(no_mangle)]
            #[unsafe(naked)]
            pub unsafe extern "C" fn $symbol($($argument: $type),*) -> $result {
                $crate::hook::rows::symbols!(hook $symbol ($($argument),*) $operation $(($($operand)*))?)
            }
        )*
    };

    (watched closes) => { true };
    (watched locks) => { true };
    (watched $operation:ident) => { false };

    (hook $symbol:ident ($($argument:ident),*) closes($descriptor:ident)) => {
        $crate::hook::machine::pass_hook!(Symbol::$symbol as u32)
    };
    (hook $symbol:ident ($($argument:ident),*) locks($descriptor:ident, $act:expr)) => {
        $crate::hook::machine::pass_hook!(Symbol::$symbol as u32)
    };
    (hook $symbol:ident ($($argument:ident),*) pass) => {
        $crate::hook::machine::pass_hook!(Symbol::$symbol as u32)
    };
    (hook $symbol:ident ($($argument:ident),*) gate) => {
        $crate::hook::machine::gate_hook!(Symbol::$symbol as u32, $crate::gate::NAMED, $crate::gate::BITS)
    };
    (hook $symbol:ident ($($argument:ident),*) opens($at:ident, $path:ident, $flags:expr)) => {
        $crate::hook::rows::symbols!(hook $symbol, ($($argument),*), $path, true)
    };
    (hook $symbol:ident ($($argument:ident),*) replaces($from_at:ident, $from:ident, $to_at:ident, $to:ident, $flags:tt)) => {
        $crate::hook::rows::symbols!(careful $symbol, ($($argument),*), $to)
    };
    (hook $symbol:ident ($($argument:ident),*) shown($at:ident, $path:ident $(, $buffer:ident)?)) => {
        $crate::hook::rows::symbols!(hook $symbol, ($($argument),*), $path, false)
    };
    (hook $symbol:ident ($($argument:ident),*) $operation:ident($at:ident, $path:ident $($operand:tt)*)) => {
        $crate::hook::rows::symbols!(careful $symbol, ($($argument),*), $path)
    };
    (careful $symbol:ident, ($($argument:ident),*), $path:ident) => {
        $crate::hook::machine::careful_hook!(
            Symbol::$symbol as u32,
            $crate::hook::rows::position(&[$(stringify!($argument)),*], stringify!($path))
        )
    };
    (hook $symbol:ident, ($($argument:ident),*), $path:ident, $either:literal) => {
        $crate::hook::machine::path_hook!(
            Symbol::$symbol as u32,
            // Up to four, or more: not each number needs code of its own.
            [$(stringify!($argument)),*].len() > 4,
            $crate::hook::rows::position(&[$(stringify!($argument)),*], stringify!($path)),
            $either
        )
    };

    (@ $call:ident ($($argument:ident: $type:ty),*) pass) => { None };
    (@ $call:ident ($($argument:ident: $type:ty),*) gate) => { $call.gate() };
    (@ $call:ident ($($argument:ident: $type:ty),*) $operation:ident($($operand:tt)*)) => {{
        let [$($argument,)* ..] = *$call.arguments;
        $(let $argument = <$type as $crate::hook::rows::Argument>::of($argument);)*
        $crate::hook::rows::symbols!(= $call ($($argument),*) $operation($($operand)*))
    }};

    (= $call:ident ($($argument:ident),*) opens($at:ident, $path:ident, $flags:expr)) => {{
        let position = const { $crate::hook::rows::position(&[$(stringify!($argument)),*], stringify!($path)) };
        $call.opens($at, $path, position, $flags)
    }};
    (= $call:ident ($($argument:ident),*) closes($descriptor:ident)) => { $call.closes($descriptor) };
    (= $call:ident ($($argument:ident),*) locks($descriptor:ident, $act:expr)) => { $call.locks($descriptor, $act) };
    (= $call:ident ($($argument:ident),*) changes($at:ident, $path:ident)) => {
        $crate::hook::rows::symbols!(= $call ($($argument),*) shown($at, $path))
    };
    (= $call:ident ($($argument:ident),*) shown($at:ident, $path:ident)) => {{
        let path = $crate::operations::seen_path($at, $path);
        $call.set_path(const { $crate::hook::rows::position(&[$(stringify!($argument)),*], stringify!($path)) }, path);
        None
    }};
    (= $call:ident ($($argument:ident),*) shown($at:ident, $path:ident, $buffer:ident)) => {{
        let position = const { $crate::hook::rows::position(&[$(stringify!($argument)),*], stringify!($path)) };
        $call.shown($at, $path, position, $buffer)
    }};
    (= $call:ident ($($argument:ident),*) replaces($from_at:ident, $from:ident, $to_at:ident, $to:ident, $flags:tt)) => {
        if $flags == 0 { $call.replaces($from_at, $from, $to_at, $to) } else { None }
    };
    (= $call:ident ($($argument:ident),*) $operation:ident($($operand:tt)*)) => {
        $crate::operations::$operation($($operand)*).map($crate::shell::answer)
    };
}
pub(crate) use symbols;
