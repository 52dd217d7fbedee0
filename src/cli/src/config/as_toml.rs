//! The same file by another reader. The library's parser knows a part of TOML; what it accepts must be TOML, and mean
//! the same to every other program that reads it.

use lockspan_core::config::{Config, StorePath};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    inode_preserving: bool,
    #[serde(default)]
    store: Vec<Store>,
}

#[derive(Deserialize, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
struct Store {
    path: String,
    #[serde(default = "directory")]
    lock: String,
    #[serde(default)]
    gate: String,
}

fn directory() -> String {
    "directory".into()
}

/// Compares what the library understood with what TOML says.
///
/// # Errors
/// It is no TOML, or says something else.
pub fn compare(text: &[u8], config: &Config<'_>) -> Result<(), String> {
    let text = std::str::from_utf8(text).map_err(|error| format!("is no TOML: {error}"))?;
    let document: Document =
        toml::from_str(text).map_err(|error| format!("is no TOML: {}", error.to_string().trim_end()))?;
    let string = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let stores = config.stores().iter().map(|store| Store {
        path: match store.path() {
            StorePath::Absolute(path) => string(path),
            StorePath::BelowHome(path) => format!("~/{}", string(path)),
        },
        lock: super::word(store.lock).into(),
        gate: string(store.gate()),
    });
    let is_same = document.inode_preserving == config.inode_preserving && stores.eq(document.store);
    if is_same { Ok(()) } else { Err("means something else as TOML".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockspan_core::config;

    const WHOLE: &str = include_str!("../../../../examples/lockspan.toml");

    /// The example with the stores that it leaves to the reader.
    fn whole() -> String {
        let uncommented = WHOLE.lines().map(|line| match line.strip_prefix('#') {
            Some(code) if !code.starts_with(' ') => code,
            _ => line,
        });
        uncommented.flat_map(|line| [line, "\n"]).collect()
    }

    fn both(text: &str) -> Option<Result<(), String>> {
        config::parse(text.as_bytes()).ok().map(|config| compare(text.as_bytes(), &config))
    }

    #[test]
    fn the_example_is_a_configuration_with_comments_and_without() {
        assert_eq!(both(WHOLE), Some(Ok(())));
        assert_eq!(both(&whole()), Some(Ok(())));
        let text = whole();
        let config = config::parse(text.as_bytes()).expect("a configuration");
        assert!(config.inode_preserving);
        assert_eq!(config.stores().len(), 3, "one for each kind of lock");
    }

    #[test]
    fn what_is_no_toml_is_found() {
        for text in [
            "inode_preserving = true\ninode_preserving = false",
            "[[store]]\npath = \"/a\"\nlock = \"file\"\nlock = \"directory\"",
            "# \u{1}",
        ] {
            assert!(matches!(both(text), None | Some(Err(_))), "{text}");
        }
    }

    /// Whatever a slip of the pen makes of a configuration: the library takes it for the same as TOML, or not at all.
    #[test]
    fn what_the_library_accepts_is_toml_and_means_the_same() {
        let seed = fastrand::u64(..);
        let mut random = fastrand::Rng::with_seed(seed);
        let lines: Vec<String> = whole().lines().map(str::to_owned).collect();
        let mut accepted = 0;
        for _ in 0..5_000 {
            let mut lines = lines.clone();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..lines.len());
                match random.u8(..4) {
                    0 => drop(lines.remove(at)),
                    1 => {
                        let other = random.usize(..lines.len());
                        lines.swap(at, other);
                    }
                    2 => {
                        let place = random.usize(..=lines[at].len());
                        let character = *random.choice(b"\"'=#[]~/\\ \tx0.").expect("some");
                        lines[at].insert(place, char::from(character));
                    }
                    _ => {
                        let length = lines[at].len();
                        lines[at].truncate(random.usize(..=length));
                    }
                }
            }
            let text = lines.join("\n");
            if let Some(same) = both(&text) {
                assert_eq!(same, Ok(()), "seed {seed}: {text}");
                accepted += 1;
            }
        }
        assert!(accepted > 100, "seed {seed}: {accepted}");
    }
}
