//! Reads an ELF file without trusting it: its shape, its machine, its note, the glibc it needs.

use std::ops::Range;
use std::path::Path;

use gopiper_abi::raw::{NOTE_OWNER, NOTE_SECTION, NOTE_TYPE};
use object::elf::{
    self, FileHeader64, NoteHeader64, ProgramHeader64, SectionHeader64, Vernaux, Verneed,
};
use object::read::elf::{Dyn, FileHeader, ProgramHeader, SectionHeader};
use object::{LittleEndian, ReadRef};

use super::glibc::GlibcVersion;
use super::refusal::{Gate, Refusal};

const LE: LittleEndian = LittleEndian;

/// Real files need a few dozen symbol versions; a forged one must not take long.
const MOST_SYMBOL_VERSIONS: usize = 4096;

/// A 64-bit little-endian ELF file that is whole: every segment lies within it.
pub(super) struct Elf<'a> {
    file: &'a Path,
    bytes: &'a [u8],
    header: &'a FileHeader64<LittleEndian>,
    segments: &'a [ProgramHeader64<LittleEndian>],
    sections: &'a [SectionHeader64<LittleEndian>],
}

impl<'a> Elf<'a> {
    pub(super) fn parse(file: &'a Path, bytes: &'a [u8]) -> Result<Self, Refusal> {
        match bytes {
            [0x7f, b'E', b'L', b'F', 2, 1, ..] => {}
            [0x7f, b'E', b'L', b'F', class @ (1 | 2), order @ (1 | 2), rest @ ..] => {
                return Err(other_machine(file, in_words(*class, *order, rest)));
            }
            [0x7f, b'E', b'L', b'F', ..] => return Err(damaged(file, "a broken ELF header")),
            _ => return Err(not_a_component(file, foreign(bytes))),
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

    pub(super) fn is_shared_object(&self) -> bool {
        self.header.e_type(LE) == elf::ET_DYN
    }

    pub(super) fn machine(&self) -> elf::Machine {
        self.header.e_machine(LE)
    }

    /// The position of the description of the one gopiper note in the file.
    pub(super) fn note(&self) -> Result<Range<usize>, Refusal> {
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
                "install the gopiper that the component was built for",
            ),
        }
    }

    /// Read here and not by `object`, which gives up at an alignment other than 4 and 8: that of a
    /// file built with AddressSanitizer is 32, and there are zeros behind its note.
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

    /// The newest version of glibc that the dynamic linker will insist on.
    ///
    /// Found as the dynamic linker finds it, through the dynamic segment.
    pub(super) fn glibc_needed(&self) -> Result<Option<GlibcVersion>, Refusal> {
        let broken = || damaged(self.file, "a broken table of needed symbol versions");
        let Some(table) = self.dynamic_value(elf::DT_VERNEED) else {
            return Ok(None);
        };
        let table = self.at_address(table).ok_or_else(broken)?;
        let names = self.dynamic_value(elf::DT_STRTAB).ok_or_else(broken)?;
        let names = self.at_address(names).ok_or_else(broken)?;
        let needed = needed_versions(table, names).ok_or_else(broken)?;
        Ok(needed.into_iter().filter_map(GlibcVersion::from_symbol_version).max())
    }

    fn dynamic_value(&self, tag: elf::DynamicTag) -> Option<u64> {
        let mut dynamics = self.segments.iter().filter_map(|s| s.dynamic(LE, self.bytes).ok()?);
        let entries = dynamics.next()?.iter().take_while(|entry| entry.tag(LE) != elf::DT_NULL);
        entries.filter(|entry| entry.tag(LE) == tag).last().map(|entry| entry.val(LE))
    }

    /// The bytes that are mapped at `address`, to the end of their segment.
    fn at_address(&self, address: u64) -> Option<&'a [u8]> {
        self.segments.iter().filter(|s| s.p_type(LE) == elf::PT_LOAD).find_map(|segment| {
            let offset = address.checked_sub(segment.p_vaddr(LE))?;
            segment.data(LE, self.bytes).ok()?.get(usize::try_from(offset).ok()?..)
        })
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

/// The names in a table of needed versions (`.gnu.version_r`), except those that may be missing.
///
/// `None` if an entry lies outside of the table, or if there are too many.
fn needed_versions<'a>(table: &[u8], names: &'a [u8]) -> Option<Vec<&'a [u8]>> {
    let mut needed = Vec::new();
    let mut seen = 0;
    let mut library_at = 0u64;
    loop {
        let library = table.read_at::<Verneed<LittleEndian>>(library_at).ok()?;
        let mut version_at = library_at + u64::from(library.vn_aux.get(LE));
        for _ in 0..library.vn_cnt.get(LE) {
            seen += 1;
            if seen > MOST_SYMBOL_VERSIONS {
                return None;
            }
            let version = table.read_at::<Vernaux<LittleEndian>>(version_at).ok()?;
            // The dynamic linker lets a file pass whose weak versions are missing.
            if !version.vna_flags.get(LE).contains(elf::VER_FLG_WEAK) {
                let name = names.get(version.vna_name.get(LE) as usize..)?;
                needed.push(name.split(|byte| *byte == 0).next()?);
            }
            match version.vna_next.get(LE) {
                0 => break,
                next => version_at += u64::from(next),
            }
        }
        seen += 1;
        match library.vn_next.get(LE) {
            0 => return Some(needed),
            _ if seen > MOST_SYMBOL_VERSIONS => return None,
            next => library_at += u64::from(next),
        }
    }
}

/// Describes a file that is not an ELF file, by its beginning.
fn foreign(bytes: &[u8]) -> &'static str {
    match bytes {
        [b'M', b'Z', ..] => "a Windows program or DLL",
        [0xcf, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => "a macOS program or library",
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => "a static library",
        [0, b'a', b's', b'm', ..] => "a WebAssembly module",
        _ if std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0')) => "a text file",
        _ => "not an ELF file",
    }
}

pub(super) fn not_a_component(file: &Path, found: impl Into<String>) -> Refusal {
    Refusal::new(
        file,
        Gate::Note,
        "is not a gopiper component",
        found,
        "a shared library built with gopiper-abi",
        "check the path, or get the component's file from its author",
    )
}

pub(super) fn damaged(file: &Path, found: impl Into<String>) -> Refusal {
    Refusal::new(
        file,
        Gate::Note,
        "is damaged",
        found,
        "a complete ELF file",
        "copy or build the component again",
    )
}

pub(super) fn other_machine(file: &Path, found: String) -> Refusal {
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
pub(super) const HERE: elf::Machine = if cfg!(target_arch = "x86_64") {
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

pub(super) fn machine_name(machine: elf::Machine) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of one library with the versions `name offset, flags`, one after the other.
    fn table(count: u16, versions: &[(u32, u16)]) -> Vec<u8> {
        let mut table = Vec::new();
        table.extend([1u16, count].map(u16::to_le_bytes).concat());
        table.extend([0u32, 16, 0].map(u32::to_le_bytes).concat());
        for (index, (name, flags)) in versions.iter().enumerate() {
            let next = if index + 1 < versions.len() { 16u32 } else { 0 };
            table.extend(0u32.to_le_bytes());
            table.extend([*flags, 2].map(u16::to_le_bytes).concat());
            table.extend([*name, next].map(u32::to_le_bytes).concat());
        }
        table
    }

    #[test]
    fn needed_versions_are_those_that_must_be_there() {
        const WEAK: u16 = 2;
        let names = b"\0GLIBC_2.3\0GLIBC_2.99\0";
        let needed = |table: &[u8]| needed_versions(table, names);
        assert_eq!(needed(&table(2, &[(1, 0), (11, WEAK)])).unwrap(), [b"GLIBC_2.3"]);
        assert_eq!(needed(&table(2, &[(1, 0), (11, 0)])).unwrap().len(), 2);
        // A name, or an entry, outside of its table.
        assert_eq!(needed(&table(1, &[(100, 0)])), None);
        assert_eq!(needed(&table(2, &[(1, 0), (11, 0)])[..40]), None);
        assert_eq!(needed(&[]), None);
        // More than any file needs.
        assert_eq!(needed(&table(u16::MAX, &[(1, 0); 5000])), None);
    }
}
