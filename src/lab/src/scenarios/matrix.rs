//! Named sets of scenarios: one table, whose rows are command lines of this very program.

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;

use crate::args::{Cli, MatrixArgs, Scenario};
use crate::failure;

/// A row: set, name, command line.
type Row = (&'static str, &'static str, &'static str);

const TABLE: &[Row] = &[
    (
        "acceptance",
        "race-old",
        "race --client 2.1.112 --count 8 --layout dir --delay 3 --server both --runs 5 --expect clean",
    ),
    (
        "acceptance",
        "race-old-beside-new-without",
        "race --client 2.1.112*2+lib --client 2.1.329*2-lib --delay 3 --server strict --runs 5 --library all --expect clean",
    ),
    (
        "acceptance",
        "race-old-and-new",
        "race --client 2.1.112*2 --client 2.1.329*2 --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "acceptance",
        "race-2.1.150",
        "race --client 2.1.150 --count 4 --delay 3 --server strict --runs 3 --expect clean",
    ),
    (
        "acceptance",
        "race-2.1.329",
        "race --client 2.1.329 --count 4 --delay 3 --server strict --runs 3 --expect clean",
    ),
    (
        "acceptance",
        "race-2.1.113",
        "race --client 2.1.113 --count 8 --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "acceptance",
        "race-2.1.121",
        "race --client 2.1.121 --count 8 --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "acceptance",
        "race-2.1.131",
        "race --client 2.1.131 --count 8 --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "acceptance",
        "race-2.1.170",
        "race --client 2.1.170 --count 4 --delay 3 --server strict --runs 3 --expect clean",
    ),
    (
        "acceptance",
        "race-2.1.121-musl",
        "race --client 2.1.121-musl --count 8 --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "acceptance",
        "race-2.1.329-musl",
        "race --client 2.1.329-musl --count 4 --delay 3 --server strict --runs 3 --expect clean",
    ),
    (
        "acceptance",
        "mixed-all-bands",
        "race --client 2.1.112 --client 2.1.131 --client 2.1.150 --client 2.1.329 --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "acceptance",
        "mixed-2.1.150-without",
        "race --client 2.1.112 --client 2.1.131 --client 2.1.150-lib --client 2.1.329 --library all --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "acceptance",
        "mixed-2.1.329-without",
        "race --client 2.1.112 --client 2.1.131 --client 2.1.150 --client 2.1.329-lib --library all --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "acceptance",
        "mixed-home-2.1.112-without",
        "race --client 2.1.112-lib --client 2.1.131 --client 2.1.150 --client 2.1.329 --layout home --library all --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "acceptance",
        "mixed-home-2.1.131-without",
        "race --client 2.1.112 --client 2.1.131-lib --client 2.1.150 --client 2.1.329 --layout home --library all --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "acceptance",
        "partial-home",
        "race --client 2.1.112 --count 4 --layout home --runs 5 --expect clean-all",
    ),
    (
        "acceptance",
        "partial-home-half",
        "race --client 2.1.112 --count 4 --layout home --library half --runs 5 --expect clean-all",
    ),
    ("acceptance", "partial-one", "race --client 2.1.112 --count 4 --layout one --runs 5 --expect clean-all"),
    (
        "acceptance",
        "partial-one-half",
        "race --client 2.1.112 --count 4 --layout one --library half --runs 5 --expect clean-all",
    ),
    (
        "acceptance",
        "partial-config-dir",
        "race --client 2.1.112 --count 4 --layout config-dir --runs 5 --expect clean-all",
    ),
    (
        "acceptance",
        "partial-config-dir-half",
        "race --client 2.1.112 --count 4 --layout config-dir --library half --runs 5 --expect clean-all",
    ),
    (
        "acceptance",
        "partial-symlink",
        "race --client 2.1.112 --count 4 --layout symlink --runs 5 --expect clean-all",
    ),
    (
        "acceptance",
        "partial-symlink-half",
        "race --client 2.1.112 --count 4 --layout symlink --library half --runs 5 --expect clean-all",
    ),
    (
        "acceptance",
        "partial-home-mixed",
        "race --client 2.1.112*2 --client 2.1.329*2 --layout home --runs 5 --expect clean-all",
    ),
    (
        "acceptance",
        "partial-home-mixed-half",
        "race --client 2.1.112*2 --client 2.1.329*2 --layout home --library half --runs 5 --expect clean-all",
    ),
    (
        "acceptance",
        "partial-one-mixed",
        "race --client 2.1.112*2 --client 2.1.329*2 --layout one --runs 5 --expect clean-all",
    ),
    (
        "acceptance",
        "partial-one-mixed-half",
        "race --client 2.1.112*2 --client 2.1.329*2 --layout one --library half --runs 5 --expect clean-all",
    ),
    (
        "acceptance",
        "partial-config-dir-mixed",
        "race --client 2.1.112*2 --client 2.1.329*2 --layout config-dir --runs 5 --expect clean-all",
    ),
    (
        "acceptance",
        "partial-config-dir-mixed-half",
        "race --client 2.1.112*2 --client 2.1.329*2 --layout config-dir --library half --runs 5 --expect clean-all",
    ),
    (
        "acceptance",
        "partial-symlink-mixed",
        "race --client 2.1.112*2 --client 2.1.329*2 --layout symlink --runs 5 --expect clean-all",
    ),
    (
        "acceptance",
        "partial-symlink-mixed-half",
        "race --client 2.1.112*2 --client 2.1.329*2 --layout symlink --library half --runs 5 --expect clean-all",
    ),
    ("acceptance", "killed-2.1.112", "killed --client 2.1.112 --runs 3 --within 1"),
    ("acceptance", "killed-2.1.329", "killed --client 2.1.329 --runs 3 --within 1"),
    ("acceptance", "killed-2.1.131", "killed --client 2.1.131 --runs 3 --within 1"),
    ("acceptance", "killed-2.1.150", "killed --client 2.1.150 --runs 3 --within 1"),
    ("acceptance", "killed-2.1.170", "killed --client 2.1.170 --runs 3 --within 1"),
    ("acceptance", "start-2.1.131", "start --client 2.1.131 --runs 40 --slower-by 1 --larger-by 1"),
    ("acceptance", "long-holder-2.1.112", "long-holder --client 2.1.112*3 --delay 45 --expect-answers"),
    (
        "acceptance",
        "long-holder-2.1.329",
        "long-holder --client 2.1.329*3 --holder proper-lockfile-new --delay 45",
    ),
    (
        "acceptance",
        "stress",
        "stress --client proper-lockfile --processes 64 --containers 8 --seconds 60 --expect-exclusive",
    ),
    (
        "acceptance",
        "stress-killed",
        "stress --client proper-lockfile --processes 64 --containers 8 --seconds 60 --kill-one-in 10 --expect-exclusive",
    ),
    (
        "podman",
        "podman-race-2.1.131",
        "race --client 2.1.131 --count 8 --engine podman --uid 1000 --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "podman",
        "podman-race-2.1.329",
        "race --client 2.1.329 --count 8 --engine podman --uid 1000 --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "podman",
        "podman-killed-2.1.329",
        "killed --client 2.1.329 --engine podman --uid 1000 --runs 3 --within 1",
    ),
    (
        "podman",
        "podman-race-2.1.112",
        "race --client 2.1.112 --count 4 --engine podman --uid 1000 --delay 3 --server strict --runs 3 --expect clean",
    ),
    (
        "podman",
        "podman-race-2.1.329-musl",
        "race --client 2.1.329-musl --count 4 --engine podman --uid 1000 --delay 3 --server strict --runs 3 --expect clean",
    ),
    (
        "podman",
        "podman-file-race-2.1.329",
        "race --client 2.1.329 --count 4 --engine podman --uid 1000 --layout file --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "podman",
        "podman-file-race-2.1.131",
        "race --client 2.1.131 --count 4 --engine podman --uid 1000 --layout file --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "file",
        "file-race-2.1.112-4",
        "race --client 2.1.112 --count 4 --layout file --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "file",
        "file-race-2.1.112-8",
        "race --client 2.1.112 --count 8 --layout file --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "file",
        "file-race-2.1.131-4",
        "race --client 2.1.131 --count 4 --layout file --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "file",
        "file-race-2.1.131-8",
        "race --client 2.1.131 --count 8 --layout file --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "file",
        "file-race-2.1.150-4",
        "race --client 2.1.150 --count 4 --layout file --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "file",
        "file-race-2.1.150-8",
        "race --client 2.1.150 --count 8 --layout file --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "file",
        "file-race-2.1.329-4",
        "race --client 2.1.329 --count 4 --layout file --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "file",
        "file-race-2.1.329-8",
        "race --client 2.1.329 --count 8 --layout file --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "file",
        "file-race-2.1.329-musl-4",
        "race --client 2.1.329-musl --count 4 --layout file --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "file",
        "file-race-2.1.329-musl-8",
        "race --client 2.1.329-musl --count 8 --layout file --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "file",
        "file-mixed-all-bands",
        "race --client 2.1.112 --client 2.1.131 --client 2.1.150 --client 2.1.329 --layout file --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "file",
        "file-mixed-all-bands-8",
        "race --client 2.1.112*2 --client 2.1.131*2 --client 2.1.150*2 --client 2.1.329*2 --layout file --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "file",
        "file-mixed-2.1.112-2.1.329",
        "race --client 2.1.112*2 --client 2.1.329*2 --layout file --delay 3 --server strict --runs 5 --expect clean",
    ),
    (
        "file",
        "file-mixed-2.1.131-2.1.150",
        "race --client 2.1.131*2 --client 2.1.150*2 --layout file --delay 3 --server strict --runs 5 --expect clean",
    ),
    ("file", "file-killed-2.1.112", "killed --client 2.1.112 --layout file --runs 3 --within 1"),
    ("file", "file-killed-2.1.131", "killed --client 2.1.131 --layout file --runs 3 --within 1"),
    ("file", "file-killed-2.1.150", "killed --client 2.1.150 --layout file --runs 3 --within 1"),
    ("file", "file-killed-2.1.329", "killed --client 2.1.329 --layout file --runs 3 --within 1"),
    ("file", "file-stopped-2.1.329", "stopped --client 2.1.329 --layout file --library all --expect-safe"),
    ("file", "stale-file-2.1.112", "stale --client 2.1.112 --layout file --expect-good"),
    ("file", "stale-file-2.1.131", "stale --client 2.1.131 --layout file --runs 3 --expect-good"),
    ("file", "stale-file-2.1.150", "stale --client 2.1.150 --layout file --expect-good"),
    ("file", "stale-file-2.1.329", "stale --client 2.1.329 --layout file --runs 3 --expect-good"),
    ("file", "stale-dir-2.1.112", "stale --client 2.1.112 --layout dir --expect-good"),
    ("file", "stale-dir-2.1.131", "stale --client 2.1.131 --layout dir --runs 3 --expect-good"),
    ("file", "stale-dir-2.1.150", "stale --client 2.1.150 --layout dir --expect-good"),
    ("file", "stale-dir-2.1.329", "stale --client 2.1.329 --layout dir --runs 3 --expect-good"),
    ("file", "read-only-2.1.112", "read-only --client 2.1.112 --layout file --expect-no-request"),
    ("file", "read-only-2.1.131", "read-only --client 2.1.131 --layout file --expect-no-request"),
    ("file", "read-only-2.1.150", "read-only --client 2.1.150 --layout file --expect-no-request"),
    ("file", "read-only-2.1.329", "read-only --client 2.1.329 --layout file --expect-no-request"),
    ("file", "reader-2.1.112", "reader --client 2.1.112 --refreshes 20 --expect-whole"),
    (
        "file",
        "reader-2.1.329",
        "reader --client 2.1.329 --layout file --refreshes 20 --reader-has-library --expect-whole",
    ),
    ("file", "reader-2.1.329-outside", "reader --client 2.1.329 --layout file --refreshes 20"),
    ("file", "reader-model-old", "reader --client proper-lockfile --refreshes 200 --expect-whole"),
    (
        "file",
        "reader-model-new",
        "reader --client proper-lockfile-new --layout file --refreshes 200 --reader-has-library --expect-whole",
    ),
    ("file", "reader-model-new-outside", "reader --client proper-lockfile-new --layout file --refreshes 200"),
    (
        "stores",
        "store-directory-dir",
        "race --client tool-directory --count 8 --layout dir --delay 2 --runs 5 --expect clean-all",
    ),
    (
        "stores",
        "store-directory-file",
        "race --client tool-directory --count 8 --layout file --delay 2 --runs 5 --expect clean",
    ),
    (
        "stores",
        "store-directory-beside-dir",
        "race --client tool-directory-beside --count 8 --layout dir --delay 2 --runs 5 --expect clean",
    ),
    (
        "stores",
        "store-killed-directory-beside",
        "killed --client tool-directory-beside --layout dir --runs 3 --within 1",
    ),
    (
        "stores",
        "store-fcntl-dir",
        "race --client tool-fcntl --count 8 --layout dir --delay 2 --runs 5 --expect clean-all",
    ),
    (
        "stores",
        "store-fcntl-file",
        "race --client tool-fcntl --count 8 --layout file --delay 2 --runs 5 --expect clean",
    ),
    (
        "stores",
        "store-flock-dir",
        "race --client tool-flock --count 8 --layout dir --delay 2 --runs 5 --expect clean-all",
    ),
    (
        "stores",
        "store-flock-file",
        "race --client tool-flock --count 8 --layout file --delay 2 --runs 5 --expect clean",
    ),
    (
        "stores",
        "store-lockless-dir",
        "race --client tool-lockless --count 8 --layout dir --delay 2 --runs 5 --expect clean",
    ),
    (
        "stores",
        "store-lockless-file",
        "race --client tool-lockless --count 8 --layout file --delay 2 --runs 5 --expect clean",
    ),
    (
        "stores",
        "store-lockless-rename-dir",
        "race --client tool-lockless-rename --count 8 --layout dir --delay 2 --runs 5 --expect clean",
    ),
    (
        "stores",
        "store-lockless-rename-file",
        "race --client tool-lockless-rename --count 8 --layout file --delay 2 --runs 5 --expect clean",
    ),
    // Nothing is expected: who never reads again cannot be told of a refresh.
    (
        "stores",
        "store-in-memory-dir",
        "race --client tool-in-memory --count 8 --layout dir --delay 2 --runs 5",
    ),
    (
        "stores",
        "store-in-memory-file",
        "race --client tool-in-memory --count 8 --layout file --delay 2 --runs 5",
    ),
    (
        "stores",
        "store-killed-directory-dir",
        "killed --client tool-directory --layout dir --runs 3 --within 1",
    ),
    (
        "stores",
        "store-killed-directory-file",
        "killed --client tool-directory --layout file --runs 3 --within 1",
    ),
    ("stores", "store-killed-fcntl-dir", "killed --client tool-fcntl --layout dir --runs 3 --within 1"),
    ("stores", "store-killed-fcntl-file", "killed --client tool-fcntl --layout file --runs 3 --within 1"),
    ("stores", "store-killed-flock-dir", "killed --client tool-flock --layout dir --runs 3 --within 1"),
    ("stores", "store-killed-flock-file", "killed --client tool-flock --layout file --runs 3 --within 1"),
    ("stores", "store-killed-lockless-dir", "killed --client tool-lockless --layout dir --runs 3 --within 1"),
    (
        "stores",
        "store-killed-lockless-file",
        "killed --client tool-lockless --layout file --runs 3 --within 1",
    ),
    ("real", "real-race-old", "race --client 2.1.112 --count 4 --layout dir --server strict --expect clean"),
    (
        "real",
        "real-race-mixed-half",
        "race --client 2.1.112*2+lib --client 2.1.329*2-lib --server strict --library all --expect clean",
    ),
    ("real", "real-race-raw", "race --client 2.1.131 --count 3 --server strict --library all --expect clean"),
    (
        "real",
        "real-race-file",
        "race --client 2.1.329 --count 3 --layout file --server strict --library all --expect clean",
    ),
    ("real", "real-killed-2.1.329", "killed --client 2.1.329 --library all --within 1"),
    (
        "quick",
        "race-model-old",
        "race --client proper-lockfile --count 4 --delay 2 --server strict --expect clean",
    ),
    (
        "quick",
        "race-model-mixed",
        "race --client proper-lockfile*2 --client proper-lockfile-new*2 --delay 2 --server strict --expect clean",
    ),
    (
        "quick",
        "race-model-home-half",
        "race --client proper-lockfile*4 --layout home --library half --delay 2 --expect clean-all",
    ),
    ("quick", "killed-model", "killed --client proper-lockfile --within 1"),
    (
        "quick",
        "stress-model",
        "stress --client proper-lockfile --processes 16 --containers 4 --seconds 10 --kill-one-in 4 --expect-exclusive",
    ),
    (
        "quick",
        "stress-c",
        "stress --client c --processes 16 --containers 4 --seconds 10 --kill-one-in 4 --expect-exclusive",
    ),
    (
        "quick",
        "stress-c-new",
        "stress --client c-new --processes 16 --containers 4 --seconds 10 --kill-one-in 4 --expect-exclusive",
    ),
    (
        "quick",
        "store-directory",
        "race --client tool-directory --count 4 --layout file --library all --delay 1 --expect clean",
    ),
    (
        "quick",
        "store-fcntl",
        "race --client tool-fcntl --count 4 --layout file --library all --delay 1 --expect clean",
    ),
    (
        "quick",
        "store-lockless",
        "race --client tool-lockless --count 4 --library all --delay 1 --expect clean",
    ),
    (
        "quick",
        "store-lockless-rename",
        "race --client tool-lockless-rename --count 4 --layout file --library all --delay 1 --expect clean",
    ),
    ("quick", "logout-old-dir", "logout --client proper-lockfile --layout dir --expect"),
    ("quick", "logout-old-file", "logout --client proper-lockfile --layout file --expect"),
    ("quick", "logout-new-dir", "logout --client proper-lockfile-new --layout dir --expect"),
    ("quick", "logout-new-file", "logout --client proper-lockfile-new --layout file --expect"),
];

/// The name of all sets together.
const ALL: &str = "all";

/// A scenario to run, by name if it comes from a set.
pub struct Case {
    /// Of the set's row.
    pub name: Option<&'static str>,
    /// What to run.
    pub scenario: Scenario,
}

impl Case {
    /// A scenario that the user named on the command line.
    pub fn single(scenario: &Scenario) -> Self {
        Self { name: None, scenario: scenario.clone() }
    }
}

/// The scenarios of a set.
pub fn cases(args: &MatrixArgs) -> Result<Vec<Case>> {
    rows(args)?
        .into_iter()
        .map(|&(_, name, line)| Ok(Case { name: Some(name), scenario: parse(line)? }))
        .collect()
}

/// Prints a set.
pub fn list(args: &MatrixArgs) -> Result<ExitCode> {
    for (set, name, line) in rows(args)? {
        println!("{set}  {name}\n    {line}");
    }
    Ok(ExitCode::from(failure::OK))
}

fn rows(args: &MatrixArgs) -> Result<Vec<&'static Row>> {
    let known = |row: &&Row| args.set == ALL || row.0 == args.set;
    ensure!(
        TABLE.iter().any(|row| known(&row)),
        "there is no set `{}` (there are: {})",
        args.set,
        [sets(), vec![ALL]].concat().join(", ")
    );
    Ok(TABLE
        .iter()
        .filter(known)
        .filter(|row| args.only.as_ref().is_none_or(|text| row.1.contains(text.as_str())))
        .collect())
}

fn sets() -> Vec<&'static str> {
    let mut sets: Vec<_> = TABLE.iter().map(|row| row.0).collect();
    sets.dedup();
    sets
}

fn parse(line: &str) -> Result<Scenario> {
    let words = std::iter::once("lockspan-lab").chain(line.split(' '));
    let cli = Cli::try_parse_from(words).with_context(|| format!("the row `{line}`"))?;
    Ok(cli.scenario)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_row_is_a_command_line() {
        for (_, name, line) in TABLE {
            let scenario = parse(line).unwrap_or_else(|error| panic!("{name}: {error:#}"));
            assert!(!scenario.programs().is_empty(), "{name}");
        }
    }

    #[test]
    fn names_are_unique() {
        let names: HashSet<_> = TABLE.iter().map(|row| row.1).collect();
        assert_eq!(names.len(), TABLE.len());
    }
}
