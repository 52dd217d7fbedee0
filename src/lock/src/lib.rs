//! The lock protocol, over a small interface to the kernel.
//!
//! [`protocol`] reads like its specification; [`kernel`] says what it needs of a kernel, [`linux`] gives it by
//! raw system calls, [`slot`] remembers what this process holds. The same protocol code runs in the preloaded
//! library, in the command, and over an in-memory kernel in this crate's tests, which try every interleaving.
//!
//! Nothing here may allocate, block without a bound, panic, or go through libc.
#![no_std]
#![deny(unsafe_code)]

pub mod kernel;
#[expect(unsafe_code, reason = "unmaps the guard file; the block has its note")]
pub mod linux;
pub mod protocol;
pub mod publish;
pub mod slot;
#[expect(unsafe_code, reason = "system calls; each block has its note")]
pub mod sys;
