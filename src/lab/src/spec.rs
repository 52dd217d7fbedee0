//! What the user writes to name clients: `VERSION[*N][@UID][+lib|-lib]`.
//!
//! Pure parsing: nothing here knows how a client is installed or started.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};

use crate::credentials::Login;

/// The last release that was published as a JavaScript bundle for Node.
const LAST_NODE_RELEASE: Release = Release { major: 2, minor: 1, patch: 112 };

/// A release number of Claude Code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    major: u32,
    minor: u32,
    patch: u32,
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for Release {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut numbers = text.split('.').map(str::parse::<u32>);
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch)), None) => Ok(Self { major, minor, patch }),
            _ => bail!(
                "`{text}` is no client: expected a release like 2.1.112, `proper-lockfile[-new]`, `c[-new]` or a `tool-`"
            ),
        }
    }
}

/// Which locks a model client takes: only the sibling, or the in-dir lock and then the sibling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Band {
    /// The sibling lock alone, stale after 10 s.
    Old,
    /// The in-dir lock, then the sibling, stale after 60 s.
    New,
}

/// The C library that a native build is linked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Libc {
    /// `@anthropic-ai/claude-code-linux-x64`
    Gnu,
    /// `@anthropic-ai/claude-code-linux-x64-musl`
    Musl,
}

/// How a model of a program that is not Claude Code keeps its login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Under npm proper-lockfile's lock on the file.
    Directory,
    /// Under its lock on the directory, which lies beside that.
    DirectoryBeside,
    /// Under a lock by fcntl(2) on a file beside it, as ECA does.
    Fcntl,
    /// The same by flock(2).
    Flock,
    /// Under no lock; written in place.
    Lockless,
    /// Under no lock; written by a rename.
    LocklessRename,
    /// Under no lock, and never read again.
    InMemory,
}

impl Tool {
    const ALL: [Tool; 7] = [
        Tool::Directory,
        Tool::DirectoryBeside,
        Tool::Fcntl,
        Tool::Flock,
        Tool::Lockless,
        Tool::LocklessRename,
        Tool::InMemory,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Directory => "tool-directory",
            Self::DirectoryBeside => "tool-directory-beside",
            Self::Fcntl => "tool-fcntl",
            Self::Flock => "tool-flock",
            Self::Lockless => "tool-lockless",
            Self::LocklessRename => "tool-lockless-rename",
            Self::InMemory => "tool-in-memory",
        }
    }
}

/// A program that takes the refresh lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Claude Code as `cli.js`, run by node.
    ClaudeNode(Release),
    /// Claude Code as a native executable.
    ClaudeNative(Release, Libc),
    /// npm proper-lockfile on node, behaving like a client.
    ProperLockfile(Band),
    /// The lock cycle in C, without a token server.
    C(Band),
    /// A model of a program that is not Claude Code.
    Tool(Tool),
}

impl Program {
    /// Whether the program is a script that takes npm proper-lockfile's locks.
    pub fn is_proper_lockfile(self) -> bool {
        matches!(self, Self::ProperLockfile(_) | Self::Tool(Tool::Directory | Tool::DirectoryBeside))
    }

    /// Whose login the program uses.
    pub fn login(self) -> Login {
        if matches!(self, Self::Tool(_)) { Login::Tool } else { Login::Claude }
    }

    /// Whether the token that the program finds at its start has expired. One that never reads again would be spared
    /// what is to be seen if it had: it is shown with a token that expired later.
    pub fn starts_expired(self) -> bool {
        self != Self::Tool(Tool::InMemory)
    }

    /// Whether the program refreshes at the token server (and so can answer).
    pub fn talks_to_server(self) -> bool {
        !matches!(self, Self::C(_))
    }
}

impl FromStr for Program {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "proper-lockfile" => Self::ProperLockfile(Band::Old),
            "proper-lockfile-new" => Self::ProperLockfile(Band::New),
            "c" => Self::C(Band::Old),
            "c-new" => Self::C(Band::New),
            _ => {
                if let Some(tool) = Tool::ALL.into_iter().find(|tool| tool.name() == text) {
                    return Ok(Self::Tool(tool));
                }
                let (number, libc) = match text.strip_suffix("-musl") {
                    Some(number) => (number, Libc::Musl),
                    None => (text, Libc::Gnu),
                };
                let release: Release = number.parse()?;
                if release > LAST_NODE_RELEASE {
                    Self::ClaudeNative(release, libc)
                } else {
                    ensure!(
                        libc == Libc::Gnu,
                        "`{text}`: releases up to {LAST_NODE_RELEASE} run on node and have no musl build"
                    );
                    Self::ClaudeNode(release)
                }
            }
        })
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClaudeNode(release) | Self::ClaudeNative(release, Libc::Gnu) => release.fmt(f),
            Self::ClaudeNative(release, Libc::Musl) => write!(f, "{release}-musl"),
            Self::ProperLockfile(Band::Old) => f.write_str("proper-lockfile"),
            Self::ProperLockfile(Band::New) => f.write_str("proper-lockfile-new"),
            Self::C(Band::Old) => f.write_str("c"),
            Self::C(Band::New) => f.write_str("c-new"),
            Self::Tool(tool) => f.write_str(tool.name()),
        }
    }
}

/// Some clients of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientSpec {
    /// What to run.
    pub program: Program,
    /// How many of them, where the text says so.
    pub count: Option<usize>,
    /// As which user, where the text says so.
    pub uid: Option<u32>,
    /// With or without the library, where the text says so.
    pub library: Option<bool>,
}

impl FromStr for ClientSpec {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut rest = text;
        let mut library = None;
        for (suffix, wanted) in [("+lib", true), ("-lib", false)] {
            if let Some(shorter) = rest.strip_suffix(suffix) {
                library = Some(wanted);
                rest = shorter;
                break;
            }
        }
        let mut uid = None;
        if let Some((shorter, number)) = rest.split_once('@') {
            uid = Some(number.parse().with_context(|| format!("`{text}`: `{number}` is no uid"))?);
            rest = shorter;
        }
        let mut count = None;
        if let Some((shorter, number)) = rest.split_once('*') {
            let number: usize =
                number.parse().with_context(|| format!("`{text}`: `{number}` is no count"))?;
            ensure!(number > 0, "`{text}`: the count must be at least 1");
            count = Some(number);
            rest = shorter;
        }
        Ok(Self { program: rest.parse()?, count, uid, library })
    }
}

impl fmt::Display for ClientSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.program.fmt(f)?;
        if let Some(count) = self.count {
            write!(f, "*{count}")?;
        }
        if let Some(uid) = self.uid {
            write!(f, "@{uid}")?;
        }
        match self.library {
            Some(true) => f.write_str("+lib"),
            Some(false) => f.write_str("-lib"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> ClientSpec {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error:#}"))
    }

    #[test]
    fn the_package_follows_from_the_release() {
        assert!(matches!(spec("2.1.112").program, Program::ClaudeNode(_)));
        assert!(matches!(spec("2.0.200").program, Program::ClaudeNode(_)));
        assert!(matches!(spec("2.1.113").program, Program::ClaudeNative(_, Libc::Gnu)));
        assert!(matches!(spec("2.1.329-musl").program, Program::ClaudeNative(_, Libc::Musl)));
        assert_eq!(spec("proper-lockfile-new").program, Program::ProperLockfile(Band::New));
        assert_eq!(spec("c").program, Program::C(Band::Old));
    }

    #[test]
    fn every_part_but_the_version_is_optional() {
        let all = spec("2.1.112*2@1000+lib");
        assert_eq!((all.count, all.uid, all.library), (Some(2), Some(1000), Some(true)));
        let none = spec("2.1.329");
        assert_eq!((none.count, none.uid, none.library), (None, None, None));
        assert_eq!(spec("c-new*3-lib").library, Some(false));
        assert_eq!(spec("proper-lockfile-lib").library, Some(false));
    }

    #[test]
    fn what_is_written_reads_back() {
        for text in ["2.1.112*2@1000+lib", "2.1.329-musl-lib", "c-new*3", "proper-lockfile"] {
            assert_eq!(spec(text).to_string(), text);
        }
        for tool in Tool::ALL {
            assert_eq!(spec(tool.name()).program, Program::Tool(tool));
            assert_eq!(Program::Tool(tool).to_string(), tool.name());
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in
            ["", "2.1", "2.1.x", "2.1.112*0", "2.1.112*two", "2.1.112@root", "2.1.112-musl", "d", "tool-"]
        {
            assert!(text.parse::<ClientSpec>().is_err(), "{text}");
        }
    }
}
