//! The commands that tell of a login's state and change its layout, as a user runs them.

mod holder;
mod home;
#[path = "../common/skip.rs"]
mod skip;
mod transcript;

mod advise;
mod clean;
mod config;
mod environment;
mod init;
mod status;
