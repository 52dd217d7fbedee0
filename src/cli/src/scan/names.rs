//! The names of the calls that tables are about, for people.

use lockspan_core::sites::Machine;

/// The name of a call.
pub fn name(machine: Machine, number: u32) -> &'static str {
    match (machine, number) {
        (Machine::X86_64, 83) => "mkdir",
        (Machine::X86_64, 258) | (Machine::Aarch64, 34) => "mkdirat",
        (Machine::X86_64, 84) => "rmdir",
        (Machine::X86_64, 263) | (Machine::Aarch64, 35) => "unlinkat",
        (Machine::X86_64, 280) | (Machine::Aarch64, 88) => "utimensat",
        (Machine::X86_64, 332) | (Machine::Aarch64, 291) => "statx",
        (Machine::X86_64, 4) => "stat",
        (Machine::X86_64, 6) => "lstat",
        (Machine::X86_64, 82) => "rename",
        (Machine::X86_64, 264) | (Machine::Aarch64, 38) => "renameat",
        (Machine::X86_64, 316) | (Machine::Aarch64, 276) => "renameat2",
        _ => "another call",
    }
}

/// Whether a call makes a directory, and so takes a lock.
pub fn makes_directory(machine: Machine, number: u32) -> bool {
    matches!(name(machine, number), "mkdir" | "mkdirat")
}

/// Whether a call puts one file in the place of another: no lock needs it, but the credentials do.
pub fn replaces_file(machine: Machine, number: u32) -> bool {
    matches!(name(machine, number), "rename" | "renameat" | "renameat2")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wanted_call_has_a_name_of_its_own() {
        for machine in [Machine::X86_64, Machine::Aarch64] {
            let mut names: Vec<_> = machine.wanted().iter().map(|&number| name(machine, number)).collect();
            assert!(!names.contains(&name(machine, u32::MAX)));
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), machine.wanted().len());
        }
    }
}
