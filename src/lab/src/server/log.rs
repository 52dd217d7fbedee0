//! What the server saw, in order: the source of every figure about requests.
//!
//! Holds no token and no header, only generations.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::{Condvar, Mutex};
use serde::Serialize;

use super::tokens::Refusal;

/// What a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    /// `POST /v1/oauth/token`
    Token,
    /// `POST /v1/messages`
    Messages,
    /// Anything else.
    Other,
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "phase")]
pub enum Phase {
    /// The server has read the request.
    Arrived,
    /// The answer goes out.
    Answered {
        /// The HTTP status.
        status: u16,
    },
    /// The client closed the connection before the answer.
    Dropped,
}

/// One line of the log.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// Milliseconds since the server started, on the monotonic clock.
    pub at_ms: u64,
    /// Seconds since the epoch, to compare with strace.
    #[serde(skip)]
    pub unix: f64,
    /// Numbers requests from 0.
    pub request: usize,
    /// What it asked for.
    pub endpoint: Endpoint,
    /// What happened.
    #[serde(flatten)]
    pub phase: Phase,
    /// Of a token request: the generation of the refresh token that came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<usize>,
    /// Of a refused token request: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
}

/// How many answers of each kind went out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Refreshes that succeeded.
    pub token200: usize,
    /// Refreshes that were refused with `invalid_grant`.
    pub token400: usize,
    /// Refreshes whose client did not wait for the answer.
    pub token_dropped: usize,
    /// Messages that were answered.
    pub messages200: usize,
    /// Messages that came with an access token that does not work.
    pub messages401: usize,
}

/// The log, shared by the server and the scenario.
pub struct Log {
    started: Instant,
    events: Mutex<Vec<Event>>,
    grown: Condvar,
}

impl Log {
    /// An empty log whose clock starts now.
    pub fn new() -> Self {
        Self { started: Instant::now(), events: Mutex::default(), grown: Condvar::new() }
    }

    /// Appends an event and wakes who waits for it.
    pub fn push(
        &self,
        request: usize,
        endpoint: Endpoint,
        phase: Phase,
        generation: Option<usize>,
        refusal: Option<Refusal>,
    ) {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let at_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.events.lock().push(Event { at_ms, unix, request, endpoint, phase, generation, refusal });
        self.grown.notify_all();
    }

    /// Waits until an event from position `from` on satisfies `wanted`; `None` when the time is over.
    pub fn wait_for(&self, from: usize, timeout: Duration, wanted: impl Fn(&Event) -> bool) -> Option<Event> {
        let deadline = Instant::now() + timeout;
        let mut events = self.events.lock();
        loop {
            if let Some(event) = events.iter().skip(from).find(|event| wanted(event)) {
                return Some(event.clone());
            }
            if self.grown.wait_until(&mut events, deadline).timed_out() {
                return None;
            }
        }
    }

    /// How many events there are: a position for [`Log::wait_for`].
    pub fn len(&self) -> usize {
        self.events.lock().len()
    }

    /// All events so far.
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().clone()
    }

    /// The answers so far.
    pub fn counters(&self) -> Counters {
        count(&self.events.lock())
    }
}

fn count(events: &[Event]) -> Counters {
    let mut counters = Counters::default();
    for event in events {
        match (event.endpoint, event.phase) {
            (Endpoint::Token, Phase::Answered { status: 200 }) => counters.token200 += 1,
            (Endpoint::Token, Phase::Answered { status: 400 }) => counters.token400 += 1,
            (Endpoint::Token, Phase::Dropped) => counters.token_dropped += 1,
            (Endpoint::Messages, Phase::Answered { status: 200 }) => counters.messages200 += 1,
            (Endpoint::Messages, Phase::Answered { status: 401 }) => counters.messages401 += 1,
            _ => {}
        }
    }
    counters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_kind() {
        let log = Log::new();
        log.push(0, Endpoint::Token, Phase::Arrived, Some(0), None);
        log.push(0, Endpoint::Token, Phase::Answered { status: 200 }, Some(0), None);
        log.push(1, Endpoint::Token, Phase::Dropped, Some(0), None);
        log.push(2, Endpoint::Messages, Phase::Answered { status: 401 }, None, None);
        log.push(3, Endpoint::Other, Phase::Answered { status: 404 }, None, None);
        assert_eq!(
            log.counters(),
            Counters { token200: 1, token_dropped: 1, messages401: 1, ..Counters::default() }
        );
    }

    #[test]
    fn waiting_starts_at_the_given_position() {
        let log = Log::new();
        log.push(0, Endpoint::Token, Phase::Arrived, Some(0), None);
        let arrived = |event: &Event| event.phase == Phase::Arrived;
        assert!(log.wait_for(0, Duration::ZERO, arrived).is_some());
        assert!(log.wait_for(log.len(), Duration::from_millis(5), arrived).is_none());
    }
}
