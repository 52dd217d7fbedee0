//! What the log of one login comes to. Only holds figures: what counts as what is said in `judge.rs`.

use std::collections::BTreeMap;

use serde::Serialize;

/// Figures of one login.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Times that the lock was held.
    pub held: usize,
    /// Processes that were killed, and how many of them held the lock.
    pub killed: usize,
    /// See `killed`.
    pub killed_holding: usize,
    /// Processes that were stopped.
    pub stopped: usize,
    /// Clocks that were set wrong, or right again.
    pub jumps: usize,
    /// Cycles without a descriptor to spare.
    pub exhausted: usize,
    /// Writes that found no room.
    pub full: usize,
    /// Robbed by staleness, and how many of them had not been stopped.
    pub robbed: usize,
    /// See `robbed`: their heartbeat was late.
    pub late: usize,
    /// Robbed because their own clock was behind.
    pub misdated: usize,
    /// Holders that heard that they were robbed.
    pub lost: usize,
    /// Credentials that a holder did not find whole.
    pub torn: usize,
    /// Processes that reported in the end.
    pub reports: usize,
    /// Descriptors, and mappings of locks, that these had more than they should.
    pub descriptors: i64,
    /// See `descriptors`.
    pub mappings: i64,
    /// Errors that clients were given, by code.
    pub errors: BTreeMap<String, usize>,
    /// Two holders at once.
    pub violations: Vec<Violation>,
}

/// Somebody got the lock that somebody else held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Who got it.
    pub second: String,
    /// Who held it.
    pub first: String,
    /// The latest lines of the log.
    pub log: Vec<String>,
}
