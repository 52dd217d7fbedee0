//! The status as text for people.

use std::fmt::Write as _;

use comfy_table::Table;

use super::Status;
use super::lock::{Holder, Lock, State};

/// The whole status.
pub fn text(status: &Status) -> String {
    let mut text = String::new();
    let mut line = |line: &str| writeln!(text, "{}", line.trim_end()).expect("a string has room");
    line(&status.config_directory.escape_debug().to_string());
    locks(&status.locks).lines().for_each(|row| line(&row));
    match status.credentials_age_ms {
        Some(age) => line(&format!("credentials written {}", ago(age))),
        None => line("no credentials file"),
    }
    for holder in status.last_holders.iter().flatten() {
        let did = if holder.wrote_credentials { ", wrote the credentials" } else { "" };
        let (pid, host) = (holder.pid, holder.host.escape_debug());
        line(&format!(
            "{}: {pid} on {host} held refresh for {}{did}",
            ago(holder.taken_age_ms),
            span(holder.held_ms)
        ));
    }
    text
}

fn locks(locks: &[Lock]) -> Table {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header(["LOCK", "STATE", "PID", "CONTAINER", "SINCE", "HEARTBEAT", "WAITING"]);
    for lock in locks {
        let holder = |field: fn(&Holder) -> Option<String>| lock.holder.as_ref().and_then(field);
        let cells = [
            holder(|holder| Some(holder.pid.to_string())),
            holder(|holder| Some(holder.host.as_ref()?.escape_debug().to_string())),
            holder(|holder| holder.since_ms.map(ago)),
            lock.heartbeat_age_ms.map(ago),
            waiting(lock),
        ];
        let cells = cells.map(|cell| cell.unwrap_or_else(|| "-".into()));
        table.add_row([lock.name, lock.state.word()].into_iter().map(str::to_owned).chain(cells));
    }
    table
}

/// How many wait for a lock that is not free.
fn waiting(lock: &Lock) -> Option<String> {
    let waiting = lock.waiting.as_ref().map_or("unknown".to_owned(), |waiting| waiting.len().to_string());
    (lock.state != State::Free).then_some(waiting)
}

fn ago(age: i64) -> String {
    match age {
        ..0 => format!("{} ahead", span(-age)),
        age => format!("{} ago", span(age)),
    }
}

/// A span of time with as many figures as a reader wants.
fn span(milliseconds: i64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        ..100 => format!("{seconds}.{} s", milliseconds % 1000 / 100),
        100..6_000 => format!("{} min", seconds / 60),
        6_000..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        assert_eq!([0, 99_999, 100_000].map(span), ["0.0 s", "99.9 s", "1 min"]);
        assert_eq!([6_000_000, 172_800_000].map(span), ["1 h", "2 d"]);
        assert_eq!([1500, -3_600_000].map(ago), ["1.5 s ago", "60 min ahead"]);
    }
}
