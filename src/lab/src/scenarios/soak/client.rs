//! The clients of the soak: what kinds there are, and how one is started.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::json;

use super::place::Home;
use crate::clients::{Launch, proper_lockfile};
use crate::credentials::Login;
use crate::failure::cannot_run;
use crate::sandbox::{self, HOME, Sandbox};
use crate::spec::Band;

const SCRIPT: &str = include_str!("../../clients/soak.js");
/// Descriptors that a client may have: few enough for it to use up all of them.
const DESCRIPTORS: &str = "--nofile=64:64";
/// What the monotonic clocks of a time namespace are ahead by, in seconds.
const AHEAD: u32 = 100_000;
/// When the access tokens of the soak expire, in milliseconds: in the year 2100, and each later than the one before.
pub const EXPIRES: u64 = 4_102_444_800_000;

/// What tells one client from another.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Which locks it takes.
    pub band: Band,
    /// After how many milliseconds it calls a lock stale.
    pub stale: u32,
    /// Whether it has the library, unless nobody has.
    pub library: bool,
    /// Whether its clock is wrong at times.
    pub jumps: bool,
}

impl Kind {
    /// For names in the log.
    pub fn word(self) -> String {
        let band = match self.band {
            Band::Old => "old",
            Band::New => "new",
        };
        format!("{band}-{}{}", self.stale, if self.library { "" } else { "-bare" })
    }
}

/// One client to be.
pub struct Client {
    /// In the log.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// Of its random numbers.
    pub seed: u32,
    /// Whether its monotonic clocks are those of another time namespace.
    pub other_time: bool,
    /// Whether it only takes the lock once.
    pub last: bool,
}

/// What all clients are started with.
pub struct Programs<'a> {
    sandbox: &'a Sandbox,
    script: PathBuf,
    time: PathBuf,
}

impl<'a> Programs<'a> {
    /// Writes the script, and makes the time namespace, where containers see them.
    pub fn install(sandbox: &'a Sandbox) -> Result<Self> {
        let programs = Self {
            sandbox,
            script: sandbox.programs.join("soak.js"),
            time: sandbox.programs.join("time-namespace"),
        };
        sandbox::write(&programs.script, SCRIPT)?;
        sandbox::write(&programs.time, "")?;
        let ahead = AHEAD.to_string();
        let mut unshare = Command::new("unshare");
        unshare.arg(format!("--time={}", programs.time.display()));
        unshare.args(["--monotonic", &ahead, "--boottime", &ahead, "true"]);
        sandbox::run(&mut unshare)
            .map_err(|error| cannot_run(format!("no time namespace can be made: {error:#}")))?;
        Ok(programs)
    }

    /// How it is started.
    pub fn launch(&self, client: &Client, home: &Home, library: bool) -> Result<Launch> {
        let Self { sandbox, script, time } = self;
        let layout = home.layout();
        let settings = json!({
            "module": proper_lockfile::module(&sandbox.packages),
            "name": client.name,
            "band": match client.kind.band { Band::Old => "old", Band::New => "new" },
            "staleMs": client.kind.stale,
            "jumps": client.kind.jumps,
            "last": client.last,
            "directory": layout.config_directory(Login::Claude),
            "credentials": layout.credentials(Login::Claude),
            "expires": EXPIRES,
            "log": home.log(),
            "clockOffsetNs": if client.other_time { format!("{AHEAD}000000000") } else { "0".to_owned() },
        });
        let mut argv = Vec::new();
        if client.other_time {
            argv.extend(["nsenter".into(), format!("--time={}", time.display()).into()]);
        }
        let node = sandbox.node.as_ref().context("the soak's clients run on node")?;
        argv.extend(["prlimit".into(), DESCRIPTORS.into(), node.into()]);
        argv.extend([
            format!("--random-seed={}", client.seed).into(),
            script.into(),
            settings.to_string().into(),
        ]);
        let mut environment = std::collections::BTreeMap::new();
        environment.insert("HOME".into(), HOME.into());
        environment.insert("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into());
        if library && client.kind.library {
            let library = sandbox.library.as_ref().context("the library was not prepared")?;
            environment.insert("LD_PRELOAD".into(), library.into());
        }
        Ok(Launch { argv, environment })
    }
}
