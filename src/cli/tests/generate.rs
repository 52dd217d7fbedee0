//! Man pages and completions as a packager makes them. They must be complete, and the tools that read them content.

#[path = "common/skip.rs"]
mod skip;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn lockspan(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lockspan")).env_clear().args(arguments).output();
    let output = output.expect("the command runs");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// The files of one kind, by name.
fn generated(what: &str, directory: &Path) -> BTreeMap<String, String> {
    lockspan(&["generate", what, directory.to_str().expect("text")]);
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    entries.map(|path| (name(&path), fs::read_to_string(&path).expect("text"))).collect()
}

/// The subcommands that help shows.
fn subcommands() -> Vec<String> {
    let help = lockspan(&["--help"]);
    let (_, list) = help.split_once("Commands:\n").expect("a list of commands");
    let lines = list.lines().take_while(|line| !line.is_empty());
    lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// The long options that the help of a subcommand shows.
fn options(subcommand: &str) -> Vec<String> {
    let help = lockspan(&[subcommand, "--help"]);
    let (_, list) = help.split_once("Options:\n").expect("a list of options");
    let lines = list.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let words = lines.flat_map(|line| line.split([' ', ',']).find(|word| word.starts_with("--")));
    words.map(str::to_owned).collect()
}

#[test]
fn every_subcommand_and_option_has_its_place_in_the_man_pages() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let pages = generated("man", directory.path());
    let subcommands = subcommands();
    assert!(subcommands.iter().any(|name| name == "trace"), "{subcommands:?}");
    assert_eq!(pages.len(), subcommands.len() + 1, "a page for each, and none for what is hidden");
    for subcommand in &subcommands {
        assert!(pages["lockspan.1"].contains(&format!("lockspan\\-{subcommand}(1)")), "{subcommand}");
        let page = &pages[&format!("lockspan-{subcommand}.1")];
        for option in options(subcommand) {
            assert!(page.contains(&option.replace('-', "\\-")), "{subcommand} {option}: {page}");
        }
    }
    assert!(pages["lockspan-trace.1"].contains("lockspan trace [OPTIONS] [\\-\\- <COMMAND>...]"));
}

#[test]
fn every_subcommand_and_option_is_completed() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let files = generated("completions", directory.path());
    assert_eq!(files.keys().collect::<Vec<_>>(), ["_lockspan", "lockspan.bash", "lockspan.fish"]);
    for (file, text) in &files {
        assert!(!text.contains("generate "), "{file} offers what is hidden");
        for subcommand in subcommands() {
            assert!(text.contains(&subcommand), "{file}: {subcommand}");
            for option in options(&subcommand) {
                let word = if file.ends_with("fish") { format!("-l {}", &option[2..]) } else { option };
                assert!(text.contains(&word), "{file}: {subcommand} {word}");
            }
        }
    }
}

/// Whether there is such a program; if not, the test says so.
fn is_there(program: &str) -> bool {
    let found = Path::new("/usr/bin").join(program).exists() || Path::new("/bin").join(program).exists();
    if !found {
        skip::skip(&format!("no {program} here"));
    }
    found
}

/// Everything that a program says about a file.
fn said(program: &str, arguments: &[&str], file: &Path) -> String {
    let mut command = Command::new(program);
    command.args(arguments).arg(file).env("LC_ALL", "C.UTF-8").env("MANWIDTH", "80").env_remove("MANROFFOPT");
    let output = command.output().expect("the program runs");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn library_page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/man/liblockspan.7")
}

#[test]
fn the_readers_of_man_pages_are_content() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut pages: Vec<PathBuf> =
        generated("man", directory.path()).keys().map(|name| directory.path().join(name)).collect();
    let own = [library_page(), library_page().with_file_name("lockspan.toml.5")];
    pages.extend(own.clone());
    for page in &pages {
        if is_there("groff") {
            let warnings = said("groff", &["-man", "-mdoc", "-ww", "-z", "-Tutf8"], page);
            assert!(!own.contains(page) || warnings.is_empty(), "{warnings}");
        }
        if is_there("mandoc") {
            // Long lines and blanks at their ends are how the generator writes.
            let warnings = said("mandoc", &["-T", "lint", "-W", "warning"], page);
            assert!(warnings.is_empty(), "{warnings}");
        }
    }
}

/// Text without markup: of Markdown's code and emphasis nothing is left, of mdoc the words.
fn plain(text: &str) -> String {
    text.replace(['`', '*'], "").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The README is where limits are kept; the man page has the same, as mdoc.
#[test]
fn the_limits_of_the_man_page_are_those_of_the_readme() {
    let readme =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).expect("text");
    let (_, limits) = readme.split_once("\n## Limits\n").expect("a section");
    let rows = limits.lines().filter(|line| line.starts_with("| ")).skip(1);
    let mut expected = String::new();
    for row in rows {
        let cells: Vec<String> = row.trim_matches('|').split(" | ").map(plain).collect();
        let [limit, why] = cells.as_slice() else { panic!("a row of two: {row}") };
        expected += &format!(".It \"{}\"\n{}\n", escaped(limit).replace('"', "\\(dq"), escaped(why));
    }
    let page = fs::read_to_string(library_page()).expect("text");
    let (before, rest) =
        page.split_once(".Sh LIMITS\n.Bl -tag -width Ds\n").expect("a section, which is a list");
    let (found, after) = rest.split_once(".El\n").expect("the end of the list");
    if std::env::var_os("LOCKSPAN_RECORD").is_some() {
        let page = format!("{before}.Sh LIMITS\n.Bl -tag -width Ds\n{expected}.El\n{after}");
        return fs::write(library_page(), page).expect("room for a page");
    }
    assert!(found == expected, "LOCKSPAN_RECORD=1 writes LIMITS in docs/man/liblockspan.7:\n{expected}");
}

/// Text as a line of mdoc that is no macro.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}
