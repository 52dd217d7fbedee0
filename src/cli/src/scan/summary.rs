//! What a scan found, in figures.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::calls::Call;
use super::image::Image;
use super::names::{name, replaces_file};
use super::table::hexadecimal;

/// The figures, as `--json` prints them.
#[derive(Serialize, Debug)]
pub struct Summary {
    schema_version: u32,
    file: String,
    machine: String,
    build_id: Option<String>,
    /// How many instructions make system calls.
    calls: usize,
    /// Of those, how many have a known number.
    known: usize,
    /// Of those, how many there are of each wanted call.
    wanted: BTreeMap<&'static str, usize>,
    /// Of those, how many are renames that cannot be patched. A lock is served without them.
    unpatched_renames: usize,
    /// What came of it: `table`, `nothing` to do, or `refused`.
    result: &'static str,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    seconds: f64,
}

impl Summary {
    /// Counts. `reason` is why no table can be made.
    pub fn new(
        file: &Path,
        image: &Image,
        calls: &[Call],
        reason: Option<String>,
        took: Duration,
    ) -> Summary {
        let known = || calls.iter().filter_map(|call| call.number.as_ref().ok());
        let numbers = || known().map(|number| number.value);
        let mut wanted = BTreeMap::new();
        for number in numbers().filter(|number| image.machine.wanted().contains(number)) {
            *wanted.entry(name(image.machine, number)).or_default() += 1;
        }
        let unpatched_renames = known()
            .filter(|number| number.site.is_err() && replaces_file(image.machine, number.value))
            .count();
        let result = match &reason {
            Some(_) => "refused",
            None if wanted.is_empty() => "nothing",
            None => "table",
        };
        Summary {
            schema_version: 1,
            file: file.display().to_string(),
            machine: String::from_utf8_lossy(image.machine.name()).into_owned(),
            build_id: image.build_id.as_deref().map(hexadecimal),
            calls: calls.len(),
            known: numbers().count(),
            wanted,
            unpatched_renames,
            result,
            reason,
            seconds: took.as_secs_f64(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let build_id = self.build_id.as_deref().unwrap_or("none");
        writeln!(formatter, "{}: {}, build-id {build_id}", self.file, self.machine)?;
        writeln!(formatter, "  {} syscall instructions, {} with a known number", self.calls, self.known)?;
        let wanted: Vec<String> = self.wanted.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let wanted = if wanted.is_empty() { "none".into() } else { wanted.join(", ") };
        writeln!(formatter, "  calls that the library has to reach: {wanted}")?;
        if self.unpatched_renames > 0 {
            let plural = if self.unpatched_renames == 1 { "" } else { "s" };
            writeln!(
                formatter,
                "  {} rename{plural} cannot be patched: what replaces the credentials may not be seen",
                self.unpatched_renames
            )?;
        }
        write!(formatter, "  took {:.2} s", self.seconds)
    }
}
