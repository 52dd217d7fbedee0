//! The system calls of a program's code, whatever the machine.
//!
//! Decides what is known of a call from what the decoders find. Decodes nothing itself.

use lockspan_core::sites::{Machine, Site};

use super::image::Extent;
use super::{aarch64, x86_64};

/// Why something about a call is not known, or it cannot be patched.
pub type Reason = &'static str;

/// Nothing between the last jump or label and the call touches the number.
pub const NOT_LOADED: Reason = "its number comes from elsewhere";
/// The call's number is computed, or loaded from memory.
pub const COMPUTED: Reason = "its number is not a constant";
/// The same constant is loaded wherever the code comes from.
pub const LOADED_BEFORE_A_JUMP: Reason = "its number is loaded before a jump to it";
/// The number may be another one for who jumps there.
pub const JUMPED_INTO: Reason = "a jump lands between the load of its number and the call";
/// It has an unusual load.
pub const UNUSUAL_LOAD: Reason = "its number is not loaded as it usually is";
/// It has something between the load and the call that cannot be moved.
pub const NOT_MOVABLE: Reason = "an instruction between the load of its number and the call cannot be moved";
/// It has too much between the load and the call.
pub const TOO_LONG: Reason = "the load of its number is too far from the call";
/// It is one of the old ways to make a call, which number other calls.
pub const OLD_WAY: Reason = "it is a call of the 32-bit kind";
/// The instructions before it were not taken for code.
pub const NOT_DECODED: Reason = "it hides in what did not look like code";

/// An instruction that makes a system call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Where it is.
    pub address: u64,
    /// What is known of its number, or why nothing is.
    pub number: Result<Number, Reason>,
    /// Where the straight-line code begins that ends in it, if only a jump leads there.
    pub entered: Option<u64>,
}

/// A direct jump or call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Jump {
    /// Where it goes.
    pub target: u64,
    /// Where it is.
    pub address: u64,
}

/// The known number of a call.
#[derive(Clone, Debug)]
pub struct Number {
    /// The number.
    pub value: u32,
    /// Where the instruction is that loads it.
    pub loaded: u64,
    /// What to patch, or why it cannot be.
    pub site: Result<Site, Reason>,
}

/// What a decoder finds.
#[derive(Default, Debug)]
pub struct Found {
    /// In the order of the addresses, as long as the code is read in that order.
    pub calls: Vec<Call>,
    /// In any order.
    pub jumps: Vec<Jump>,
}

/// A stretch of code between two starts of functions.
#[derive(Clone, Copy, Debug)]
struct Function<'a> {
    address: u64,
    code: &'a [u8],
}

/// Reads code, part by part. `starts` are the addresses, in order, at which functions begin: decoding starts anew
/// there, and nothing that is known before such a place is known behind it.
pub fn read(machine: Machine, parts: &[(Extent, &[u8])], starts: &[u64]) -> Vec<Call> {
    let functions = functions(parts, starts);
    let mut found = Found::default();
    for function in &functions {
        match machine {
            Machine::X86_64 => x86_64::read(function.code, function.address, &mut found),
            Machine::Aarch64 => aarch64::read(function.code, function.address, &mut found),
        }
    }
    keep_jumps_to_calls(&mut found);
    if machine == Machine::X86_64 {
        for (extent, code) in parts {
            add_hidden(extent.address, code, &mut found.calls);
        }
    }
    for call in &mut found.calls {
        match &call.number {
            // Who jumps there brings a number of his own.
            Ok(number) if !jumps(&found.jumps, number.loaded.saturating_add(1), call.address).is_empty() => {
                call.number = Err(JUMPED_INTO);
            }
            Err(NOT_LOADED) => {
                if let Some(number) = brought(machine, call, &found.jumps, &functions) {
                    call.number = Ok(number);
                }
            }
            _ => {}
        }
    }
    found.calls
}

/// Forgets the jumps that lead to no call's straight-line code, which are nearly all of millions, and sorts the rest.
fn keep_jumps_to_calls(found: &mut Found) {
    let Found { calls, jumps } = found;
    jumps.retain(|jump| {
        let next = calls.partition_point(|call| call.address < jump.target);
        calls.get(next).is_some_and(|call| match (&call.number, call.entered) {
            (Ok(number), _) => jump.target > number.loaded,
            (Err(_), Some(entered)) => jump.target >= entered,
            (Err(_), None) => false,
        })
    });
    jumps.sort_unstable();
}

/// Cuts code at the starts of functions.
fn functions<'a>(parts: &[(Extent, &'a [u8])], starts: &[u64]) -> Vec<Function<'a>> {
    let mut functions = Vec::new();
    for &(Extent { mut address, .. }, mut code) in parts {
        let first = starts.partition_point(|&start| start <= address);
        for &start in starts.get(first..).unwrap_or_default() {
            let length = usize::try_from(start - address).ok();
            let Some((function, behind)) = length.and_then(|length| code.split_at_checked(length)) else {
                break;
            };
            functions.push(Function { address, code: function });
            (code, address) = (behind, start);
        }
        functions.push(Function { address, code });
    }
    functions
}

/// Adds the calls that have all that a site has to have, but that linear decoding ran past, having lost its step in
/// data. They must not go unnoticed, and what nobody decoded must not be patched.
fn add_hidden(address: u64, code: &[u8], calls: &mut Vec<Call>) {
    for site in x86_64::wanted_sites(code, address) {
        let address = site.end().saturating_sub(2);
        if let Err(place) = calls.binary_search_by_key(&address, |call| call.address) {
            calls.insert(place, Call { address, number: Err(NOT_DECODED), entered: None });
        }
    }
}

/// The jumps that land between these addresses.
fn jumps(sorted: &[Jump], first: u64, last: u64) -> &[Jump] {
    let start = sorted.partition_point(|jump| jump.target < first);
    let end = sorted.partition_point(|jump| jump.target <= last);
    sorted.get(start..end).unwrap_or_default()
}

/// The number that all who jump to a call's straight-line code bring with them. Goes back over one jump and no
/// further.
fn brought(machine: Machine, call: &Call, sorted: &[Jump], functions: &[Function<'_>]) -> Option<Number> {
    let entered = call.entered?;
    let mut values = jumps(sorted, entered, call.address).iter().map(|jump| {
        let place = functions.partition_point(|function| function.address <= jump.address).checked_sub(1)?;
        let Function { address, code } = *functions.get(place)?;
        match machine {
            Machine::X86_64 => x86_64::number_at(code, address, jump.address),
            Machine::Aarch64 => aarch64::number_at(code, address, jump.address),
        }
    });
    let value = values.next()??;
    values.all(|other| other == Some(value)).then_some(Number {
        value,
        loaded: entered,
        site: Err(LOADED_BEFORE_A_JUMP),
    })
}
