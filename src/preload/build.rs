//! Link arguments of the library.

fn main() {
    // Every symbol must be resolved at link time: an unresolved one is how a reachable panic shows
    // (src/panic.rs).
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,defs");
    println!("cargo:rerun-if-changed=build.rs");
}
