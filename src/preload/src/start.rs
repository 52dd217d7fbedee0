//! The start of the process.

use crate::{environment, program, raw};

/// Called by the loader before the program's own constructors. What is done here is done in every process.
extern "C" fn starting() {
    if let Some(program) = program::main()
        && let Some(build_id) = program.build_id()
        && !environment::is_privileged()
    {
        raw::reach(&program, build_id);
    }
}

#[used]
#[unsafe(link_section = ".init_array")]
static STARTING: extern "C" fn() = starting;
