//! The layouts: what the containers of a scenario share, and where each keeps its locks.
//!
//! Turns a layout into steps; carries none of them out.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::container::Step;
use crate::credentials::Login;
use crate::sandbox::HOME;
use crate::shared::Mounted;

/// What containers share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// The config directory, ~/.claude or another program's, mounted into private homes.
    Dir,
    /// Only the credentials file, mounted into private homes.
    File,
    /// The whole home directory.
    Home,
    /// Everything: all clients run in one container.
    One,
    /// A directory; CLAUDE_CONFIG_DIR is a subdirectory of it.
    ConfigDir,
    /// A directory; ~/.claude is a symlink to a subdirectory of it.
    Symlink,
}

/// The filesystem of a private home.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Filesystem {
    /// In memory.
    Tmpfs,
    /// As container engines give it to a container (on tmpfs).
    Overlay,
    /// A loop image.
    Ext4,
}

/// One run's files.
pub struct Place<'a> {
    /// The layout.
    pub layout: Layout,
    /// Of private homes.
    pub home: Filesystem,
    /// The directory of the run, in the lab's own mount namespace.
    pub directory: &'a Path,
    /// The directory that holds whatever is shared.
    pub shared: &'a Mounted,
    /// Whether what is shared is mounted read-only.
    pub read_only: bool,
    /// Who owns what is shared.
    pub owner: u32,
    /// Whose login it is.
    pub login: Login,
    /// What the clients start with.
    pub credentials: &'a str,
}

/// A client that has been started before: it asks no questions.
pub const STATE: &str = r#"{"hasCompletedOnboarding":true}"#;
/// Its file.
pub const STATE_NAME: &str = ".claude.json";

impl Place<'_> {
    /// What is prepared once, before any container.
    pub fn shared_steps(&self) -> Vec<Step> {
        let shared = &self.shared.directory;
        let owned = Step::Own { path: shared.clone(), owner: self.owner };
        match self.layout {
            Layout::Dir | Layout::ConfigDir | Layout::Symlink => {
                let config = shared.join("claude");
                vec![
                    owned,
                    self.directory_step(&config),
                    self.credentials_step(&config.join(self.login.file_name())),
                    self.state_step(&config),
                ]
            }
            Layout::File => vec![owned, self.credentials_step(&shared.join("credentials.json"))],
            Layout::Home => {
                let home = shared.join("home");
                let config = home.join(self.login.directory());
                vec![
                    owned,
                    self.directory_step(&home),
                    self.directory_step(&config),
                    self.credentials_step(&config.join(self.login.file_name())),
                    self.state_step(&home),
                ]
            }
            Layout::One => Vec::new(),
        }
    }

    /// What is done in container `number`, whose clients run as `uid`.
    pub fn container_steps(&self, number: usize, uid: u32) -> Vec<Step> {
        let home = Path::new(HOME);
        let shared = self.shared.view(number);
        if self.layout == Layout::Home {
            return vec![self.bind(&shared.join("home"), home)];
        }
        let mut steps = vec![
            self.home_step(number),
            Step::Own { path: home.into(), owner: uid },
            Step::File { path: home.join(STATE_NAME), content: STATE.to_owned(), mode: 0o600, owner: uid },
        ];
        let config = home.join(self.login.directory());
        let credentials = config.join(self.login.file_name());
        let directory = |path: &Path| Step::Directory { path: path.into(), owner: uid };
        match self.layout {
            Layout::Dir => steps.extend([directory(&config), self.bind(&shared.join("claude"), &config)]),
            Layout::File => steps.extend([
                directory(&config),
                Step::File { path: credentials.clone(), content: String::new(), mode: 0o600, owner: uid },
                self.bind(&shared.join("credentials.json"), &credentials),
            ]),
            Layout::One => steps.extend([directory(&config), self.credentials_step(&credentials)]),
            Layout::ConfigDir => {
                let mounted = home.join("shared");
                steps.extend([directory(&mounted), self.bind(shared, &mounted)]);
            }
            Layout::Symlink => {
                let mounted = home.join("shared");
                steps.extend([
                    directory(&mounted),
                    self.bind(shared, &mounted),
                    // Relative, so that it leads to the same place seen from outside the container.
                    Step::Symlink { target: "shared/claude".into(), path: config },
                ]);
            }
            Layout::Home => {}
        }
        steps
    }

    fn home_step(&self, number: usize) -> Step {
        let path = PathBuf::from(HOME);
        let own = self.directory.join(format!("home-{number}"));
        match self.home {
            Filesystem::Tmpfs => Step::Tmpfs { path },
            Filesystem::Overlay => Step::Overlay {
                lower: own.join("lower"),
                upper: own.join("upper"),
                work: own.join("work"),
                path,
            },
            Filesystem::Ext4 => {
                Step::Ext4 { image: self.directory.join(format!("home-{number}.ext4")), path }
            }
        }
    }

    fn bind(&self, source: &Path, path: &Path) -> Step {
        Step::Bind { source: source.into(), path: path.into(), read_only: self.read_only }
    }

    fn directory_step(&self, path: &Path) -> Step {
        Step::Directory { path: path.into(), owner: self.owner }
    }

    fn credentials_step(&self, path: &Path) -> Step {
        Step::File { path: path.into(), content: self.credentials.to_owned(), mode: 0o600, owner: self.owner }
    }

    fn state_step(&self, directory: &Path) -> Step {
        Step::File {
            path: directory.join(STATE_NAME),
            content: STATE.to_owned(),
            mode: 0o600,
            owner: self.owner,
        }
    }
}

impl Layout {
    /// How many containers `clients` clients need.
    pub fn containers(self, clients: usize) -> usize {
        if self == Self::One { 1 } else { clients }
    }

    /// The config directory, as a client is told it.
    pub fn config_directory(self, login: Login) -> PathBuf {
        let home = Path::new(HOME);
        match self {
            Self::ConfigDir => home.join("shared/claude"),
            _ => home.join(login.directory()),
        }
    }

    /// The credentials file, as a client is told it.
    pub fn credentials(self, login: Login) -> PathBuf {
        self.config_directory(login).join(login.file_name())
    }

    /// The lock in the config directory, and the one beside the real path of it.
    pub fn locks(self, login: Login) -> [PathBuf; 2] {
        let home = Path::new(HOME);
        let [inside, sibling] = login.locks();
        let sibling = match self {
            Self::ConfigDir | Self::Symlink => home.join("shared/claude.lock"),
            _ => home.join(sibling),
        };
        [self.config_directory(login).join(inside), sibling]
    }

    /// What a client needs in its environment to find the config directory.
    pub fn environment(self) -> Option<(&'static str, PathBuf)> {
        (self == Self::ConfigDir).then(|| ("CLAUDE_CONFIG_DIR", self.config_directory(Login::Claude)))
    }
}
