//! What a timeline shows, in words: for who cannot see the picture, and for who has not the time.

use std::collections::BTreeSet;

use super::history::{End, History, Hold, Wait};

/// The title.
pub fn title(history: &History) -> String {
    let locks: BTreeSet<&str> = history.lanes.keys().map(|key| key.lock.as_str()).collect();
    match locks.first() {
        Some(lock) if locks.len() == 1 => format!("Who held the {lock} lock, and who waited"),
        _ => "Who held the locks, and who waited".to_owned(),
    }
}

/// One line that says how it went.
pub fn description(history: &History) -> String {
    let hosts: BTreeSet<&str> = history.lanes.keys().map(|key| key.host.as_str()).collect();
    let processes: BTreeSet<_> = history.lanes.keys().map(|key| (&key.host, key.file, key.pid)).collect();
    let holds = || history.lanes.values().flat_map(|lane| &lane.holds);
    let waits = || history.lanes.values().flat_map(|lane| &lane.waits);
    let holds_that = |is: fn(&Hold) -> bool| holds().filter(|hold| is(hold)).count();
    let longest = waits().map(|wait: &Wait| wait.to_ms - wait.from_ms).max().unwrap_or(0);
    let mut parts = vec![
        format!(
            "{} on {}",
            counted(processes.len(), "process", "processes"),
            counted(hosts.len(), "host", "hosts")
        ),
        format!("taken {}", counted(holds().count(), "time", "times")),
    ];
    let more = [
        (holds_that(|hold| hold.taken_over), "from a dead holder"),
        (holds_that(|hold| hold.end == End::Lost), "lost"),
        (waits().filter(|wait| wait.blocked).count(), "refused because another held it"),
    ];
    parts.extend(
        more.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")),
    );
    parts.push(format!("longest wait in one call {:.1} s", longest as f64 / 1000.0));
    parts.join(" · ")
}

fn counted(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::event::tests::event;

    #[test]
    fn a_history_in_words() {
        let events = vec![
            (0, event(1000, 1, "taken", "", 0)),
            (0, event(3000, 2, "blocked", "", 2000)),
            (0, event(5000, 2, "taken-from-dead", "", 40)),
        ];
        let history = History::new(events).expect("events of a lock");
        assert_eq!(title(&history), "Who held the refresh lock, and who waited");
        let expected = "2 processes on 1 host · taken 2 times · 1 from a dead holder · \
                        1 refused because another held it · longest wait in one call 2.0 s";
        assert_eq!(description(&history), expected);
    }
}
