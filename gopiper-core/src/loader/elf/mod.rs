//! Reads an ELF file without trusting it, and finds what it needs on this machine.
//!
//! Here: its shape, its machine, its note. `dynamic.rs` reads its requests to the dynamic linker,
//! `libraries.rs` finds the libraries that it needs. `glibc.rs` and `cpu.rs` know the versions of
//! glibc and the features of the processor. Nothing here knows what a component is.

mod dynamic;
mod glibc;
mod libraries;

pub(crate) mod cpu;

pub(crate) use dynamic::Links;
pub use glibc::GlibcVersion;

use std::ops::Range;
use std::path::Path;

use gopiper_abi::raw::{NOTE_OWNER, NOTE_SECTION, NOTE_TYPE};
use object::elf::{self, FileHeader64, NoteHeader64, ProgramHeader64, SectionHeader64};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::{LittleEndian, ReadRef};

use crate::loader::refusal::{Gate, Refusal};

pub(crate) const LE: LittleEndian = LittleEndian;

/// A 64-bit little-endian ELF file that is whole: every segment lies within it.
pub(crate) struct Elf<'a> {
    pub(crate) file: &'a Path,
    pub(crate) bytes: &'a [u8],
    header: &'a FileHeader64<LittleEndian>,
    pub(crate) segments: &'a [ProgramHeader64<LittleEndian>],
    pub(crate) sections: &'a [SectionHeader64<LittleEndian>],
}

impl<'a> Elf<'a> {
    pub(crate) fn parse(file: &'a Path, bytes: &'a [u8]) -> Result<Self, Refusal> {
        match bytes {
            [0x7f, b'E', b'L', b'F', 2, 1, ..] => {}
            [0x7f, b'E', b'L', b'F', class @ (1 | 2), order @ (1 | 2), rest @ ..] => {
                return Err(other_machine(file, in_words(*class, *order, rest)));
            }
            [0x7f, b'E', b'L', b'F', ..] => return Err(damaged(file, "a broken ELF header")),
            _ => check_beginning(file, bytes)?,
        }
        let damaged = |error: object::read::Error| damaged(file, error.to_string());
        let header = FileHeader64::<LittleEndian>::parse(bytes).map_err(damaged)?;
        let elf = Elf {
            file,
            bytes,
            header,
            segments: header.program_headers(LE, bytes).map_err(damaged)?,
            sections: header.section_headers(LE, bytes).map_err(damaged)?,
        };
        elf.check_whole()?;
        Ok(elf)
    }

    fn check_whole(&self) -> Result<(), Refusal> {
        let size = self.bytes.len() as u64;
        for (index, segment) in self.segments.iter().enumerate() {
            let (offset, length) = segment.file_range(LE);
            if offset.checked_add(length).is_none_or(|end| end > size) {
                let found = format!(
                    "segment {index} is {length} bytes from byte {offset}, the file has {size} bytes"
                );
                return Err(damaged(self.file, found));
            }
        }
        Ok(())
    }

    pub(crate) fn is_shared_object(&self) -> bool {
        self.header.e_type(LE) == elf::ET_DYN
    }

    pub(crate) fn machine(&self) -> elf::Machine {
        self.header.e_machine(LE)
    }

    /// The position of the description of the one gopiper note in the file.
    pub(crate) fn note(&self) -> Result<Range<usize>, Refusal> {
        let is_note = |segment: &&ProgramHeader64<_>| segment.p_type(LE) == elf::PT_NOTE;
        let segments =
            self.segments.iter().filter(is_note).filter_map(|segment| {
                Some((segment.data(LE, self.bytes).ok()?, segment.p_align(LE)))
            });
        let mut found: Vec<FoundNote> =
            segments.flat_map(|(notes, align)| self.own_notes(notes, align)).collect();
        // A tool that moves segments about may lose PT_NOTE, the section tells it still.
        if found.is_empty() {
            let is_note = |section: &&SectionHeader64<_>| section.sh_type(LE) == elf::SHT_NOTE;
            let sections = self.sections.iter().filter(is_note).filter_map(|section| {
                Some((section.data(LE, self.bytes).ok()?, section.sh_addralign(LE)))
            });
            found = sections.flat_map(|(notes, align)| self.own_notes(notes, align)).collect();
        }
        let mut known = found.iter().filter(|note| note.note_type == NOTE_TYPE);
        match known.clone().count() {
            1 => Ok(known.next().expect("there is one").description.clone()),
            0 => Err(self.no_known_note(found.first())),
            count => Err(Refusal::new(
                self.file,
                Gate::Note,
                "is not one component",
                format!("{count} gopiper notes"),
                "one",
                "export one component from each .so, and link no other component into it",
            )),
        }
    }

    fn no_known_note(&self, other: Option<&FoundNote>) -> Refusal {
        match other {
            None => not_a_component(self.file, format!("no {NOTE_SECTION} section")),
            Some(note) => Refusal::new(
                self.file,
                Gate::Note,
                "is a component of another generation",
                format!("a gopiper note of type {}", note.note_type),
                format!("type {NOTE_TYPE}"),
                "get a build for this gopiper from its author, or install the one that it was built for",
            ),
        }
    }

    /// Read here and not by `object`, which gives up at an alignment other than 4 and 8: that of a
    /// file built with AddressSanitizer is 32, and there are zeros after its note.
    fn own_notes(&self, notes: &'a [u8], align: u64) -> Vec<FoundNote> {
        let align = if align == 8 { 8 } else { 4 };
        let start = notes.as_ptr().addr() - self.bytes.as_ptr().addr();
        let mut found = Vec::new();
        let mut at = 0;
        // A note hidden by another, broken note is not found: the file then has no note.
        while let Some((note, next)) = note_at(notes, at, align) {
            if notes[note.name] == NOTE_OWNER {
                let description = start + note.description.start..start + note.description.end;
                found.push(FoundNote { note_type: note.note_type, description });
            }
            at = next;
        }
        found
    }
}

struct FoundNote {
    note_type: u32,
    description: Range<usize>,
}

struct RawNote {
    note_type: u32,
    name: Range<usize>,
    description: Range<usize>,
}

/// The note at `at`, and where the next one is.
fn note_at(notes: &[u8], at: usize, align: usize) -> Option<(RawNote, usize)> {
    let header = notes.read_at::<NoteHeader64<LittleEndian>>(at as u64).ok()?;
    let name = at + size_of::<NoteHeader64<LittleEndian>>();
    let name = name..name.checked_add(header.n_namesz.get(LE) as usize)?;
    let description = name.end.checked_next_multiple_of(align)?;
    let description = description..description.checked_add(header.n_descsz.get(LE) as usize)?;
    if description.end > notes.len() {
        return None;
    }
    let next = description.end.checked_next_multiple_of(align)?;
    Some((RawNote { note_type: header.n_type.get(LE).0, name, description }, next))
}

/// How many bytes tell files of different kinds apart.
pub(crate) const BEGINNING: usize = 4096;

/// Checks that a file that begins with these bytes can be an ELF file.
pub(crate) fn check_beginning(file: &Path, bytes: &[u8]) -> Result<(), Refusal> {
    match bytes {
        [0x7f, b'E', b'L', b'F', ..] => Ok(()),
        _ => Err(not_a_component(file, foreign(bytes))),
    }
}

/// Describes a file that is not an ELF file, by its beginning.
fn foreign(bytes: &[u8]) -> &'static str {
    let bytes = &bytes[..bytes.len().min(BEGINNING)];
    // A letter may be cut off at the end.
    let is_text = match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    match bytes {
        [b'M', b'Z', ..] => "a Windows program or DLL",
        [0xcf, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => "a macOS program or library",
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => "a static library",
        [0, b'a', b's', b'm', ..] => "a WebAssembly module",
        _ if is_text && !bytes.contains(&0) => "a text file",
        _ => "not an ELF file",
    }
}

pub(crate) fn not_a_component(file: &Path, found: impl Into<String>) -> Refusal {
    Refusal::new(
        file,
        Gate::Note,
        "is not a gopiper component",
        found,
        "a shared library built with gopiper-abi",
        "check the path, or get the component's file from its author",
    )
}

pub(crate) fn damaged(file: &Path, found: impl Into<String>) -> Refusal {
    Refusal::new(
        file,
        Gate::Note,
        "is damaged",
        found,
        "a complete ELF file",
        "copy or build the component again",
    )
}

pub(crate) fn other_machine(file: &Path, found: String) -> Refusal {
    Refusal::new(
        file,
        Gate::Note,
        "is for another machine",
        found,
        format!("a library for {}", machine_name(HERE)),
        "build the component for this machine, or get a file built for it",
    )
}

/// This machine, as an ELF file names it.
pub(crate) const HERE: elf::Machine = if cfg!(target_arch = "x86_64") {
    elf::EM_X86_64
} else if cfg!(target_arch = "aarch64") {
    elf::EM_AARCH64
} else if cfg!(target_arch = "riscv64") {
    elf::EM_RISCV
} else if cfg!(target_arch = "powerpc64") {
    elf::EM_PPC64
} else if cfg!(target_arch = "loongarch64") {
    elf::EM_LOONGARCH
} else {
    elf::EM_NONE
};

pub(crate) fn machine_name(machine: elf::Machine) -> String {
    let name = match machine {
        elf::EM_X86_64 => "x86-64 (64-bit Intel and AMD)",
        elf::EM_AARCH64 => "AArch64 (64-bit Arm)",
        elf::EM_RISCV => "RISC-V",
        elf::EM_PPC64 => "64-bit PowerPC",
        elf::EM_LOONGARCH => "LoongArch",
        elf::EM_386 => "x86 (32-bit Intel and AMD)",
        elf::EM_ARM => "Arm (32-bit)",
        elf::EM_S390 => "IBM Z (s390x)",
        elf::EM_MIPS => "MIPS",
        elf::EM_SPARCV9 => "SPARC",
        elf::Machine(number) => return format!("an unknown machine (ELF number {number})"),
    };
    name.into()
}

/// The kind of an ELF file of another word size or byte order; `rest` is what follows these two.
fn in_words(class: u8, order: u8, rest: &[u8]) -> String {
    let bits = if class == 1 { "32-bit" } else { "64-bit" };
    let (order, read): (_, fn([u8; 2]) -> u16) =
        if order == 1 { ("little", u16::from_le_bytes) } else { ("big", u16::from_be_bytes) };
    let machine = match rest {
        // e_machine lies at byte 18, the two came at bytes 4 and 5.
        [_, _, _, _, _, _, _, _, _, _, _, _, a, b, ..] => elf::Machine(read([*a, *b])),
        _ => elf::EM_NONE,
    };
    format!("a {bits} {order}-endian library for {}", machine_name(machine))
}
