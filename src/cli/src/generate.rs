//! `lockspan generate`, for who packages it: man pages and completions out of the command's own definition.
//!
//! Hidden, and in neither itself.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use clap::{Command, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

/// What to generate.
#[derive(Clone, Copy, ValueEnum)]
pub enum What {
    /// Man pages, one for the command and one for each of its subcommands
    Man,
    /// Completions for bash, zsh and fish
    Completions,
}

/// When the texts were last looked through. Not today: the same source makes the same pages.
const DATE: &str = "2026-11-21";

/// What is to be read besides these pages.
const OTHERS: [&str; 2] = ["lockspan.toml(5)", "liblockspan(7)"];

/// Writes the files into a directory, which is made if it is not there.
///
/// # Errors
/// A file cannot be written.
pub fn generate(what: What, directory: &Path, command: &Command) -> Result<()> {
    let mut command = visible(command);
    let write = || -> Result<()> {
        fs::create_dir_all(directory)?;
        match what {
            What::Man => man(directory, command),
            What::Completions => {
                for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
                    clap_complete::generate_to(shell, &mut command, "lockspan", directory)?;
                }
                Ok(())
            }
        }
    };
    write().with_context(|| directory.display().to_string())
}

/// The command without what is hidden: completions would offer it all the same.
fn visible(command: &Command) -> Command {
    Command::new("lockspan")
        .about(command.get_about().cloned().unwrap_or_default())
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .args(command.get_arguments())
        .subcommands(command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()).cloned())
}

fn man(directory: &Path, mut command: Command) -> Result<()> {
    command.build();
    let pages: Vec<String> = command
        .get_subcommands()
        .map(|subcommand| format!("lockspan-{}(1)", subcommand.get_name()))
        .chain(OTHERS.map(str::to_owned))
        .collect();
    for subcommand in command.get_subcommands() {
        page(directory, subcommand.clone(), &["lockspan(1)", OTHERS[0], OTHERS[1]].map(str::to_owned))?;
    }
    page(directory, command, &pages)
}

/// Writes one page. The parts are put together here, because the crate's own synopsis leaves out the `--` before a
/// command.
fn page(directory: &Path, mut command: Command, see: &[String]) -> Result<()> {
    let usage = command.render_usage().to_string();
    let has_subcommands = command.has_subcommands();
    let name = command.get_display_name().unwrap_or("lockspan").to_owned();
    let manual = Man::new(command)
        .title(name.to_uppercase())
        .date(DATE)
        .source(concat!("lockspan ", env!("CARGO_PKG_VERSION")))
        .manual("lockspan");
    let mut text = Vec::new();
    manual.render_title(&mut text)?;
    manual.render_name_section(&mut text)?;
    section("SYNOPSIS", vec![bold(usage.trim_start_matches("Usage: "))]).to_writer(&mut text)?;
    manual.render_description_section(&mut text)?;
    manual.render_options_section(&mut text)?;
    if has_subcommands {
        manual.render_subcommands_section(&mut text)?;
    }
    let mut others = Vec::new();
    for (index, other) in see.iter().enumerate() {
        let (name, number) = other.split_at(other.len() - "(1)".len());
        others.extend((index > 0).then(|| roman(", ")));
        others.extend([bold(name), roman(number)]);
    }
    section("SEE ALSO", others).to_writer(&mut text)?;
    Ok(fs::write(directory.join(format!("{name}.1")), text)?)
}

fn section(title: &str, text: Vec<Inline>) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [title]).text(text);
    roff
}
