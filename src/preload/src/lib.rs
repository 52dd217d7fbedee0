//! liblockspan.so: makes a program's own lock effective across containers.
//!
//! [`table`] has one row for each function that is hooked; [`hook`] turns rows into functions, [`operations`]
//! says what a call on a lock's path becomes, [`matching`] which paths those are. [`raw`] reaches the calls that a
//! program makes without libc. The protocol itself is in the crate `lockspan-lock`.
//!
//! This is code in somebody else's process. It must never print, end the host, block without a bound,
//! allocate, take a lock, use thread-local storage, or touch errno on success; and until a path has matched it
//! must not make a system call. In any doubt the original is called once, unchanged.
#![no_std]
#![allow(
    clippy::missing_safety_doc,
    reason = "the hooks have the contracts of the functions that they stand for"
)]

mod configuration;
mod credentials;
mod directory;
mod environment;
mod events;
mod exit;
mod file_lock;
mod gate;
mod hook;
mod imports;
mod initial;
mod matching;
mod memcheck;
mod memory;
mod operations;
mod panic;
mod program;
mod raw;
mod real;
mod shell;
mod start;
mod table;
