//! Every interleaving of two or three clients, with a kill at every step, over the real protocol code.
//!
//! Invariants: never two holders; nobody removes a live holder's directory unless it is stale; nothing is left
//! behind when nobody was killed; and whatever was left, a client that comes later gets the lock, at once if
//! the owner is proven dead.

mod actors;
mod world;

use std::collections::HashSet;
use std::hash::{BuildHasher, Hash};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use actors::{Answer, Client, Outcome, Process, Stopped};
use lockspan_lock::kernel::Place;
use lockspan_lock::protocol::Patience;
use world::{Filesystem, World};

const COHERENT: Filesystem =
    Filesystem { coherent_flock: true, birth_times: true, file_mount: false, many_kernels: false };
const NO_FLOCK: Filesystem = Filesystem { coherent_flock: false, ..COHERENT };
const NO_BIRTH: Filesystem = Filesystem { birth_times: false, ..COHERENT };
const FILE_MOUNT: Filesystem = Filesystem { file_mount: true, ..COHERENT };
const MANY_KERNELS: Filesystem = Filesystem { many_kernels: true, ..FILE_MOUNT };

/// Gives up at once, and takes a busy guard without a lock directory for abandoned as early as possible: the
/// harder case for every invariant.
const IMPATIENT: Patience = Patience { total: 0, step: 1, absent: 0 };

/// Waits for a few looks.
const PATIENT: Patience = Patience { total: 3, step: 1, absent: 2 };

/// Makes every lock look stale. Milliseconds.
const EVER: u64 = 61_000;

/// Leaves time to renew a lease. Milliseconds.
const HALF: u64 = 30_000;

/// What is explored.
struct Scenario {
    name: &'static str,
    filesystem: Filesystem,
    /// The clients, each with the number of its home.
    clients: &'static [(Client, u8)],
    patience: Patience,
    /// How many of them may be killed or, with the library in a file mount, stopped for ever.
    kills: u8,
    /// How often so much time may pass that every lock looks stale, or in a file mount half of it. Whoever holds one
    /// then is hung.
    pauses: u8,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Life {
    Running(Vec<Answer>),
    Ended(Outcome),
    Killed,
    /// Stopped for ever, with all that it has.
    Stopped,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    world: World,
    lives: Vec<Life>,
    kills: u8,
    pauses: u8,
}

/// Lets one process make one call; also says which.
fn advance(state: &State, number: usize, scenario: &Scenario) -> (State, String) {
    let mut next = state.clone();
    next.world.sleeper = None;
    next.world.timely = false;
    let (client, home) = scenario.clients[number];
    let Life::Running(history) = &mut next.lives[number] else { unreachable!("only running ones advance") };
    let mut process = Process::new(&mut next.world, history, number, home);
    let ended = catch_unwind(AssertUnwindSafe(|| actors::run(client, &mut process, scenario.patience)));
    let call = format!("{number}: {}", process.call);
    match ended {
        Ok(outcome) => {
            next.world.end(number);
            next.lives[number] = Life::Ended(outcome);
        }
        Err(stopped) if stopped.is::<Stopped>() => {}
        Err(failure) => resume_unwind(failure),
    }
    (next, call)
}

/// The same steps again, each with its call and the answer.
fn replay(start: State, trace: &[Step], scenario: &Scenario) -> String {
    let mut state = start;
    let mut text = String::new();
    for step in trace {
        let (next, line) = match *step {
            Step::Call(number) => advance(&state, number, scenario),
            Step::Kill(number) => (kill(&state, number), format!("kill {number}")),
            Step::Stop(number) => (stop(&state, number), format!("stop {number}")),
            Step::Pause(milliseconds) => (pause(&state, milliseconds), format!("pause {milliseconds}")),
        };
        state = next;
        text += &format!("  {line}\n");
    }
    text
}

#[derive(Clone, Copy)]
enum Step {
    Call(usize),
    Kill(usize),
    Stop(usize),
    Pause(u64),
}

fn kill(state: &State, number: usize) -> State {
    let mut killed = state.clone();
    killed.world.end(number);
    killed.lives[number] = Life::Killed;
    killed.kills -= 1;
    killed
}

fn stop(state: &State, number: usize) -> State {
    let mut stopped = state.clone();
    stopped.lives[number] = Life::Stopped;
    stopped.kills -= 1;
    stopped
}

fn pause(state: &State, milliseconds: u64) -> State {
    let mut later = state.clone();
    later.world.pass(milliseconds);
    later.pauses -= 1;
    later
}

/// Runs one more client alone, from this state on, to its end.
fn latecomer(state: &State, client: Client, home: u8, number: usize) -> (Outcome, World) {
    let mut world = state.world.clone();
    let mut history = Vec::new();
    loop {
        let ended = catch_unwind(AssertUnwindSafe(|| {
            actors::run(client, &mut Process::new(&mut world, &mut history, number, home), IMPATIENT)
        }));
        match ended {
            Ok(outcome) => {
                world.end(number);
                return (outcome, world);
            }
            Err(stopped) if stopped.is::<Stopped>() => {}
            Err(failure) => resume_unwind(failure),
        }
    }
}

/// A lock that nobody has is to be had: at once if nothing is in the way, else after it has become stale.
fn check_end(state: &State, scenario: &Scenario) -> Result<(), String> {
    let nobody_killed = state.lives.iter().all(|life| matches!(life, Life::Ended(_)));
    let nobody_left = scenario.clients.iter().all(|(client, _)| *client != Client::Leaves);
    if nobody_killed && nobody_left && scenario.pauses == 0 && state.world.has_lock_directories() {
        return Err("something was left behind".into());
    }
    for client in [Client::Old, Client::New] {
        for home in [0, 1] {
            // Whoever was stopped in the middle of a removal keeps those of its own home from removing anything, and
            // one on another kernel can tell nobody how long ago.
            let stopped = state.lives.contains(&Life::Stopped);
            if stopped && (scenario.filesystem.many_kernels || state.world.refused(home, Place::Removal)) {
                continue;
            }
            // What a killed client left may take two rounds: the lock first, then the sibling. A stopped one's lease may
            // take one before, and its guard another.
            let (mut later, mut outcome) = (state.clone(), Outcome::GaveUp);
            for round in 0..4 {
                (outcome, later.world) = latecomer(&later, client, home, 90 + round);
                if outcome == Outcome::Held {
                    break;
                }
                later.world.pass(60_000);
            }
            if outcome != Outcome::Held {
                return Err(format!("a later {client:?} client in home {home} does not get the lock"));
            }
            let world = later.world;
            if let Some(broken) = world.broken {
                return Err(format!("a later client: {broken}"));
            }
        }
    }
    Ok(())
}

/// Explores a scenario; returns how many states it has.
fn explore(scenario: &Scenario) -> usize {
    let start = State {
        world: World::new(scenario.filesystem),
        lives: scenario.clients.iter().map(|_| Life::Running(Vec::new())).collect(),
        kills: scenario.kills,
        pauses: scenario.pauses,
    };
    let hashers = [std::hash::RandomState::new(), std::hash::RandomState::new()];
    let key = |state: &State| hashers.each_ref().map(|hasher| hasher.hash_one(state));
    let mut seen = HashSet::from([key(&start)]);
    let mut open = vec![(start.clone(), Vec::new())];
    let mut held = HashSet::new();
    while let Some((state, trace)) = open.pop() {
        let fail = |why: &str| -> ! {
            panic!("{}: {why}\nafter\n{}", scenario.name, replay(start.clone(), &trace, scenario))
        };
        if let Some(broken) = &state.world.broken {
            fail(broken);
        }
        let mut next = Vec::new();
        let running = state.lives.iter().filter(|life| matches!(life, Life::Running(_))).count();
        for number in 0..state.lives.len() {
            match &state.lives[number] {
                // Whoever sleeps lets another one go first.
                Life::Running(_) if state.world.sleeper == Some(number) && running > 1 => {}
                Life::Running(_) => {
                    next.push((advance(&state, number, scenario).0, Step::Call(number)));
                    if state.kills > 0 {
                        next.push((kill(&state, number), Step::Kill(number)));
                        let (client, _) = scenario.clients[number];
                        if scenario.filesystem.file_mount && client.has_library() {
                            next.push((stop(&state, number), Step::Stop(number)));
                        }
                    }
                }
                Life::Ended(Outcome::Held) => drop(held.insert(number)),
                Life::Ended(Outcome::GaveUp) | Life::Killed | Life::Stopped => {}
            }
        }
        if next.is_empty() {
            if let Err(why) = check_end(&state, scenario) {
                fail(&why);
            }
            continue;
        }
        // A process that is stopped for so long between its look at a directory and the rmdir after it can rob a
        // client without the library, as upstream's clients can each other: no call removes a directory by its
        // identity. Those with the library wait for it.
        let removing = [0, 1].iter().any(|home| state.world.refused(*home, Place::Removal));
        let lock = state.world.has_lock_directories() || state.world.has_leases();
        if state.pauses > 0 && state.world.timely && lock && !removing {
            next.push((pause(&state, EVER), Step::Pause(EVER)));
            if scenario.filesystem.file_mount {
                next.push((pause(&state, HALF), Step::Pause(HALF)));
            }
        }
        for (state, step) in next {
            if seen.insert(key(&state)) {
                let mut trace = trace.clone();
                trace.push(step);
                open.push((state, trace));
            }
        }
    }
    assert_eq!(held.len(), scenario.clients.len(), "{}: a client that never gets the lock", scenario.name);
    seen.len()
}

macro_rules! scenarios {
    ($($(#[$attribute:meta])? $name:ident: $filesystem:expr, [$(($client:ident, $home:expr)),*], $patience:expr, $kills:expr, $pauses:expr;)*) => {
        $(
            #[test]
            $(#[$attribute])?
            fn $name() {
                let states = explore(&Scenario {
                    name: stringify!($name),
                    filesystem: $filesystem,
                    clients: &[$((Client::$client, $home)),*],
                    patience: $patience,
                    kills: $kills,
                    pauses: $pauses,
                });
                println!("{}: {states} states", stringify!($name));
            }
        )*
    };
}

scenarios! {
    // name: filesystem, clients with their homes, patience, kills, pauses;
    two_old_in_one_home: COHERENT, [(Old, 0), (Old, 0)], IMPATIENT, 2, 0;
    two_old_in_two_homes: COHERENT, [(Old, 0), (Old, 1)], IMPATIENT, 2, 0;
    two_old_that_wait: COHERENT, [(Old, 0), (Old, 1)], PATIENT, 1, 0;
    old_and_new: COHERENT, [(Old, 0), (New, 1)], IMPATIENT, 2, 0;
    two_new_in_one_home: COHERENT, [(New, 0), (New, 0)], IMPATIENT, 2, 0;
    old_and_foreign_old: COHERENT, [(Old, 0), (ForeignOld, 0)], IMPATIENT, 2, 0;
    old_and_foreign_new: COHERENT, [(Old, 0), (ForeignNew, 1)], IMPATIENT, 2, 0;
    new_and_foreign_new: COHERENT, [(New, 0), (ForeignNew, 1)], IMPATIENT, 2, 0;
    new_and_foreign_old: COHERENT, [(New, 0), (ForeignOld, 0)], IMPATIENT, 2, 0;
    #[ignore = "some minutes; scripts/test --full runs it"]
    one_leaves: COHERENT, [(Leaves, 0), (Old, 1)], IMPATIENT, 0, 1;
    three_clients: COHERENT, [(Old, 0), (New, 1), (ForeignNew, 0)], IMPATIENT, 0, 0;
    three_with_a_kill: COHERENT, [(Old, 0), (New, 0), (ForeignOld, 0)], IMPATIENT, 1, 0;
    #[ignore = "some minutes; scripts/test --full runs it"]
    three_old_with_a_kill: COHERENT, [(Old, 0), (Old, 1), (Old, 1)], IMPATIENT, 1, 0;
    #[ignore = "some minutes; scripts/test --full runs it"]
    theft_old_from_old: COHERENT, [(Old, 0), (Old, 1)], IMPATIENT, 0, 1;
    #[ignore = "some minutes; scripts/test --full runs it"]
    theft_new_and_old: COHERENT, [(New, 0), (Old, 1)], IMPATIENT, 0, 1;
    theft_with_foreign: COHERENT, [(Old, 0), (ForeignNew, 1)], IMPATIENT, 0, 1;
    theft_with_foreign_old: COHERENT, [(Old, 0), (ForeignOld, 0)], IMPATIENT, 0, 1;
    #[ignore = "some minutes; scripts/test --full runs it"]
    theft_with_a_kill: COHERENT, [(Old, 0), (Old, 0)], IMPATIENT, 1, 1;
    tidying_beside_old: COHERENT, [(Old, 0), (Tidies, 0)], IMPATIENT, 2, 0;
    tidying_beside_new: COHERENT, [(New, 0), (Tidies, 1)], IMPATIENT, 2, 0;
    tidying_beside_foreign: COHERENT, [(ForeignOld, 0), (Tidies, 0)], IMPATIENT, 2, 0;
    tidying_beside_two: COHERENT, [(Old, 0), (New, 0), (Tidies, 0)], IMPATIENT, 1, 0;
    tidying_after_theft: COHERENT, [(Old, 0), (Tidies, 0)], IMPATIENT, 1, 1;
    tidying_without_flock: NO_FLOCK, [(Old, 0), (Tidies, 0)], IMPATIENT, 2, 0;
    tidying_without_birth: NO_BIRTH, [(New, 0), (Tidies, 0)], IMPATIENT, 2, 0;
    file_mount_tidying: FILE_MOUNT, [(Old, 0), (Tidies, 0)], IMPATIENT, 2, 0;
    file_mount_old_and_new: FILE_MOUNT, [(Old, 0), (New, 1)], IMPATIENT, 2, 0;
    file_mount_two_in_one_home: FILE_MOUNT, [(Old, 0), (New, 0)], IMPATIENT, 2, 0;
    file_mount_that_wait: FILE_MOUNT, [(New, 0), (New, 1)], PATIENT, 1, 0;
    file_mount_with_foreign: FILE_MOUNT, [(Old, 0), (ForeignOld, 0)], IMPATIENT, 2, 0;
    file_mount_three: FILE_MOUNT, [(Old, 0), (New, 1), (Old, 1)], IMPATIENT, 0, 0;
    file_mount_theft: FILE_MOUNT, [(Old, 0), (New, 1)], IMPATIENT, 0, 1;
    #[ignore = "some minutes; scripts/test --full runs it"]
    file_mount_theft_in_one_home: FILE_MOUNT, [(Old, 0), (Old, 0)], IMPATIENT, 0, 1;
    file_mount_theft_with_a_kill: FILE_MOUNT, [(New, 0), (New, 1)], IMPATIENT, 1, 1;
    file_mount_of_two_kernels: MANY_KERNELS, [(New, 0), (New, 1)], IMPATIENT, 1, 1;
    no_flock_old_and_new: NO_FLOCK, [(Old, 0), (New, 1)], IMPATIENT, 2, 0;
    no_flock_with_foreign: NO_FLOCK, [(Old, 0), (ForeignOld, 0)], IMPATIENT, 2, 0;
    no_birth_old_and_new: NO_BIRTH, [(Old, 0), (New, 1)], IMPATIENT, 2, 0;
    no_birth_with_foreign: NO_BIRTH, [(New, 0), (ForeignNew, 1)], IMPATIENT, 2, 0;
}
