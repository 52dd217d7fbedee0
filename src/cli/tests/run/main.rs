//! `lockspan run`, the real command with the real library, beside shells and their flock(1), and model clients in C.

mod refusals;
mod serial;
mod signals;
#[path = "../common/skip.rs"]
mod skip;
mod slots;
mod support;
mod timeout;
mod tokens;
