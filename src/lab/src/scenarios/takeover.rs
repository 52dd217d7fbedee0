//! What `killed` and `stopped` share: bring a holder to the chosen moment, and watch who comes next.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::run::{Client, Run, Running};
use crate::args::Moment;
use crate::clients::Task;
use crate::container;
use crate::credentials::Login;
use crate::server::log::{Endpoint, Event, Phase};
use crate::trace;

/// The container of the holder and the one of who comes next.
pub const HOLDER: usize = 0;
/// See [`HOLDER`].
pub const NEXT: usize = 1;

/// What a report says about [`Next::seconds`].
pub const SECONDS: &str =
    "seconds: from the next client's first lock attempt (strace) to its token request (server)";

/// From the arrival of the holder's request to the disturbance: it then surely waits for the answer.
const MID_REQUEST: Duration = Duration::from_millis(200);
/// How often the filesystem is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// The first refresh after the disturbance.
pub struct Next {
    /// Who made it.
    pub running: Running,
    /// Seconds from the first client's first lock attempt to the arrival of the request.
    pub seconds: f64,
    /// Clients that gave up before it.
    pub gave_up: usize,
    /// The request.
    pub request: Event,
}

/// Whether an event is a token request coming in.
pub fn is_request(event: &Event) -> bool {
    event.endpoint == Endpoint::Token && event.phase == Phase::Arrived
}

/// Starts the holder and waits for the moment.
pub fn bring_to(run: &mut Run<'_>, client: Client, moment: Moment, hold: Duration) -> Result<Running> {
    let holder = run.start(HOLDER, client, &Task::Refresh { hold })?;
    match moment {
        Moment::Request => {
            run.server()
                .log()
                .wait_for(0, run.timeout(), is_request)
                .context("the holder made no token request")?;
            std::thread::sleep(MID_REQUEST);
        }
        Moment::Lock(after) => {
            let paths = run.lock_paths(HOLDER);
            let deadline = Instant::now() + run.timeout();
            while !paths.iter().any(|path| container::identity(path).is_some()) {
                ensure!(Instant::now() < deadline, "the holder made no lock");
                std::thread::sleep(LOOK);
            }
            std::thread::sleep(after);
        }
    }
    Ok(holder)
}

/// Starts the next client, and another one whenever one gives up, until a token request arrives.
///
/// The clock starts with the first one's first lock attempt as strace sees it.
pub fn next_request(run: &mut Run<'_>, client: Client, hold: Duration) -> Result<Next> {
    let from = run.server().log().len();
    let mut paths = run.lock_paths(NEXT).to_vec();
    if client.program.login() == Login::Tool {
        // Without a lock, to read is to reach for the refresh.
        paths.push(run.credentials_path());
    }
    let names = paths.iter().filter_map(|path| path.file_name());
    let names: Vec<String> = names.map(|name| format!("/{}", name.to_string_lossy())).collect();
    let deadline = Instant::now() + run.timeout();
    let mut first_trace = None;
    for gave_up in 0.. {
        let trace = run.scratch(&format!("next-{gave_up}.strace"), client.uid)?;
        let mut running = run.start_traced(NEXT, client, &Task::Refresh { hold }, Some(&trace))?;
        let first = first_trace.get_or_insert(trace);
        while !running.poll(run.timeout())? {
            let step = Duration::from_millis(20);
            let Some(request) = run.server().log().wait_for(from, step, is_request) else {
                ensure!(
                    Instant::now() < deadline,
                    "no token request within {} s of the next client's start",
                    run.timeout().as_secs()
                );
                continue;
            };
            let text = fs::read_to_string(&*first)?;
            let attempt = trace::first_attempt(&text, &names)
                .context("strace saw no lock attempt of the next client")?;
            return Ok(Next { running, seconds: request.unix - attempt, gave_up, request });
        }
        // One that ended with an answer needed no refresh: there is nothing to wait for.
        ensure!(!running.ending().answered, "the next client had its answer without a token request");
    }
    anyhow::bail!("the next clients gave up")
}
