//! The scenarios: each arranges clients, disturbs them, and reports figures.
//!
//! Figures come from the server's log, from the clients' exits and from the filesystem, never from the library itself.

pub mod killed;
pub mod logout;
pub mod long_holder;
pub mod matrix;
pub mod probe;
pub mod race;
pub mod read_only;
pub mod reader;
pub mod recipe;
pub mod run;
mod series;
pub mod soak;
pub mod stale;
pub mod start;
pub mod stopped;
pub mod stress;
mod takeover;

use crate::args::{ClientArgs, LibraryChoice};
use crate::spec::ClientSpec;
use run::Client;

/// The same clients with one distribution of the library.
pub struct Variant {
    /// For tables.
    pub label: String,
    /// All clients.
    pub clients: Vec<Client>,
}

/// The variants that the arguments ask for.
pub fn variants(args: &ClientArgs) -> Vec<Variant> {
    match args.library {
        LibraryChoice::Compare => vec![
            Variant { label: "none".to_owned(), clients: expand(args, |_, _| false) },
            labelled(expand(args, |spec, _| spec.library.unwrap_or(true))),
        ],
        LibraryChoice::All => vec![labelled(expand(args, |spec, _| spec.library.unwrap_or(true)))],
        LibraryChoice::None => vec![labelled(expand(args, |spec, _| spec.library.unwrap_or(false)))],
        // Every second client of each kind, so that mixes stay mixed.
        LibraryChoice::Half => {
            vec![labelled(expand(args, |spec, index| spec.library.unwrap_or(index.is_multiple_of(2))))]
        }
    }
}

fn expand(args: &ClientArgs, library: impl Fn(&ClientSpec, usize) -> bool) -> Vec<Client> {
    let mut clients = Vec::new();
    for spec in &args.specs {
        for index in 0..args.count_of(spec) {
            clients.push(Client {
                program: spec.program,
                uid: spec.uid.unwrap_or(args.uid),
                library: library(spec, index),
            });
        }
    }
    clients
}

fn labelled(clients: Vec<Client>) -> Variant {
    let with = clients.iter().filter(|client| client.library).count();
    let label = match with {
        0 => "none".to_owned(),
        _ if with == clients.len() => "all".to_owned(),
        _ => format!("in {with} of {}", clients.len()),
    };
    Variant { label, clients }
}

/// The clients as the user named them.
pub fn describe(specs: &[ClientSpec]) -> String {
    let words: Vec<String> = specs.iter().map(ClientSpec::to_string).collect();
    words.join(" + ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(specs: &[&str], library: LibraryChoice) -> ClientArgs {
        ClientArgs {
            specs: specs
                .iter()
                .map(|text| text.parse().unwrap_or_else(|error| panic!("{error:#}")))
                .collect(),
            count: None,
            uid: 0,
            library,
        }
    }

    fn libraries(variant: &Variant) -> Vec<bool> {
        variant.clients.iter().map(|client| client.library).collect()
    }

    #[test]
    fn comparing_starts_without_any() {
        let both = variants(&args(&["2.1.112*2+lib", "2.1.329*2-lib"], LibraryChoice::Compare));
        assert_eq!(libraries(&both[0]), [false; 4]);
        assert_eq!(libraries(&both[1]), [true, true, false, false]);
        assert_eq!((both[0].label.as_str(), both[1].label.as_str()), ("none", "in 2 of 4"));
    }

    #[test]
    fn half_is_half_of_each_kind() {
        let half = variants(&args(&["2.1.112*2", "c*2"], LibraryChoice::Half));
        assert_eq!(libraries(&half[0]), [true, false, true, false]);
    }

    #[test]
    fn what_a_spec_says_wins() {
        let all = variants(&args(&["c*2-lib"], LibraryChoice::All));
        assert_eq!(all[0].label, "none");
    }
}
