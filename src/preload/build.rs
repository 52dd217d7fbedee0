//! Link arguments of the library.

fn main() {
    // Every symbol must be resolved at link time: an unresolved one is how a reachable panic shows
    // (src/panic.rs).
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,defs");
    // Nothing of the compiler's own start-up files: what they register is for C++ and for transactional memory, and
    // every process would pay for it. What runs at the start and at the end is in .init_array and .fini_array.
    println!("cargo:rustc-cdylib-link-arg=-nostartfiles");
    // What libc is asked for is looked up at the first call (src/imports.rs), which writes its address. Nothing is left
    // then that could be made unwritable after the start: a system call and a piece of memory less for every process.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,lazy,-z,norelro");
    // The end of one string may be another. And one table of symbols is enough for every loader since 2006.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-O2,--hash-style=gnu");
    // An identity for debuggers is no use in a library without symbols; `lockspan env` names it by its hash.
    println!("cargo:rustc-cdylib-link-arg=-Wl,--build-id=none");
    let directory = std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-T,{directory}/discard.ld");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=discard.ld");
}
