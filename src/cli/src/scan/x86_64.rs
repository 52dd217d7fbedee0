//! The system calls in code for the 64-bit x86.
//!
//! Instructions come from iced-x86; this says which of them load a number, and which may stand between the load and
//! the call of a site.

use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess,
    OpKind, Register,
};
use lockspan_core::sites::{LONGEST, Machine, Site};
use memchr::memmem;

use super::calls::{
    COMPUTED, Call, Found, Jump, NOT_LOADED, NOT_MOVABLE, Number, OLD_WAY, Reason, TOO_LONG, UNUSUAL_LOAD,
};

/// Reads a function. What is known of a register is forgotten wherever the code does not simply go on.
pub fn read(code: &[u8], address: u64, found: &mut Found) {
    let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    let mut straight = Straight { start: 0, only_by_jump: false };
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        if instruction.flow_control() == FlowControl::Next {
            continue;
        }
        if is_direct_jump(&instruction) {
            found.jumps.push(Jump { target: instruction.near_branch_target(), address: instruction.ip() });
        }
        let end = decoder.position();
        let start = address.wrapping_add(straight.start as u64);
        let number = match instruction.code() {
            Code::Syscall => Some(number(code.get(straight.start..end).unwrap_or_default(), start)),
            Code::Sysenter => Some(Err(OLD_WAY)),
            Code::Int_imm8 if instruction.immediate8() == 0x80 => Some(Err(OLD_WAY)),
            _ => None,
        };
        found.calls.extend(number.map(|number| Call {
            address: instruction.ip(),
            number,
            entered: straight.only_by_jump.then_some(start),
        }));
        straight.go_on(&instruction, end);
    }
}

/// The number that is loaded when the instruction at `place` runs, which straight-line code in this function leads to.
pub fn number_at(code: &[u8], address: u64, place: u64) -> Option<u32> {
    let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    let mut straight = Straight { start: 0, only_by_jump: false };
    while decoder.can_decode() && decoder.ip() < place {
        decoder.decode_out(&mut instruction);
        straight.go_on(&instruction, decoder.position());
    }
    if decoder.ip() != place {
        return None;
    }
    let number =
        number(code.get(straight.start..decoder.position())?, address.wrapping_add(straight.start as u64));
    number.ok().map(|number| number.value)
}

/// The straight-line code that an instruction is in.
struct Straight {
    /// Where it begins, from the start of the function.
    start: usize,
    /// Whether what is before it never goes on there.
    only_by_jump: bool,
}

impl Straight {
    /// Behind this instruction, which ends there.
    fn go_on(&mut self, instruction: &Instruction, end: usize) {
        let flow = instruction.flow_control();
        if !matches!(flow, FlowControl::Next | FlowControl::ConditionalBranch) {
            let only_by_jump = matches!(
                flow,
                FlowControl::UnconditionalBranch | FlowControl::IndirectBranch | FlowControl::Return
            );
            *self = Straight { start: end, only_by_jump };
        }
    }
}

fn is_direct_jump(instruction: &Instruction) -> bool {
    matches!(instruction.op0_kind(), OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64)
}

/// Every place that has the bytes of a site of a wanted call, whether or not it is at a boundary of instructions.
pub fn wanted_sites(code: &[u8], address: u64) -> Vec<Site> {
    let mut sites = Vec::new();
    for &wanted in Machine::X86_64.wanted() {
        let [a, b, c, d] = wanted.to_le_bytes();
        for place in memmem::find_iter(code, &[0xb8, a, b, c, d]) {
            let window = code.get(place..).unwrap_or_default();
            let window = window.get(..LONGEST).unwrap_or(window);
            let mut found = Found::default();
            read(window, address.wrapping_add(place as u64), &mut found);
            let site = found.calls.first().and_then(|call| call.number.as_ref().ok()?.site.ok());
            sites.extend(site.filter(|site| site.address == address.wrapping_add(place as u64)));
        }
    }
    sites
}

/// The number that this straight-line code loads, for the call in which it ends if it does.
fn number(code: &[u8], address: u64) -> Result<Number, Reason> {
    let mut factory = InstructionInfoFactory::new();
    let mut before: Option<Instruction> = None;
    // The last instruction that wrote the number's register, with the one before it, and what came behind it.
    let mut load: Option<(Instruction, Option<Instruction>)> = None;
    let mut between = Vec::new();
    for instruction in Decoder::with_ip(64, code, address, DecoderOptions::NONE) {
        if instruction.code() == Code::Syscall {
            break;
        }
        if writes_number(&mut factory, &instruction) {
            load = Some((instruction, before));
            between.clear();
        } else if between.len() < LONGEST {
            // More than that is too long for a site anyway.
            between.push(instruction);
        }
        before = Some(instruction);
    }
    let (load, before) = load.ok_or(NOT_LOADED)?;
    let value = loaded(before.as_ref(), &load).ok_or(COMPUTED)?;
    let start = usize::try_from(load.ip().wrapping_sub(address)).unwrap_or(usize::MAX);
    let site = site(code.get(start..).unwrap_or_default(), &load, &between);
    // What is pushed counts from where it is pushed.
    let loaded = match (load.mnemonic(), before) {
        (Mnemonic::Pop, Some(push)) => push.ip(),
        _ => load.ip(),
    };
    Ok(Number { value, loaded, site })
}

/// Whether an instruction changes, or may change, the register that has the call's number.
fn writes_number(factory: &mut InstructionInfoFactory, instruction: &Instruction) -> bool {
    factory.info(instruction).used_registers().iter().any(|used| {
        let writes = !matches!(used.access(), OpAccess::None | OpAccess::Read | OpAccess::CondRead);
        writes && used.register().full_register() == Register::RAX
    })
}

/// The number that an instruction, behind another, leaves in the register for it.
fn loaded(before: Option<&Instruction>, load: &Instruction) -> Option<u32> {
    match load.code() {
        Code::Mov_r32_imm32 | Code::Mov_rm32_imm32 => Some(load.immediate32()),
        Code::Mov_rm64_imm32 => u32::try_from(load.immediate32to64()).ok(),
        Code::Mov_r64_imm64 => u32::try_from(load.immediate64()).ok(),
        Code::Pop_r64 => match before?.code() {
            Code::Pushq_imm8 => u32::try_from(before?.immediate8to64()).ok(),
            Code::Pushq_imm32 => u32::try_from(before?.immediate32to64()).ok(),
            _ => None,
        },
        _ if clears_register(load) => Some(0),
        _ => None,
    }
}

fn clears_register(instruction: &Instruction) -> bool {
    let whole = matches!(
        instruction.code(),
        Code::Xor_r32_rm32
            | Code::Xor_rm32_r32
            | Code::Xor_r64_rm64
            | Code::Xor_rm64_r64
            | Code::Sub_r32_rm32
            | Code::Sub_rm32_r32
            | Code::Sub_r64_rm64
            | Code::Sub_rm64_r64
    );
    // A memory operand has no register.
    whole && instruction.op0_register() == instruction.op1_register()
}

/// The site that begins with this load, `code` being all its bytes.
fn site(code: &[u8], load: &Instruction, between: &[Instruction]) -> Result<Site, Reason> {
    // The five bytes that a jump takes the place of.
    if load.code() != Code::Mov_r32_imm32 || load.len() != 5 || code.first() != Some(&0xb8) {
        return Err(UNUSUAL_LOAD);
    }
    if !between.iter().all(is_movable) {
        return Err(NOT_MOVABLE);
    }
    Site::new(load.ip(), code).ok_or(TOO_LONG)
}

/// Whether an instruction only loads a general register, and does the same at any address.
fn is_movable(instruction: &Instruction) -> bool {
    let plain = match instruction.mnemonic() {
        Mnemonic::Nop => return !instruction.is_ip_rel_memory_operand(),
        // To or from a segment or control register is also called mov.
        Mnemonic::Mov => match instruction.op1_kind() {
            OpKind::Register => instruction.op1_register().is_gpr(),
            _ => true,
        },
        Mnemonic::Movzx | Mnemonic::Movsx | Mnemonic::Movsxd | Mnemonic::Lea => true,
        _ => clears_register(instruction),
    };
    plain
        && instruction.op0_kind() == OpKind::Register
        && instruction.op0_register().is_gpr()
        && !matches!(instruction.op0_register().full_register(), Register::RAX | Register::RSP)
        && !instruction.is_ip_rel_memory_operand()
        && instruction.segment_prefix() == Register::None
        && !instruction.has_lock_prefix()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MKDIR: [u8; 5] = [0xb8, 83, 0, 0, 0];
    const SYSCALL: [u8; 2] = [0x0f, 0x05];

    /// What is known of the last call of this code, which begins at 0x1000.
    fn last(code: &[&[u8]]) -> Result<Number, Reason> {
        let mut found = Found::default();
        read(&code.concat(), 0x1000, &mut found);
        found.calls.pop().expect("a call").number
    }

    fn value(code: &[&[u8]]) -> Option<u32> {
        last(code).ok().map(|number| number.value)
    }

    /// What is known of the site with this between the load and the call.
    fn with(between: &[u8]) -> Result<Site, Reason> {
        last(&[&MKDIR, between, &SYSCALL]).expect("a known number").site
    }

    #[test]
    fn a_site_runs_from_the_load_to_the_end_of_the_call() {
        let site = last(&[&[0x90], &MKDIR, &[0x48, 0x89, 0xdf], &SYSCALL]).expect("a number").site;
        let site = site.expect("a site");
        assert_eq!(site.address, 0x1001);
        assert_eq!(site.bytes(), [0xb8, 83, 0, 0, 0, 0x48, 0x89, 0xdf, 0x0f, 5]);
        assert_eq!(Machine::X86_64.number(&site), Some(83));
    }

    #[test]
    fn what_loads_registers_may_stand_between() {
        for between in [
            &[][..],
            &[0x31, 0xf6],                               // xor esi, esi
            &[0xbe, 0xed, 1, 0, 0],                      // mov esi, 0x1ed
            &[0x41, 0xba, 0, 1, 0, 0],                   // mov r10d, 0x100
            &[0x48, 0x8b, 0x7d, 0xd8],                   // mov rdi, [rbp - 0x28]
            &[0x48, 0x8b, 0x7c, 0x24, 0x08],             // mov rdi, [rsp + 8]
            &[0x48, 0x8d, 0x74, 0x24, 0x10],             // lea rsi, [rsp + 0x10]
            &[0x48, 0x63, 0xff],                         // movsxd rdi, edi
            &[0x0f, 0xb6, 0xf1],                         // movzx esi, cl
            &[0x4c, 0x89, 0xef, 0x31, 0xd2],             // mov rdi, r13; xor edx, edx
            &[0x48, 0xc7, 0xc7, 0x9c, 0xff, 0xff, 0xff], // mov rdi, -100
            &[0x48, 0xbf, 1, 2, 3, 4, 5, 6, 7, 8],       // mov rdi, 0x0807060504030201
            &[0x48, 0x89, 0xc3],                         // mov rbx, rax
            &[0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],    // nop
        ] {
            assert!(with(between).is_ok(), "{between:x?}");
        }
    }

    #[test]
    fn what_cannot_be_moved_may_not_stand_between() {
        for between in [
            &[0x48, 0x8b, 0x3d, 0, 1, 0, 0][..],            // mov rdi, [rip + 0x100]
            &[0x48, 0x8d, 0x3d, 0, 1, 0, 0],                // lea rdi, [rip + 0x100]
            &[0x89, 0x3c, 0x24],                            // mov [rsp], edi
            &[0x48, 0x89, 0xfc],                            // mov rsp, rdi
            &[0x57],                                        // push rdi
            &[0x5f],                                        // pop rdi
            &[0x31, 0xf7],                                  // xor edi, esi
            &[0x83, 0xc7, 1],                               // add edi, 1
            &[0x64, 0x48, 0x8b, 0x3c, 0x25, 0x28, 0, 0, 0], // mov rdi, fs:[0x28]
            &[0x8c, 0xdf],                                  // mov edi, ds
            &[0x8e, 0xdf],                                  // mov ds, edi
            &[0x74, 0],                                     // je to the call
            &[0x0f, 0x29, 0x04, 0x24],                      // movaps [rsp], xmm0
        ] {
            assert_eq!(with(between), Err(NOT_MOVABLE), "{between:x?}");
        }
    }

    #[test]
    fn the_longest_site_fits_and_a_longer_one_does_not() {
        let room = LONGEST - MKDIR.len() - SYSCALL.len();
        assert!(with(&vec![0x90; room]).is_ok());
        assert_eq!(with(&vec![0x90; room + 1]), Err(TOO_LONG));
    }

    #[test]
    fn other_loads_are_known_but_no_site() {
        for (load, expected) in [
            (&[0x31, 0xc0][..], 0),                       // xor eax, eax
            (&[0x48, 0xc7, 0xc0, 83, 0, 0, 0], 83),       // mov rax, 83
            (&[0xc7, 0xc0, 83, 0, 0, 0], 83),             // mov eax, 83, the long way
            (&[0x48, 0xb8, 83, 0, 0, 0, 0, 0, 0, 0], 83), // movabs rax, 83
            (&[0x6a, 83, 0x58], 83),                      // push 83; pop rax
        ] {
            let number = last(&[load, &SYSCALL]).expect("a known number");
            assert_eq!((number.value, number.site), (expected, Err(UNUSUAL_LOAD)), "{load:x?}");
            assert_eq!(number.loaded, 0x1000);
        }
        // A branch that is not taken changes no register.
        assert_eq!(with(&[0x75, 0x10]), Err(NOT_MOVABLE));
    }

    #[test]
    fn what_changes_the_number_makes_it_unknown() {
        for change in [
            &[0x89, 0xf8][..],         // mov eax, edi
            &[0x0f, 0xb6, 0xc0],       // movzx eax, al
            &[0xb0, 1],                // mov al, 1
            &[0x83, 0xc0, 1],          // add eax, 1
            &[0x0f, 0x44, 0xc7],       // cmove eax, edi
            &[0x0f, 0xa2],             // cpuid
            &[0x48, 0xf7, 0xe1],       // mul rcx
            &[0x58],                   // pop rax
            &[0x48, 0x91],             // xchg rcx, rax
            &[0xf0, 0x0f, 0xb1, 0x0f], // lock cmpxchg [rdi], ecx
            &[0xe8, 0, 1, 0, 0],       // call
            &[0xff, 0xd1],             // call rcx
            &[0xeb, 0],                // jmp to the call
            &[0xc3],                   // ret
            &SYSCALL,
        ] {
            assert_eq!(value(&[&MKDIR, change, &SYSCALL]), None, "{change:x?}");
        }
        assert_eq!(value(&[&SYSCALL]), None);
        assert_eq!(value(&[&[0x48, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff], &SYSCALL]), None);
    }

    #[test]
    fn old_ways_to_make_a_call_are_calls_of_unknown_number() {
        assert_eq!(last(&[&MKDIR, &[0xcd, 0x80]]).err(), Some(OLD_WAY));
        assert_eq!(last(&[&MKDIR, &[0x0f, 0x34]]).err(), Some(OLD_WAY));
    }

    #[test]
    fn direct_jumps_are_found() {
        let mut found = Found::default();
        // je +2; jmp +2; call +0; jmp rax
        read(&[0x74, 2, 0xeb, 2, 0xe8, 0, 0, 0, 0, 0xff, 0xe0], 0x1000, &mut found);
        assert_eq!(found.jumps.iter().map(|jump| jump.target).collect::<Vec<_>>(), [0x1004, 0x1006, 0x1009]);
    }
}
