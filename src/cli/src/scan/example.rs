//! Small programs to scan, for tests. They cannot run.

use lockspan_core::sites::Machine;

/// Where the code is.
pub const ADDRESS: u64 = 0x40_1000;

/// What a program is made of.
pub struct Example {
    pub machine: Machine,
    pub code: Vec<u8>,
    /// Where functions begin, counted from the code's start.
    pub functions: Vec<i32>,
    pub build_id: Option<Vec<u8>>,
    pub interpreter: bool,
}

impl Default for Example {
    /// mov eax, 83; syscall; ret
    fn default() -> Example {
        Example {
            machine: Machine::X86_64,
            code: vec![0xb8, 83, 0, 0, 0, 0x0f, 5, 0xc3],
            functions: vec![0],
            build_id: Some(vec![7; 20]),
            interpreter: true,
        }
    }
}

impl Example {
    /// The program with this code.
    pub fn of(code: &[&[u8]]) -> Example {
        Example { code: code.concat(), ..Example::default() }
    }

    /// The program file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut functions = vec![1, 0x1b, 3, 0x3b, 0, 0, 0, 0];
        functions.extend((self.functions.len() as u32).to_le_bytes());
        for start in &self.functions {
            // The table lies 0x1000 before the code.
            functions.extend((start + 0x1000).to_le_bytes());
            functions.extend([0; 4]);
        }
        let mut note = Vec::new();
        if let Some(build_id) = &self.build_id {
            for number in [4, build_id.len() as u32, 3] {
                note.extend(number.to_le_bytes());
            }
            note.extend(b"GNU\0");
            note.extend(build_id);
        }
        const LOAD: u32 = 1;
        const INTERPRETER: u32 = 3;
        const NOTE: u32 = 4;
        const FUNCTIONS: u32 = 0x6474_e550;
        let mut parts = vec![
            (LOAD, 5, ADDRESS, &self.code),
            (FUNCTIONS, 4, ADDRESS - 0x1000, &functions),
            (NOTE, 4, ADDRESS - 0x2000, &note),
        ];
        let loader = b"/lib/ld.so\0".to_vec();
        if self.interpreter {
            parts.push((INTERPRETER, 4, ADDRESS - 0x3000, &loader));
        }
        let (machine, headers_end) = (
            match self.machine {
                Machine::X86_64 => 62u16,
                Machine::Aarch64 => 183,
            },
            64 + 56 * parts.len(),
        );
        let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
        file.extend(machine.to_le_bytes());
        file.extend(1u32.to_le_bytes());
        for number in [ADDRESS, 64, 0] {
            file.extend(number.to_le_bytes());
        }
        file.extend(0u32.to_le_bytes());
        for number in [64, 56, parts.len() as u16, 64, 0, 0] {
            file.extend(number.to_le_bytes());
        }
        let mut offset = headers_end as u64;
        for (kind, flags, address, bytes) in &parts {
            file.extend(kind.to_le_bytes());
            file.extend(u32::to_le_bytes(*flags));
            let size = bytes.len() as u64;
            for number in [offset, *address, *address, size, size, 4] {
                file.extend(number.to_le_bytes());
            }
            offset += size.next_multiple_of(4);
        }
        for (_, _, _, bytes) in &parts {
            file.extend(*bytes);
            file.resize(file.len().next_multiple_of(4), 0);
        }
        file
    }
}
