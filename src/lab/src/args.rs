//! The command line: what the user may say, with the help texts.
//!
//! Holds no behaviour beyond turning words into the types of the scenarios.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::container;
use crate::credentials::Login;
use crate::layout::{Filesystem, Layout};
use crate::scenarios::run::Setting;
use crate::server::tokens::Strictness;
use crate::shared::Shared;
use crate::spec::{Band, ClientSpec, Program};

const SPECS: &str = "\
Clients are written VERSION[*N][@UID][+lib|-lib]:
  2.1.112          Claude Code of that release, from the npm registry (2.1.329-musl: the musl build)
  proper-lockfile  a model of an old client: npm proper-lockfile on node (proper-lockfile-new: of a new one)
  c                the lock cycle alone, in C (c-new: of a new client)
  tool-KIND        a model of another program with a login of its own, ~/.tool/auth.json (race and killed only):
                   directory and directory-beside (proper-lockfile's lock on the file or on ~/.tool), fcntl and flock
                   (a file beside the login is locked, as by ECA), lockless and lockless-rename (no lock; read again
                   before a refresh), in-memory (no lock; never read again)
  *4 @1000 +lib    four of them, as uid 1000, with the library whatever --library says

Exit codes: 0 done and as expected, 1 an expectation or the lab itself failed, 2 wrong usage, 3 cannot run here
(no root, no namespaces, no registry, a tool missing).

Real clients run with made-up tokens in namespaces without a network. Downloads are kept in $LOCKSPAN_CACHE, else
$XDG_CACHE_HOME/lockspan, else ~/.cache/lockspan.";

const SOAK: &str = "\
Two logins at once, three containers each: of one the directory is shared, of the other one the credentials file alone.
In each container four clients (npm proper-lockfile on node; stale after 5, 10 or 60 s; old ones and new ones, where a
directory is shared also new ones without the library) take and give back the lock, and write the next generation of the
credentials while they hold it. The clocks of every second container are those of a time namespace.

A proof takes `soak` as it is, 60 minutes; `soak --minutes 5` shows that all is well. Fails on two holders at once, on
credentials that are not whole or older than before, and on anything left behind; the table says what was counted.";

/// Shows what clients that share a login do to each other, and what the library makes of it.
#[derive(Debug, Parser)]
#[command(name = "lockspan-lab", version, after_help = SPECS)]
pub struct Cli {
    /// Set when the lab runs itself again in its own namespaces.
    #[arg(long, hide = true)]
    pub inside: bool,
    /// What all scenarios understand.
    #[command(flatten)]
    pub common: CommonArgs,
    /// The scenario.
    #[command(subcommand)]
    pub scenario: Scenario,
}

/// Options of every scenario.
#[derive(Debug, Args)]
pub struct CommonArgs {
    /// The library to preload [default: target/release/liblockspan.so here or in a directory above]
    #[arg(long, global = true, value_name = "FILE")]
    pub library_path: Option<PathBuf>,
    /// Have the library write its events there, one file per client
    #[arg(long, global = true, value_name = "DIR")]
    pub events: Option<PathBuf>,
    /// Write everything as JSON to FILE, or to standard output in place of the tables
    #[arg(long, global = true, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    pub json: Option<PathBuf>,
    /// Kill a client that has not ended after so many seconds
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 180.0)]
    pub timeout: f64,
    /// Set a variable in the clients' environment (repeatable)
    #[arg(long, global = true, value_name = "NAME=VALUE", value_parser = variable)]
    pub env: Vec<(String, String)>,
}

/// The scenarios.
#[derive(Clone, Debug, Subcommand)]
pub enum Scenario {
    /// Clients find the same expired token at the same time
    #[command(after_help = SPECS)]
    Race(RaceArgs),
    /// The holder is SIGKILLed in mid-refresh; how long until the next client's refresh?
    #[command(after_help = SPECS)]
    Killed(KilledArgs),
    /// The holder is SIGSTOPped past the staleness age, robbed, and woken
    #[command(after_help = SPECS)]
    Stopped(StoppedArgs),
    /// A holder's refresh takes long; do the waiters have the patience?
    #[command(after_help = SPECS)]
    LongHolder(LongHolderArgs),
    /// Many processes hold the lock in turn; was there ever more than one holder?
    #[command(after_help = SPECS)]
    Stress(StressArgs),
    /// For an hour, processes of two logins are killed and stopped, clocks jump, the disk is full; is there ever more than
    /// one holder, is anything left?
    #[command(after_help = SOAK)]
    Soak(SoakArgs),
    /// A busy reader of the credentials file while clients refresh in sequence; does it ever see half a file?
    #[command(after_help = SPECS)]
    Reader(ReaderArgs),
    /// What is shared is mounted read-only; is the refresh burnt?
    #[command(after_help = SPECS)]
    ReadOnly(ReadOnlyArgs),
    /// Somebody who knows of no lock refreshes in the middle of a client's refresh; is the new pair lost?
    #[command(after_help = SPECS)]
    Stale(StaleArgs),
    /// A client takes the pair out of the file; does a log-out go through, and one by mistake not?
    #[command(after_help = SPECS)]
    Logout(LogoutArgs),
    /// What the library costs a client's start: time and memory of `--version`, with it and without
    #[command(after_help = SPECS)]
    Start(StartArgs),
    /// `lockspan doctor --probe` in two containers at once; what does it say of the filesystem?
    Probe(ProbeArgs),
    /// A command that makes its own containers, with podman at hand: for the recipes in examples/
    #[command(after_help = SPECS)]
    Recipe(RecipeArgs),
    /// A named set of scenarios
    Matrix(MatrixArgs),
    /// Downloads clients into the cache, so that they can run without the registry; needs no root
    #[command(after_help = SPECS)]
    Fetch {
        /// Which clients
        #[arg(value_name = "SPEC", required = true)]
        specs: Vec<ClientSpec>,
    },
    /// Makes a container (started by the lab itself)
    #[command(name = crate::container::SUBCOMMAND, hide = true)]
    Container,
}

/// Which clients, with the library or without.
#[derive(Clone, Debug, Args)]
pub struct ClientArgs {
    /// Which clients (repeatable)
    #[arg(long = "client", value_name = "SPEC", required = true)]
    pub specs: Vec<ClientSpec>,
    /// How many of a client whose SPEC does not say [default: 8, with several --client 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub count: Option<u16>,
    /// As whom clients run whose SPEC does not say
    #[arg(long, default_value_t = 0)]
    pub uid: u32,
    /// Which clients have the library, where their SPEC does not say
    #[arg(long, value_enum, default_value_t = LibraryChoice::Compare)]
    pub library: LibraryChoice,
}

impl ClientArgs {
    /// How many clients a spec stands for.
    pub fn count_of(&self, spec: &ClientSpec) -> usize {
        let default = if self.specs.len() == 1 { 8 } else { 1 };
        spec.count.unwrap_or_else(|| self.count.map_or(default, usize::from))
    }
}

/// Who has the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LibraryChoice {
    /// Everybody
    All,
    /// Nobody
    None,
    /// Every second client of each kind
    Half,
    /// First nobody whatever the SPEC says, then everybody
    Compare,
}

/// What the containers are and what they share.
#[derive(Clone, Debug, Args)]
pub struct PlaceArgs {
    /// What the containers share
    #[arg(long, value_enum, default_value_t = Layout::Dir)]
    pub layout: Layout,
    /// The filesystem of private homes
    #[arg(long, value_enum, default_value_t = Filesystem::Tmpfs)]
    pub home: Filesystem,
    /// The filesystem of what is shared
    #[arg(long, value_enum, default_value_t = Shared::Tmpfs)]
    pub shared: Shared,
    /// What makes the containers
    #[arg(long, value_enum, default_value_t = container::Kind::Namespaces)]
    pub engine: container::Kind,
}

impl PlaceArgs {
    fn setting(&self, pid_namespace: bool) -> Setting {
        Setting {
            layout: self.layout,
            home: self.home,
            shared: self.shared,
            engine: self.engine,
            pid_namespace,
            read_only: false,
            login: Login::Claude,
            expired: true,
        }
    }

    /// For headings.
    pub fn words(&self) -> String {
        let layout = self.layout.to_possible_value();
        let layout = layout.as_ref().map(clap::builder::PossibleValue::get_name).unwrap_or_default();
        let shared = match self.shared.to_possible_value() {
            Some(name) if self.shared != Shared::Tmpfs => format!(" on {}", name.get_name()),
            _ => String::new(),
        };
        match self.engine {
            container::Kind::Namespaces => format!("layout {layout}{shared}"),
            container::Kind::Podman => format!("layout {layout}{shared}, podman"),
        }
    }
}

/// Where the clients run.
#[derive(Clone, Debug, Args)]
pub struct SettingArgs {
    /// What the containers are.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Give each container its own pid namespace (podman's always have one)
    #[arg(long)]
    pub pid_ns: bool,
}

impl SettingArgs {
    /// For the run.
    pub fn setting(&self) -> Setting {
        self.place.setting(self.pid_ns)
    }
}

/// What the token server does on reuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ServerChoice {
    /// Reuse of a refresh token is refused
    Lenient,
    /// ... and revokes the whole family
    Strict,
    /// One after the other
    Both,
}

impl ServerChoice {
    /// The modes, one after the other.
    pub fn modes(self) -> Vec<Strictness> {
        match self {
            Self::Lenient => vec![Strictness::Lenient],
            Self::Strict => vec![Strictness::Strict],
            Self::Both => vec![Strictness::Lenient, Strictness::Strict],
        }
    }
}

/// What a race must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Expectation {
    /// One refresh, no refusal, all answers, a good pair and no lock left, wherever a client has the library
    Clean,
    /// The same, also where no client has it
    CleanAll,
}

/// Options of `race`.
#[derive(Clone, Debug, Args)]
pub struct RaceArgs {
    /// The clients.
    #[command(flatten)]
    pub clients: ClientArgs,
    /// Where they run.
    #[command(flatten)]
    pub setting: SettingArgs,
    /// Seconds between a token request and its answer (below 2 the race is not certain)
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    pub delay: f64,
    /// What reuse of a refresh token does
    #[arg(long, value_enum, default_value_t = ServerChoice::Strict)]
    pub server: ServerChoice,
    /// Run each client as a whole under flock(1) on a file in the config directory, as scripts do without the library
    #[arg(long)]
    pub serial: bool,
    /// How often
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub runs: u16,
    /// Fail unless
    #[arg(long, value_enum)]
    pub expect: Option<Expectation>,
}

/// When to disturb the holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// When the server has its token request.
    Request,
    /// So long after it made its first lock.
    Lock(Duration),
}

/// Options of `killed` and `stopped`.
#[derive(Clone, Debug, Args)]
pub struct TakeoverArgs {
    /// The holder: SPEC without a count
    #[arg(long, value_name = "SPEC")]
    pub client: ClientSpec,
    /// The one that comes next [default: as the holder]
    #[arg(long, value_name = "SPEC")]
    pub next: Option<ClientSpec>,
    /// As whom clients run whose SPEC does not say
    #[arg(long, default_value_t = 0)]
    pub uid: u32,
    /// Who has the library, where the SPEC does not say
    #[arg(long, value_enum, default_value_t = LibraryChoice::Compare)]
    pub library: LibraryChoice,
    /// What the containers are.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Let the containers share a pid namespace (podman's never do)
    #[arg(long)]
    pub same_pid_ns: bool,
    /// When: `request` (the server has the holder's token request) or `mkdir+MSms` after its first lock
    #[arg(long, value_name = "MOMENT", default_value = "request", value_parser = moment)]
    pub at: Moment,
    /// Seconds between a token request and its answer
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    pub delay: f64,
    /// How often
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub runs: u16,
}

impl TakeoverArgs {
    /// Holder and next client.
    pub fn clients(&self) -> ClientArgs {
        let one = |mut spec: ClientSpec| {
            spec.count = Some(1);
            spec
        };
        ClientArgs {
            specs: vec![one(self.client), one(self.next.unwrap_or(self.client))],
            count: None,
            uid: self.uid,
            library: self.library,
        }
    }

    /// For the run.
    pub fn setting(&self) -> Setting {
        self.place.setting(!self.same_pid_ns)
    }
}

/// Options of `killed`.
#[derive(Clone, Debug, Args)]
pub struct KilledArgs {
    /// Holder, next client, place and moment.
    #[command(flatten)]
    pub takeover: TakeoverArgs,
    /// Fail unless, with the library, the next token request comes within so many seconds
    #[arg(long, value_name = "SECONDS")]
    pub within: Option<f64>,
}

/// Options of `stopped`.
#[derive(Clone, Debug, Args)]
pub struct StoppedArgs {
    /// Holder, next client, place and moment.
    #[command(flatten)]
    pub takeover: TakeoverArgs,
    /// What reuse of a refresh token does
    #[arg(long, value_enum, default_value_t = Strictness::Lenient)]
    pub server: Strictness,
    /// Fail if, with the library, a lock is removed by another than its holder or left behind
    #[arg(long)]
    pub expect_safe: bool,
}

/// Options of `long-holder`.
#[derive(Clone, Debug, Args)]
pub struct LongHolderArgs {
    /// The waiters.
    #[command(flatten)]
    pub clients: ClientArgs,
    /// Who holds: SPEC without a count
    #[arg(long, value_name = "SPEC", default_value = "proper-lockfile")]
    pub holder: ClientSpec,
    /// Where they run.
    #[command(flatten)]
    pub setting: SettingArgs,
    /// Seconds that the holder's token request takes
    #[arg(long, value_name = "SECONDS", default_value_t = 45.0)]
    pub delay: f64,
    /// How often
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub runs: u16,
    /// Fail unless, with the library, all waiters have their answers
    #[arg(long)]
    pub expect_answers: bool,
}

/// Options of `stress`.
#[derive(Clone, Debug, Args)]
pub struct StressArgs {
    /// A model client: proper-lockfile[-new] or c[-new], without a count
    #[arg(long, value_name = "SPEC", default_value = "proper-lockfile")]
    pub client: ClientSpec,
    /// Who has the library
    #[arg(long, value_enum, default_value_t = LibraryChoice::All)]
    pub library: LibraryChoice,
    /// Where they run.
    #[command(flatten)]
    pub setting: SettingArgs,
    /// How many processes
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub processes: u16,
    /// In how many containers
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pub containers: u16,
    /// For how long
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    pub seconds: f64,
    /// The longest time that a process holds the lock
    #[arg(long, value_name = "MS", default_value_t = 20)]
    pub hold: u64,
    /// SIGKILL one process in N at random times in the first three quarters, every second time the current holder; a
    /// new one takes its place
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub kill_one_in: Option<u16>,
    /// Of the random times [default: another one each time, always printed]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Fail unless there was never more than one holder and nothing is left behind
    #[arg(long)]
    pub expect_exclusive: bool,
}

/// Options of `soak`.
#[derive(Clone, Debug, Args)]
pub struct SoakArgs {
    /// How long it is disturbed; some minutes of peace follow at the most
    #[arg(long, value_name = "MINUTES", default_value_t = 60.0)]
    pub minutes: f64,
    /// Of the random times [default: another one each time, always printed]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Who has the library: all that can make use of it, or none, to see that violations are found
    #[arg(long, value_enum, default_value_t = LibraryChoice::All, value_parser = all_or_none())]
    pub library: LibraryChoice,
}

/// Options of scenarios with one kind of client, one at a time.
#[derive(Clone, Debug, Args)]
pub struct SingleArgs {
    /// The client: SPEC without a count
    #[arg(long, value_name = "SPEC")]
    pub client: ClientSpec,
    /// As whom it runs if the SPEC does not say
    #[arg(long, default_value_t = 0)]
    pub uid: u32,
    /// Whether it has the library, if the SPEC does not say
    #[arg(long, value_enum, default_value_t = LibraryChoice::Compare)]
    pub library: LibraryChoice,
    /// Where it runs.
    #[command(flatten)]
    pub setting: SettingArgs,
    /// How often
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub runs: u16,
}

impl SingleArgs {
    /// The one client.
    pub fn clients(&self) -> ClientArgs {
        let spec = ClientSpec { count: Some(1), ..self.client };
        ClientArgs { specs: vec![spec], count: None, uid: self.uid, library: self.library }
    }
}

/// Options of `reader`.
#[derive(Clone, Debug, Args)]
pub struct ReaderArgs {
    /// Who refreshes, and where.
    #[command(flatten)]
    pub single: SingleArgs,
    /// How many refreshes, each by a client of its own (a real one takes 2 to 4 s; proper-lockfile[-new] is a model that
    /// writes as the real ones do)
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pub refreshes: u16,
    /// Give the reader the library, too, where the clients have it
    #[arg(long)]
    pub reader_has_library: bool,
    /// Fail if, with the library, the reader finds the file empty, torn or gone
    #[arg(long)]
    pub expect_whole: bool,
}

/// Options of `read-only`.
#[derive(Clone, Debug, Args)]
pub struct ReadOnlyArgs {
    /// Who would refresh, and where.
    #[command(flatten)]
    pub single: SingleArgs,
    /// Kill a client that has not ended after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    pub patience: f64,
    /// Fail if, with the library, there is a token request
    #[arg(long)]
    pub expect_no_request: bool,
}

/// When the new pair of `stale` gets into the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Storing {
    /// Before the client is refused.
    Request,
    /// After, when the client has written a temporary file and is about to publish it.
    Write,
}

/// Options of `stale`.
#[derive(Clone, Debug, Args)]
pub struct StaleArgs {
    /// Who is refused, and where.
    #[command(flatten)]
    pub single: SingleArgs,
    /// Kill a client that has not ended after so many seconds (2.1.112 never gives up)
    #[arg(long, value_name = "SECONDS", default_value_t = 40.0)]
    pub patience: f64,
    /// When the new pair is stored
    #[arg(long, value_enum, default_value_t = Storing::Write)]
    pub at: Storing,
    /// Fail unless, with the library, the new pair is still there at the end
    #[arg(long)]
    pub expect_good: bool,
}

/// Options of `logout`.
#[derive(Clone, Debug, Args)]
pub struct LogoutArgs {
    /// Who logs out, and where.
    #[command(flatten)]
    pub single: SingleArgs,
    /// Fail unless a client that has read the newest pair logs out and, with the library, one that has read an older
    /// pair cannot blank the newest one
    #[arg(long)]
    pub expect: bool,
}

/// Options of `start`.
#[derive(Clone, Debug, Args)]
pub struct StartArgs {
    /// A real client: SPEC without a count
    #[arg(long, value_name = "SPEC")]
    pub client: ClientSpec,
    /// How often, with the library and without by turns
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    pub runs: u16,
    /// Fail if the library costs more, by the median of the differences and by the smallest times
    #[arg(long, value_name = "MILLISECONDS")]
    pub slower_by: Option<f64>,
    /// Fail if the library makes the peak resident set larger, by the same
    #[arg(long, value_name = "MEBIBYTES")]
    pub larger_by: Option<f64>,
}

/// Options of `probe`.
#[derive(Clone, Debug, Args)]
pub struct ProbeArgs {
    /// What the containers are.
    #[command(flatten)]
    pub setting: SettingArgs,
}

/// Options of `recipe`.
#[derive(Clone, Debug, Args)]
pub struct RecipeArgs {
    /// The client: SPEC without a count; containers find it, and node if it needs that, in $LAB_PROGRAMS
    #[arg(long, value_name = "SPEC")]
    pub client: ClientSpec,
    /// Where the command is started
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub directory: PathBuf,
    /// Seconds between a token request and its answer
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    pub delay: f64,
    /// What reuse of a refresh token does
    #[arg(long, value_enum, default_value_t = Strictness::Strict)]
    pub server: Strictness,
    /// Fail unless there was one refresh and no refusal, $LAB_LOGIN has a good pair, and no lock is left in it
    #[arg(long)]
    pub expect_clean: bool,
    /// The command: $LAB_LOGIN is the config directory to share, $LAB_IMAGE the image, $LAB_CACHE the lab's cache
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<OsString>,
}

/// Options of `matrix`.
#[derive(Clone, Debug, Args)]
pub struct MatrixArgs {
    /// Which set: acceptance (real clients), podman (the same in podman's containers), file (only the credentials file is
    /// mounted), stores (models of other programs), real (a few of acceptance and file), quick (model clients), all
    #[arg(default_value = "acceptance")]
    pub set: String,
    /// Only the scenarios whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Print the scenarios and stop
    #[arg(long)]
    pub list: bool,
}

impl Scenario {
    /// Every program that the scenario starts.
    pub fn programs(&self) -> Vec<Program> {
        let all = |specs: &[ClientSpec]| specs.iter().map(|spec| spec.program).collect();
        match self {
            Self::Race(args) => all(&args.clients.specs),
            Self::Killed(args) => all(&args.takeover.clients().specs),
            Self::Stopped(args) => all(&args.takeover.clients().specs),
            Self::LongHolder(args) => {
                let mut programs: Vec<Program> = all(&args.clients.specs);
                programs.push(args.holder.program);
                programs
            }
            Self::Stress(args) => vec![args.client.program],
            Self::Soak(_) => vec![Program::ProperLockfile(Band::Old)],
            // The reader comes with the C client.
            Self::Reader(args) => vec![args.single.client.program, Program::C(Band::Old)],
            Self::ReadOnly(args) => vec![args.single.client.program],
            Self::Stale(args) => vec![args.single.client.program],
            Self::Logout(args) => vec![args.single.client.program],
            Self::Start(args) => vec![args.client.program],
            Self::Recipe(args) => vec![args.client.program],
            Self::Fetch { specs } => all(specs),
            Self::Probe(_) | Self::Matrix(_) | Self::Container => Vec::new(),
        }
    }

    /// Whether any client may have the library.
    pub fn needs_library(&self) -> bool {
        let any = |choice: LibraryChoice, specs: &[ClientSpec]| {
            specs.iter().any(|spec| spec.library.unwrap_or(choice != LibraryChoice::None))
        };
        match self {
            Self::Race(args) => any(args.clients.library, &args.clients.specs),
            Self::Killed(args) => any(args.takeover.library, &args.takeover.clients().specs),
            Self::Stopped(args) => any(args.takeover.library, &args.takeover.clients().specs),
            Self::LongHolder(args) => {
                any(args.clients.library, &args.clients.specs) || any(args.clients.library, &[args.holder])
            }
            Self::Stress(args) => any(args.library, &[args.client]),
            Self::Soak(args) => args.library != LibraryChoice::None,
            Self::Reader(args) => any(args.single.library, &[args.single.client]),
            Self::ReadOnly(args) => any(args.single.library, &[args.single.client]),
            Self::Stale(args) => any(args.single.library, &[args.single.client]),
            Self::Logout(args) => any(args.single.library, &[args.single.client]),
            Self::Start(_) => true,
            // A probe needs none; the containers of a recipe have the library that its command puts there.
            Self::Probe(_) | Self::Recipe(_) | Self::Matrix(_) | Self::Fetch { .. } | Self::Container => {
                false
            }
        }
    }

    /// Where the clients run, if the scenario lets the user choose.
    fn setting(&self) -> Option<Setting> {
        match self {
            Self::Race(args) => Some(args.setting.setting()),
            Self::Killed(args) => Some(args.takeover.setting()),
            Self::Stopped(args) => Some(args.takeover.setting()),
            Self::LongHolder(args) => Some(args.setting.setting()),
            Self::Stress(args) => Some(args.setting.setting()),
            Self::Reader(args) => Some(args.single.setting.setting()),
            Self::ReadOnly(args) => Some(args.single.setting.setting()),
            Self::Stale(args) => Some(args.single.setting.setting()),
            Self::Logout(args) => Some(args.single.setting.setting()),
            Self::Probe(args) => Some(args.setting.setting()),
            Self::Soak(_)
            | Self::Start(_)
            | Self::Recipe(_)
            | Self::Matrix(_)
            | Self::Fetch { .. }
            | Self::Container => None,
        }
    }

    /// Whether podman makes the containers.
    pub fn needs_podman(&self) -> bool {
        matches!(self, Self::Recipe(_))
            || self.setting().is_some_and(|setting| setting.engine == container::Kind::Podman)
    }
}

fn moment(text: &str) -> Result<Moment, String> {
    if text == "request" {
        return Ok(Moment::Request);
    }
    text.strip_prefix("mkdir+")
        .and_then(|rest| rest.strip_suffix("ms"))
        .and_then(|number| number.parse().ok())
        .map(|ms| Moment::Lock(Duration::from_millis(ms)))
        .ok_or_else(|| "expected `request` or `mkdir+MSms`, for example mkdir+200ms".to_owned())
}

fn variable(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "expected NAME=VALUE".to_owned())
}

fn all_or_none() -> impl clap::builder::TypedValueParser<Value = LibraryChoice> {
    use clap::builder::TypedValueParser;
    clap::builder::EnumValueParser::<LibraryChoice>::new().try_map(|choice| match choice {
        LibraryChoice::All | LibraryChoice::None => Ok(choice),
        LibraryChoice::Half | LibraryChoice::Compare => Err("a soak runs once, and as a whole"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn moments_are_read() {
        assert_eq!(moment("request"), Ok(Moment::Request));
        assert_eq!(moment("mkdir+200ms"), Ok(Moment::Lock(Duration::from_millis(200))));
        assert!(moment("mkdir+200").is_err());
        assert!(moment("later").is_err());
    }
}
