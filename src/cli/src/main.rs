//! The `lockspan` command.
//!
//! It never links the hooks, starts no client on its own, refreshes no token and prints none. Data goes to
//! stdout, talk to stderr.

mod advise;
mod clean;
mod client;
mod config;
mod dead;
mod doctor;
mod environment;
mod generate;
mod init;
mod layout;
mod output;
mod program;
mod reach;
mod run;
mod scan;
mod settings;
mod status;
mod timeline;
mod trace;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// One OAuth refresh for all containers that share a login.
#[derive(Parser)]
#[command(version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a command with the library loaded
    ///
    /// The command replaces lockspan, so that its pid, signals, terminal and exit status are its own; with --serial,
    /// --slot, --tokens or --timeout lockspan stays as its parent, passes signals on and ends as it does. Exit status
    /// 125: lockspan refused; 126: the command cannot be run; 127: it was not found; 124: --timeout ended it; 1: what
    /// --serial or --slot waits for did not come.
    Run(run::Options),
    /// Says whether the login is safe here, and what to do where it is not
    ///
    /// Looks, and changes nothing but by --probe and --fix. Never starts a client, never prints a token. Exit
    /// status 1: something is wrong.
    Doctor(doctor::Options),
    /// Shows who holds the locks of this login
    ///
    /// Looks at the config directory that a client started here would use, and changes nothing. Who waits, and who
    /// held the refresh lock last, is known where LOCKSPAN_EVENTS names the log that the clients write to. Exit
    /// status 1: there is no config directory.
    Status {
        /// Prints JSON, described by its schema_version
        #[arg(long)]
        json: bool,
        /// Goes on: on a terminal the table once a second, else, and with --json, a line for each change
        #[arg(long)]
        watch: bool,
    },
    /// Shows what happens to the locks, as it happens
    ///
    /// With a command: runs it as `run` does, shows its events on stderr and exits with its status (128 and the
    /// signal's number, if it was killed). Without: follows the file that LOCKSPAN_EVENTS names, from where it ends
    /// now, on stdout. Exit status 125: lockspan refused; 126: the command cannot be run; 127: it was not found.
    Trace {
        /// Prints a line of JSON for each event, described by its schema_version
        #[arg(long)]
        json: bool,
        /// The command and its arguments
        #[arg(last = true)]
        command: Vec<OsString>,
    },
    /// Draws who held a lock and who waited for it
    ///
    /// From events files, as the library writes them where LOCKSPAN_EVENTS names one: of one container or of many, a
    /// file for all or one for each.
    Timeline {
        /// Events files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Where to write the picture, - for stdout
        #[arg(long, value_name = "OUT")]
        svg: PathBuf,
    },
    /// Removes the locks of holders that are proven dead
    ///
    /// By rmdir alone, and only where the kernel and the library's record prove the death; never by a lock's age.
    /// Exit status 0: no lock is in the way but those of live holders; 3: one was kept that may or may not be a dead
    /// holder's; 1: no config directory, or the kernel refused a removal.
    Clean {
        /// Prints JSON, described by its schema_version
        #[arg(long)]
        json: bool,
    },
    /// Makes the layout that needs no library: the config directory below a shared mount
    ///
    /// DIR/claude, closed to others, becomes the config directory, and ~/.claude a link to it. What is in ~/.claude is
    /// copied there, while its locks are held, and kept as ~/.claude.before-lockspan. A second run changes nothing; one
    /// that was interrupted is finished by the next. Exit status 1: refused, with the reason; nothing was changed.
    Init {
        /// The mount that all containers share, or a directory in it
        #[arg(long, value_name = "DIR")]
        shared: PathBuf,
        /// Leaves ~/.claude alone, and prints the line that sets CLAUDE_CONFIG_DIR: eval "$(lockspan init ...)"
        #[arg(long)]
        export: bool,
    },
    /// Says which way to log in, and which layout, suits this machine
    ///
    /// Goes by variables, mounts and files; starts nothing and asks nothing.
    Advise {
        /// The clients are unattended jobs
        #[arg(long, conflicts_with = "interactive")]
        batch: bool,
        /// People use the clients
        #[arg(long)]
        interactive: bool,
        /// Prints JSON, described by its schema_version
        #[arg(long)]
        json: bool,
    },
    /// Checks and shows the configuration, by which other clients are served
    Config {
        #[command(subcommand)]
        command: config::Command,
    },
    /// Writes down where a program makes its own system calls
    ///
    /// For a program that makes its locks by syscall instructions of its own, so that the library can take those
    /// over. The builds of Claude Code that do so are known and need no scan. Exit status 1: the program cannot be
    /// served.
    Scan {
        /// The program
        file: PathBuf,
        /// Where to write the table, - for stdout [default: BUILD-ID.sites in $LOCKSPAN_SITES, else in
        /// /var/lib/lockspan]
        #[arg(long, value_name = "PATH")]
        output: Option<PathBuf>,
        /// Prints the figures as JSON, described by its schema_version
        #[arg(long)]
        json: bool,
    },
    /// Shows what a bug report needs to know of this machine
    ///
    /// Of a secret only whether it is set.
    Env {
        /// Prints JSON, described by its schema_version
        #[arg(long)]
        json: bool,
        /// Replaces the names of home directories and users
        #[arg(long)]
        redact: bool,
    },
    /// Writes man pages or completions
    #[command(hide = true)]
    Generate {
        /// What to write
        what: generate::What,
        /// Where
        directory: PathBuf,
    },
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let (result, failure) = match arguments.command {
        Command::Advise { batch, interactive, json } => {
            let batch = batch.then_some(advise::Usage::Batch);
            let usage = batch.or(interactive.then_some(advise::Usage::Interactive));
            (done(advise::advise(json, usage)), 1)
        }
        Command::Clean { json } => (clean::clean(json), 1),
        Command::Config { command } => (done(config::config(&command)), 1),
        Command::Doctor(options) => (doctor::doctor(&options), 1),
        Command::Env { json, redact } => (done(environment::environment(json, redact)), 1),
        Command::Generate { what, directory } => {
            (done(generate::generate(what, &directory, &Arguments::command())), 1)
        }
        Command::Init { shared, export } => (done(init::init(&shared, export)), 1),
        Command::Run(options) => (run::run(&options).map(|never| match never {}), run::REFUSED),
        Command::Scan { file, output, json } => (done(scan::scan(&file, output.as_deref(), json)), 1),
        Command::Status { json, watch } => (done(status::status(json, watch)), 1),
        Command::Timeline { files, svg } => (done(timeline::timeline(&files, &svg)), 1),
        Command::Trace { json, command } => {
            let format = if json { trace::Format::Json } else { trace::Format::Text };
            (trace::trace(&command, format), run::REFUSED)
        }
    };
    match result {
        Ok(status) => status,
        Err(error) => {
            eprintln!("lockspan: {error:#}");
            ExitCode::from(error.downcast_ref::<run::Failure>().map_or(failure, run::Failure::status))
        }
    }
}

/// The exit status of a command that has none of its own.
fn done(result: anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    result.map(|()| ExitCode::SUCCESS)
}

/// Prints help, or what was wrong with the command line. For `run` and `trace` that is a failure of its own, whose
/// status must not look like the command's.
fn usage(error: &clap::Error) -> ExitCode {
    // There is nobody left to tell if this fails.
    let _ = error.print();
    match error.exit_code() {
        0 => ExitCode::SUCCESS,
        _ if std::env::args_os().nth(1).is_some_and(|word| word == "run" || word == "trace") => {
            ExitCode::from(run::REFUSED)
        }
        _ => ExitCode::from(2),
    }
}
