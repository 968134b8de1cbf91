//! Files that the gates must refuse, made from a real shared library.

use std::fs;
use std::mem::offset_of;
use std::path::{Path, PathBuf};

use gopiper_abi::raw::{
    INTERFACE_VERSION, Kind, LAYOUT_HASH, NOTE_OWNER, NOTE_TYPE, NoteDescription,
};
use object::LittleEndian as LE;
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::read::elf::{FileHeader, ProgramHeader};

use super::*;

/// A library that every Rust program on this system has open.
pub(super) fn real_library() -> Vec<u8> {
    fs::read(real_library_path()).unwrap()
}

pub(super) fn real_library_path() -> String {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let path = maps.lines().find_map(|line| {
        let path = &line[line.find('/')?..];
        path.contains("/libgcc_s.so").then_some(path)
    });
    path.expect("the test program has libgcc_s open").to_owned()
}

/// A component file that was never built: a real library, with a note of our making.
pub(super) struct Forged {
    pub(super) bytes: Vec<u8>,
    /// The start of the note's description.
    pub(super) note_at: usize,
}

impl Forged {
    pub(super) fn new() -> Self {
        let mut forged = Self::without_text();
        forged.set(offset_of!(NoteDescription, panic), &1u32.to_le_bytes());
        forged.set(offset_of!(NoteDescription, layout), &LAYOUT_HASH.to_le_bytes());
        forged.set(offset_of!(NoteDescription, name), b"forged");
        forged.set(offset_of!(NoteDescription, version), b"1.2.3");
        forged.set(offset_of!(NoteDescription, interface), INTERFACE_VERSION.as_bytes());
        forged.set(offset_of!(NoteDescription, target), b"x86_64-unknown-linux-gnu");
        forged.set(offset_of!(NoteDescription, rustc), b"rustc 1.85.0");
        forged
    }

    /// All of the note's description is zero.
    fn without_text() -> Self {
        let mut bytes = real_library();
        let start = bytes.len().next_multiple_of(8);
        bytes.resize(start, 0);
        bytes.extend((NOTE_OWNER.len() as u32).to_le_bytes());
        bytes.extend((size_of::<NoteDescription>() as u32).to_le_bytes());
        bytes.extend(NOTE_TYPE.to_le_bytes());
        bytes.extend(NOTE_OWNER);
        // With an alignment of 4 the description follows at once.
        let note_at = bytes.len();
        bytes.resize(note_at + size_of::<NoteDescription>(), 0);
        let size = bytes.len() - start;
        patch_note_segment(&mut bytes, start as u64, size as u64);
        Forged { bytes, note_at }
    }

    pub(super) fn set(&mut self, field: usize, value: &[u8]) -> &mut Self {
        let at = self.note_at + field;
        self.bytes[at..at + value.len()].copy_from_slice(value);
        self
    }

    pub(super) fn seal_in(&mut self, dir: &Path) -> PathBuf {
        let path = self.write(dir);
        seal(&path).unwrap();
        self.bytes = fs::read(&path).unwrap();
        path
    }

    pub(super) fn write(&self, dir: &Path) -> PathBuf {
        let path = dir.join("forged.so");
        fs::write(&path, &self.bytes).unwrap();
        path
    }

    /// The problem of each verdict.
    pub(super) fn verdicts(&self) -> Vec<&'static str> {
        let inspection = Inspection::of(Path::new("forged.so"), &self.bytes).unwrap();
        inspection.verdicts.iter().map(|refusal| refusal.problem).collect()
    }

    fn refusal(&self) -> Refusal {
        Inspection::of(Path::new("forged.so"), &self.bytes).unwrap_err()
    }
}

/// Makes the (first) note segment of an ELF file the bytes `start..start + size`. Returns where its
/// header is.
fn patch_note_segment(bytes: &mut [u8], start: u64, size: u64) -> usize {
    let header = FileHeader64::<LE>::parse(&*bytes).unwrap();
    let segments = header.program_headers(LE, &*bytes).unwrap();
    let index = segments.iter().position(|s| s.p_type(LE) == elf::PT_NOTE).unwrap();
    let at = header.e_phoff(LE) as usize + index * size_of::<ProgramHeader64<LE>>();
    bytes[at + 8..at + 16].copy_from_slice(&start.to_le_bytes());
    bytes[at + 32..at + 40].copy_from_slice(&size.to_le_bytes());
    bytes[at + 48..at + 56].copy_from_slice(&4u64.to_le_bytes());
    at
}

fn refused(bytes: &[u8]) -> Refusal {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("component.so");
    fs::write(&path, bytes).unwrap();
    let refusal = load(&path, &Trust::default()).unwrap_err();
    assert_eq!(refusal.file, path);
    assert!((4..=6).contains(&refusal.to_string().lines().count()), "{refusal}");
    refusal
}

#[test]
fn a_note_is_read_whole() {
    let mut forged = Forged::new();
    forged.set(offset_of!(NoteDescription, kind), &2u32.to_le_bytes());
    let inspection = Inspection::of(Path::new("forged.so"), &forged.bytes).unwrap();
    assert_eq!(inspection.name, "forged");
    assert_eq!(inspection.version, "1.2.3");
    assert_eq!(inspection.kind, Kind::SINK);
    assert_eq!(inspection.panic, PanicStrategy::Unwind);
    assert_eq!(inspection.interface, INTERFACE_VERSION);
    assert_eq!(inspection.layout, LAYOUT_HASH);
    assert_eq!(inspection.target, "x86_64-unknown-linux-gnu");
    assert_eq!(inspection.compiler, "rustc 1.85.0");
    assert_eq!(inspection.file_size, forged.bytes.len() as u64);
    assert_eq!(inspection.seal, Seal::Missing);
    assert!(inspection.glibc.unwrap() >= "2.2.5".parse().unwrap());
    assert_eq!(inspection.verdicts, []);
}

#[test]
fn foreign_files_are_named() {
    let found = |bytes: &[u8]| {
        let refusal = refused(bytes);
        assert_eq!(refusal.gate, Gate::Note);
        assert_eq!(refusal.problem, "is not a gopiper component");
        refusal.found
    };
    assert_eq!(found(b"local gopiper = require('gopiper')\n"), "a text file");
    assert_eq!(found(b"/* GNU ld script */ GROUP ( /lib/libc.so.6 )"), "a text file");
    assert_eq!(found(b"MZ\x90\x00\x03"), "a Windows program or DLL");
    assert_eq!(found(b"!<arch>\n"), "a static library");
    assert_eq!(found(&[0; 100]), "not an ELF file");
    assert_eq!(found(&real_library()), "no .note.gopiper section");
}

#[test]
fn a_truncated_file_is_refused_wherever_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let mut forged = Forged::new();
    forged.seal_in(dir.path());
    let bytes = &forged.bytes;
    let ends = (0..bytes.len()).step_by(1024).chain(1..128).chain(bytes.len() - 128..bytes.len());
    for end in ends {
        let refusal = refused(&bytes[..end]);
        let wanted = if end == 0 { Gate::File } else { Gate::Note };
        assert_eq!(refusal.gate, wanted, "{end} bytes:\n{refusal}");
        if end >= 64 {
            assert_eq!(refusal.problem, "is damaged", "{end} bytes:\n{refusal}");
        }
    }
}

/// Reading the file ends with a verdict, whatever the value of a byte.
#[test]
fn no_changed_byte_makes_reading_panic() {
    let dir = tempfile::tempdir().unwrap();
    let mut forged = Forged::new();
    forged.seal_in(dir.path());
    let mut bytes = forged.bytes;
    let note = forged.note_at - 20;
    // The headers, the note, and a sample of the rest, the tables of symbol versions
    // included.
    let places = (0..1024).chain(note..bytes.len()).chain((1024..note).step_by(97));
    for at in places {
        for change in [0x01, 0x80, 0xff] {
            bytes[at] ^= change;
            let verdict = Inspection::of(Path::new("changed.so"), &bytes);
            let refused = verdict.as_ref().map_or(true, |i| !i.verdicts.is_empty());
            let unsealed = verdict.is_ok_and(|i| i.seal == Seal::Missing);
            assert!(refused || unsealed, "byte {at} changed by {change:#x}");
            bytes[at] ^= change;
        }
    }
}

#[test]
fn another_machine_is_named_in_words() {
    let mut forged = Forged::new();
    forged.bytes[18..20].copy_from_slice(&elf::EM_S390.0.to_le_bytes());
    assert_eq!(forged.verdicts(), ["is for another machine"]);
    let refusal = refused(&forged.bytes);
    assert!(refusal.found.contains("IBM Z"), "{refusal}");
    if cfg!(target_arch = "x86_64") {
        assert!(refusal.wanted.contains("x86-64"), "{refusal}");
    }

    // 32-bit and big-endian files cannot even be read.
    let mut forged = Forged::new();
    forged.bytes[4] = 1;
    forged.bytes[18..20].copy_from_slice(&elf::EM_ARM.0.to_le_bytes());
    assert_eq!(forged.refusal().found, "a 32-bit little-endian library for Arm (32-bit)");
    let mut forged = Forged::new();
    forged.bytes[5] = 2;
    forged.bytes[18..20].copy_from_slice(&elf::EM_S390.0.to_be_bytes());
    assert_eq!(forged.refusal().found, "a 64-bit big-endian library for IBM Z (s390x)");
}

#[test]
fn components_that_cannot_run_here_are_shown_and_refused() {
    let verdicts = |field, value: &[u8]| Forged::new().set(field, value).verdicts();
    let panic = |value: u32| verdicts(offset_of!(NoteDescription, panic), &value.to_le_bytes());
    let kind = |value: u32| verdicts(offset_of!(NoteDescription, kind), &value.to_le_bytes());
    let abort = ["would take the whole process down when it panics"];
    assert_eq!(panic(0), [""; 0]);
    assert_eq!(panic(2), abort);
    assert_eq!(panic(3), abort);
    assert_eq!(kind(2), [""; 0]);
    assert_eq!(kind(3), ["is of a kind that this gopiper does not support"]);
    assert_eq!(
        verdicts(offset_of!(NoteDescription, target), b"x86_64-unknown-linux-musl"),
        ["is for another C library"]
    );
    assert_eq!(
        verdicts(offset_of!(NoteDescription, interface), b"999.0.0"),
        ["was built for another version of the interface"]
    );
    assert_eq!(
        verdicts(offset_of!(NoteDescription, layout), &(!LAYOUT_HASH).to_le_bytes()),
        ["was built for another version of the interface"]
    );

    let mut executable = Forged::new();
    executable.bytes[16..18].copy_from_slice(&elf::ET_EXEC.0.to_le_bytes());
    assert_eq!(executable.verdicts(), ["is not a shared library"]);
}

#[test]
fn a_glibc_that_is_too_new_is_refused() {
    // Each GLIBC_2.x in the file, by itself, becomes GLIBC_9.x.
    let names = Forged::new().bytes;
    let places = (0..names.len()).filter(|at| names[*at..].starts_with(b"GLIBC_2."));
    let refusals = places.filter_map(|at| {
        let mut forged = Forged::new();
        forged.bytes[at + 6] = b'9';
        // One that is only needed weakly is no reason.
        (!forged.verdicts().is_empty()).then(|| refused(&forged.bytes))
    });
    let here = GlibcVersion::running().unwrap();
    let mut count = 0;
    for refusal in refusals {
        let text = refusal.to_string();
        assert_eq!(refusal.problem, "needs a newer system");
        assert!(text.contains("glibc 9.") && text.contains(&format!("glibc {here},")), "{text}");
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn a_note_that_cannot_be_read_is_refused() {
    let problem = |field, value: &[u8]| Forged::new().set(field, value).refusal().problem;
    let unreadable = "has a note that cannot be read";
    let name = offset_of!(NoteDescription, name);
    assert_eq!(problem(name, &[0xff, 0xfe]), unreadable, "not UTF-8");
    assert_eq!(problem(name, &[b'x'; 64]), unreadable, "no NUL");
    assert_eq!(problem(name, b"\x1b[2J"), unreadable, "a terminal's escape sequence");
    assert_eq!(problem(name, b"a\0bcdef"), unreadable, "text after the NUL");
    assert_eq!(problem(name, b"\0orged"), unreadable, "empty, then text");
    assert_eq!(Forged::without_text().refusal().found, "a component without a name");

    // The compiler's version may be unknown.
    assert_eq!(Forged::new().set(offset_of!(NoteDescription, rustc), &[0; 64]).verdicts(), [""; 0]);

    let mut other_size = Forged::new();
    let size = other_size.note_at - 16;
    other_size.bytes[size..size + 4].copy_from_slice(&16u32.to_le_bytes());
    assert_eq!(other_size.refusal().found, "a gopiper note of 16 bytes");

    let mut other_type = Forged::new();
    let note_type = other_type.note_at - 12;
    other_type.bytes[note_type] = 7;
    assert_eq!(other_type.refusal().problem, "is a component of another generation");
}

/// As AddressSanitizer leaves it: aligned to 32 bytes, followed by zeros.
#[test]
fn a_note_is_found_whatever_its_alignment() {
    let mut forged = Forged::new();
    let start = forged.note_at - 20;
    forged.bytes.extend([0; 92]);
    let size = forged.bytes.len() - start;
    let at = patch_note_segment(&mut forged.bytes, start as u64, size as u64);
    for align in [0u64, 1, 4, 16, 32, 64] {
        forged.bytes[at + 48..at + 56].copy_from_slice(&align.to_le_bytes());
        assert_eq!(forged.verdicts(), [""; 0], "{align}");
    }
    // Cut off in the middle of the description.
    forged.bytes[at + 32..at + 40].copy_from_slice(&100u64.to_le_bytes());
    assert_eq!(forged.refusal().found, "no .note.gopiper section");
}

#[test]
fn two_notes_are_refused() {
    let mut forged = Forged::new();
    let start = forged.note_at - 20;
    let note = forged.bytes[start..].to_vec();
    forged.bytes.extend(&note);
    patch_note_segment(&mut forged.bytes, start as u64, 2 * note.len() as u64);
    assert_eq!(forged.refusal().found, "2 gopiper notes");
}

/// The forged file is a real library: it is opened, and has no root module.
#[test]
fn a_library_with_a_note_alone_is_refused_at_the_last_gate() {
    let dir = tempfile::tempdir().unwrap();
    let mut forged = Forged::new();
    let path = forged.seal_in(dir.path());
    let refusal = load(&path, &Trust::default()).unwrap_err();
    assert_eq!(refusal.gate, Gate::Layout);
    assert_eq!(refusal.found, "a note, but no root module");

    // The copy that was opened outlives the file, and is opened once for all of its kind.
    fs::remove_file(&path).unwrap();
    let other = dir.path().join("other-name.so");
    fs::write(&other, &forged.bytes).unwrap();
    assert_eq!(load(&other, &Trust::default()).unwrap_err(), Refusal { file: other, ..refusal });

    // A file with any other content is a library of its own.
    let mut second = Forged::new();
    second.set(offset_of!(NoteDescription, name), b"second");
    let path = dir.path().join("second.so");
    fs::write(&path, &second.bytes).unwrap();
    load(&path, &Trust::default()).unwrap_err();

    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mapped = |name: &str| maps.lines().any(|line| line.contains(name));
    assert!(mapped("/memfd:forged.so"), "{maps}");
    assert!(!mapped("/memfd:other-name.so"), "{maps}");
    assert!(mapped("/memfd:second.so"), "{maps}");
}

#[test]
fn messages_of_the_dynamic_linker_are_shown_without_the_copys_path() {
    let refusal_without = |name: &[u8]| {
        let mut forged = Forged::new();
        let length = name.len();
        let at = forged.bytes.windows(length).position(|w| w == name);
        forged.bytes[at.unwrap()] = b'z';
        let refusal = refused(&forged.bytes);
        assert_eq!(refusal.gate, Gate::Open);
        refusal.found
    };
    let library = refusal_without(b"libc.so.6\0");
    assert!(library.starts_with("zibc.so.6: cannot open"), "{library}");
    // At once, not when it is first called.
    let symbol = refusal_without(b"abort\0");
    assert!(symbol.starts_with("undefined symbol: zbort"), "{symbol}");
}
