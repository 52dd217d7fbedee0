//! A command that makes its containers by itself, with the podman and the token server of the lab: how the recipes are
//! tried as they are written.
//!
//! Says what became of the login; what the command prints goes to where the lab's own output goes.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::run::Lab;
use crate::args::RecipeArgs;
use crate::clients::{self, claude};
use crate::container::{Step, image};
use crate::credentials::{self, FILE_NAME, Found, Login};
use crate::layout::{STATE, STATE_NAME};
use crate::report::{Report, left};
use crate::sandbox::{self, Sandbox};
use crate::server::tokens::{Pair, Strictness, TokenFamily};
use crate::server::{Behaviour, Rotation, Server};
use crate::spec::Program;

/// Who the users of containers are, as in many an image.
const UID: u32 = 1000;

/// Runs the command.
pub fn run(lab: &Lab, args: &RecipeArgs) -> Result<Report> {
    let behaviour = Behaviour {
        strictness: args.server,
        rotation: Rotation::OnArrival,
        delay: Duration::try_from_secs_f64(args.delay).context("--delay")?,
        first_delay: None,
    };
    let server = Server::start(behaviour, &lab.sandbox.identity)?;
    let uid = args.client.uid.unwrap_or(UID);
    let first = TokenFamily::new(Strictness::Lenient).first().clone();
    let login = prepare_login(&lab.sandbox, uid, &first)?;

    let began = Instant::now();
    let mut command = command(lab, args, &login)?;
    let status = command.status().with_context(|| format!("starting {:?}", command.get_program()))?;
    let seconds = began.elapsed().as_secs_f64();

    let content = fs::read_to_string(login.join(FILE_NAME)).ok();
    let found = credentials::judge(Login::Claude, content.as_deref(), &server.family().lock());
    let locks = locks_in(&login)?;
    let counters = server.log().counters();
    let mut report = Report::new(format!("recipe: {}", args.client), &[]);
    report.columns = vec!["server", "200", "400", "seconds", "credentials", "left"];
    report.rows.push(vec![
        format!("{:?}", args.server).to_lowercase(),
        counters.token200.to_string(),
        counters.token400.to_string(),
        format!("{seconds:.1}"),
        found.word().to_owned(),
        left([&locks]),
    ]);
    if !status.success() {
        report.failures.push(format!("the command ended with {status}"));
    }
    if args.expect_clean {
        if (counters.token200, counters.token400) != (1, 0) {
            let (accepted, refused) = (counters.token200, counters.token400);
            report.failures.push(format!("token200 = {accepted}, token400 = {refused}"));
        }
        if found != Found::Good {
            report.failures.push(format!("credentials {}", found.word()));
        }
        if !locks.is_empty() {
            report.failures.push(format!("left behind: {}", locks.join(" ")));
        }
    }
    report.details.push(json!({
        "scenario": "recipe",
        "client": args.client.to_string(),
        "server": args.server,
        "seconds": seconds,
        "counters": counters,
        "credentials": found,
        "locks_left": locks,
        "requests": server.log().events(),
    }));
    Ok(report)
}

/// The config directory that is to be shared, with an expired login.
fn prepare_login(sandbox: &Sandbox, owner: u32, pair: &Pair) -> Result<PathBuf> {
    let login = sandbox.programs.with_file_name("login");
    let file =
        |name: &str, content: String| Step::File { path: login.join(name), content, mode: 0o600, owner };
    for step in [
        Step::Directory { path: login.clone(), owner },
        file(FILE_NAME, Login::Claude.expired(pair)),
        file(STATE_NAME, STATE.to_owned()),
    ] {
        step.perform()?;
    }
    fs::set_permissions(&login, fs::Permissions::from_mode(0o700))?;
    Ok(login)
}

/// The user's command, told by its environment what there is.
fn command(lab: &Lab, args: &RecipeArgs, login: &Path) -> Result<Command> {
    let sandbox = &lab.sandbox;
    let engine = lab.engine.as_ref().context("podman was not prepared")?;
    let tools = sandbox.programs.with_file_name("bin");
    sandbox::make_directory(&tools)?;
    engine.write_command(&tools.join("podman"), &clients::offline(sandbox))?;
    symlink("podman", tools.join("docker"))?;

    let [program, arguments @ ..] = args.command.as_slice() else {
        bail!("a command is needed");
    };
    let mut path = tools.into_os_string();
    path.push(":");
    path.push(crate::container::PATH);
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", path).env("HOME", "/run");
    command.env("LAB_IMAGE", image::NAME).env("LAB_LOGIN", login).env("LAB_CACHE", &sandbox.packages);
    // Every container sees that directory: an image that names it serves any client.
    let claude = sandbox.programs.join("claude");
    symlink(executable(args.client.program, sandbox)?, claude)?;
    command.env("LAB_PROGRAMS", &sandbox.programs);
    command.envs(lab.environment.iter().map(|(name, value)| (name, value)));
    if let Some(directory) = &sandbox.directory {
        command.current_dir(directory);
    }
    Ok(command)
}

/// What is to be installed as `claude`.
fn executable(program: Program, sandbox: &Sandbox) -> Result<PathBuf> {
    match program {
        Program::ClaudeNode(release) => Ok(claude::node_script(release, sandbox)),
        Program::ClaudeNative(release, libc) => Ok(claude::native_executable(release, libc, sandbox)),
        Program::ProperLockfile(_) | Program::C(_) | Program::Tool(_) => {
            bail!("a recipe is tried with real clients only: the models are no `claude`")
        }
    }
}

fn locks_in(directory: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".lock") || name.ends_with(".lock.owner") {
            names.push(name);
        }
    }
    Ok(names)
}
