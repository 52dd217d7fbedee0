//! No panic may be reachable in a release build.

/// In a release build this calls a function that does not exist. If the optimiser cannot prove that no panic
/// is reachable, the link fails (`-z defs` in build.rs).
#[cfg(not(debug_assertions))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn lockspan_a_panic_is_reachable() -> !;
    }
    // SAFETY: never called; see above.
    unsafe { lockspan_a_panic_is_reachable() }
}

/// A development build has overflow checks, and stops where one fails.
#[cfg(debug_assertions)]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: has no precondition, and does not return.
    unsafe { libc::abort() }
}
