//! The event log: one JSON line and one write for each event, in the file that `LOCKSPAN_EVENTS` names.
//!
//! It must never contain a token or a file's content, and never reach descriptors 0 to 2: the file is opened
//! and closed for each event. An event that cannot be written is dropped.

use lockspan_core::record::HOST_LENGTH;
use lockspan_core::settings;
use lockspan_core::text::Text;
use lockspan_lock::sys;

use crate::environment::variable;

/// What happened to a lock, as the words of an event line.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// The lock, by its title.
    pub lock: &'static str,
    /// What happened.
    pub event: &'static str,
    /// Why or how.
    pub detail: &'static str,
    /// The errno that the client got, or 0.
    pub errno: i32,
    /// How long the call took, in milliseconds.
    pub took: u64,
}

/// Records that a setting made the library inert.
pub fn inert(variable: &'static str) {
    record(Event { lock: "", event: "inert", detail: variable, errno: 0, took: 0 });
}

/// Appends an event to the log, if there is one.
#[inline(never)]
pub fn record(event: Event) {
    let Some(path) = variable(settings::EVENTS).filter(|path| path.to_bytes().starts_with(b"/")) else {
        return;
    };
    let now = sys::clock(libc::CLOCK_REALTIME);
    let mut buffer = [0; 512];
    let mut text = Text::new(&mut buffer);
    let milliseconds = now.sec.unsigned_abs().wrapping_mul(1000).wrapping_add((now.nsec / 1_000_000).into());
    text.bytes(b"{\"schema_version\":1,\"time_ms\":").number(milliseconds);
    text.bytes(b",\"pid\":").number(sys::process_id().into());
    let host: [u8; HOST_LENGTH] = sys::host_name();
    text.bytes(b",\"host\":\"").json(host.split(|&byte| byte == 0).next().unwrap_or_default());
    text.bytes(b"\",\"lock\":\"").bytes(event.lock.as_bytes());
    text.bytes(b"\",\"event\":\"").bytes(event.event.as_bytes());
    text.bytes(b"\",\"detail\":\"").bytes(event.detail.as_bytes());
    text.bytes(b"\",\"errno\":").number(event.errno.unsigned_abs().into());
    text.bytes(b",\"took_ms\":").number(event.took).bytes(b"}\n");
    let Some(line) = text.finish() else { return };
    // Of a FIFO to read, too: nobody is killed by SIGPIPE who reads it himself. A symbolic link may be another's, who
    // shares the directory.
    let flags = libc::O_RDWR | libc::O_APPEND | libc::O_CREAT | libc::O_NONBLOCK | libc::O_NOFOLLOW;
    // A signal handler would find a descriptor open that the host knows nothing of.
    let _blocked = sys::block_signals();
    // What is appended to a file of unknown length may bring the host a signal under any limit.
    if sys::may_write(usize::MAX)
        && let Ok(file) = sys::open(path, flags, 0o600)
    {
        let _ = sys::write(&file, line);
    }
}
