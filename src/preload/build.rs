//! Link arguments of the library.

fn main() {
    // Every symbol must be resolved at link time: an unresolved one is how a reachable panic shows
    // (src/panic.rs).
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,defs");
    let directory = std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-T,{directory}/discard.ld");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=discard.ld");
}
