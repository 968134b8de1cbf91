//! Gates 1 and 2: the file's note is read here, and `judgement.rs` says whether the file can run on
//! this machine. Nothing here may open the file as a library: its code must not run yet.

mod judgement;

use std::mem::offset_of;
use std::ops::Range;
use std::path::{Path, PathBuf};

use gopiper_abi::raw::{Kind, NoteDescription, UNSEALED};

use crate::loader::elf::{Elf, GlibcVersion, Links, machine_name};
use crate::loader::refusal::{Gate, Refusal};

/// The bytes of one field of the note, as an array of its size.
macro_rules! field {
    ($note:expr, $field:ident) => {{
        const SIZE: usize = size_of_field(|note| &note.$field);
        let start = offset_of!(NoteDescription, $field);
        $note[start..].first_chunk::<SIZE>().expect("the note's size was checked")
    }};
}

const fn size_of_field<T>(_: fn(&NoteDescription) -> &T) -> usize {
    size_of::<T>()
}

/// The note of a component file, read without running any of its code.
///
/// [`inspect`](super::inspect) returns one for every file whose note can be read, even if
/// [`load`](super::load) would refuse it: [`verdicts`](Inspection::verdicts) says why.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Inspection {
    /// The file, as the caller named it.
    pub file: PathBuf,
    /// Its size in bytes.
    pub file_size: u64,
    /// The component's name.
    pub name: String,
    /// The component's version.
    pub version: String,
    /// Its kind: source, transform or sink.
    pub kind: Kind,
    /// The effect of a panic in it.
    pub panic: PanicStrategy,
    /// The version of the interface that it was built with: that of gopiper-abi.
    pub interface: String,
    /// The hash of that interface's layout.
    pub layout: u64,
    /// Its target triple.
    pub target: String,
    /// The compiler that built it, and its version: of C, it may be `gcc 12.2.0`.
    pub compiler: String,
    /// The machine that it is for, in words.
    pub machine: String,
    /// The features of the processor that it was compiled for, beyond those that all have.
    pub cpu: String,
    /// The newest glibc that it needs; `None` if it needs no particular one.
    pub glibc: Option<GlibcVersion>,
    /// Whether its digest matches.
    pub seal: Seal,
    /// BLAKE3 of the file, with the note's digest zero: equal to the digest of a valid seal.
    pub digest: [u8; 32],
    /// Why gates 1 and 2 refuse it, in their order; empty if it passes.
    pub verdicts: Vec<Refusal>,
    /// Hazards of the file that are no reason to refuse it, one a line: for its author.
    pub hazards: Vec<String>,
    /// Its links to other libraries.
    pub(crate) links: Links,
    /// The range of the note's digest in the file.
    pub(crate) digest_at: Range<usize>,
}

/// The effect of a panic in a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PanicStrategy {
    /// There are no panics: it was not written in Rust.
    None,
    /// It unwinds to the fence, and is a failure of one message.
    Unwind,
    /// It ends the process.
    Abort,
    /// A number that is unknown to this version.
    Unknown(u32),
}

/// The result of comparing a file with the digest in its note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// The file is unchanged since it was sealed.
    Fits,
    /// It was not sealed, so nothing is known.
    Missing,
    /// The file was changed after it was sealed. This is the digest in its note.
    Broken([u8; 32]),
}

impl Inspection {
    pub(crate) fn of(file: &Path, bytes: &[u8]) -> Result<Self, Refusal> {
        let elf = Elf::parse(file, bytes)?;
        let note_at = elf.note()?;
        let note = &bytes[note_at.clone()];
        if note.len() != size_of::<NoteDescription>() {
            return Err(unreadable(file, format!("a gopiper note of {} bytes", note.len())));
        }
        let text = |what, field| text(field).ok_or_else(|| unreadable(file, no_text(what)));
        let name = text("name", field!(note, name))?;
        if name.is_empty() {
            return Err(unreadable(file, "a component without a name".into()));
        }
        let digest_at = note_at.start + offset_of!(NoteDescription, digest);
        let digest_at = digest_at..digest_at + UNSEALED.len();
        let digest = digest_without(bytes, &digest_at);
        let links = elf.links()?;
        let mut inspection = Inspection {
            file: file.to_owned(),
            file_size: bytes.len() as u64,
            name,
            version: text("version", field!(note, version))?,
            kind: Kind(u32::from_le_bytes(*field!(note, kind))),
            panic: PanicStrategy::from(u32::from_le_bytes(*field!(note, panic))),
            interface: text("interface version", field!(note, interface))?,
            layout: u64::from_le_bytes(*field!(note, layout)),
            target: text("target", field!(note, target))?,
            compiler: text("compiler version", field!(note, rustc))?,
            machine: machine_name(elf.machine()),
            cpu: text("list of processor features", field!(note, cpu))?.trim_end().to_owned(),
            glibc: links.glibc(),
            links,
            seal: match *field!(note, digest) {
                UNSEALED => Seal::Missing,
                noted if noted == digest => Seal::Fits,
                noted => Seal::Broken(noted),
            },
            digest,
            verdicts: Vec::new(),
            hazards: Vec::new(),
            digest_at,
        };
        inspection.verdicts = inspection.judge(&elf);
        inspection.hazards = inspection.find_hazards();
        Ok(inspection)
    }

    /// The names of the libraries that it needs and that are not there, as the dynamic linker
    /// searches them. They are not opened.
    pub fn missing_libraries(&self) -> Vec<String> {
        self.links.missing(&self.file)
    }
}

impl From<u32> for PanicStrategy {
    fn from(number: u32) -> Self {
        match number {
            0 => PanicStrategy::None,
            1 => PanicStrategy::Unwind,
            2 => PanicStrategy::Abort,
            other => PanicStrategy::Unknown(other),
        }
    }
}

/// BLAKE3 over `bytes`, with those of the digest itself zero.
fn digest_without(bytes: &[u8], digest: &Range<usize>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes[..digest.start]).update(&UNSEALED).update(&bytes[digest.end..]);
    hasher.finalize().into()
}

/// The text of a field that is filled up with NUL; fit for a terminal.
fn text(field: &[u8]) -> Option<String> {
    let length = field.iter().position(|byte| *byte == 0)?;
    let (text, padding) = field.split_at(length);
    let text = std::str::from_utf8(text).ok()?;
    let fits = !text.contains(char::is_control) && padding.iter().all(|byte| *byte == 0);
    fits.then(|| text.to_owned())
}

fn no_text(what: &str) -> String {
    format!("a {what} that is not text padded with NUL")
}

fn unreadable(file: &Path, found: String) -> Refusal {
    Refusal::new(
        file,
        Gate::Note,
        "has a note that cannot be read",
        found,
        format!("the note that gopiper-abi writes, {} bytes", size_of::<NoteDescription>()),
        "build the component again, with an unchanged gopiper-abi",
    )
}
