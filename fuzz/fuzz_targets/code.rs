//! Program files with good headers and any code.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use lockspan_core::sites::Machine;
use lockspan_fuzz::example::Example;
use lockspan_fuzz::scanned;

#[derive(Arbitrary, Debug)]
struct Program {
    is_arm: bool,
    functions: Vec<u16>,
    code: Vec<u8>,
}

fuzz_target!(|program: Program| {
    let machine = if program.is_arm { Machine::Aarch64 } else { Machine::X86_64 };
    let functions = program.functions.into_iter().map(i32::from).collect();
    scanned::check(&Example { machine, code: program.code, functions, ..Example::default() }.bytes());
});
