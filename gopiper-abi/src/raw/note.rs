//! The ELF note `.note.gopiper`: what a component file says of itself before any of its code runs.
//!
//! The export macro emits one [`Note`] into every component; the host reads it with an ELF parser.
//! The layout never changes: a later form gets another [`NOTE_TYPE`].

/// The owner's name in the note, as ELF wants it: with its NUL, padded to four bytes.
pub const NOTE_OWNER: [u8; 8] = *b"gopiper\0";
/// The type of the note that this module describes.
pub const NOTE_TYPE: u32 = 2;
/// The name of the section that holds the note.
pub const NOTE_SECTION: &str = ".note.gopiper";
/// The digest of a file that is not sealed.
pub const UNSEALED: [u8; 32] = [0; 32];

/// The note as it lies in the file: the ELF header of a note, then the description.
#[repr(C, align(4))]
#[derive(Clone, Copy)]
pub struct Note {
    owner_size: u32,
    description_size: u32,
    note_type: u32,
    owner: [u8; 8],
    /// The component's description of itself.
    pub description: NoteDescription,
}

/// The component's description of itself. Texts are UTF-8, filled up with NUL.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct NoteDescription {
    /// 0 source, 1 transform, 2 sink: [`crate::Kind`].
    pub kind: u32,
    /// 1 if a panic unwinds, 2 if it aborts the process.
    pub panic: u32,
    /// Hash of the sizes, offsets and names of every type of the interface, little endian.
    pub layout: [u8; 8],
    /// The component's name: the package that the author built.
    pub name: [u8; 64],
    /// The component's version: the package's.
    pub version: [u8; 32],
    /// The version of gopiper-abi that it was built with.
    pub interface: [u8; 32],
    /// The target triple.
    pub target: [u8; 64],
    /// The output of `rustc --version`; in C, the compiler and its version.
    pub rustc: [u8; 64],
    /// The features of the processor that its code uses, with spaces between: see
    /// [`compiled_for`](crate::compiled_for).
    pub cpu: [u8; 320],
    /// BLAKE3 over the whole file with these 32 bytes zero; all zero if the file is not sealed.
    pub digest: [u8; 32],
}

impl Note {
    /// The note of a component; called by the export macro, at compile time.
    pub const fn new(
        name: &str,
        version: &str,
        kind: u32,
        panic_unwinds: bool,
        features: &[(&str, bool)],
    ) -> Self {
        Note {
            owner_size: NOTE_OWNER.len() as u32,
            description_size: size_of::<NoteDescription>() as u32,
            note_type: NOTE_TYPE,
            owner: NOTE_OWNER,
            description: NoteDescription {
                kind,
                panic: if panic_unwinds { 1 } else { 2 },
                layout: crate::raw::LAYOUT_HASH.to_le_bytes(),
                name: padded(name),
                version: padded(version),
                interface: padded(crate::raw::INTERFACE_VERSION),
                target: padded(env!("GOPIPER_TARGET")),
                rustc: padded(env!("GOPIPER_RUSTC")),
                cpu: listed(features),
                digest: UNSEALED,
            },
        }
    }
}

/// `text` filled up with NUL; refused at compile time when it does not fit.
const fn padded<const N: usize>(text: &str) -> [u8; N] {
    let bytes = text.as_bytes();
    assert!(bytes.len() < N, "a name or version is too long for the component's note");
    let mut out = [0; N];
    let mut i = 0;
    while i < bytes.len() {
        out[i] = bytes[i];
        i += 1;
    }
    out
}

/// The names of the features that are on, with a space after each; filled up with NUL.
const fn listed<const N: usize>(features: &[(&str, bool)]) -> [u8; N] {
    let mut out = [0; N];
    let (mut feature, mut at) = (0, 0);
    while feature < features.len() {
        let (name, is_on) = features[feature];
        let mut letter = 0;
        while is_on && letter <= name.len() {
            out[at] = if letter < name.len() { name.as_bytes()[letter] } else { b' ' };
            (letter, at) = (letter + 1, at + 1);
        }
        feature += 1;
    }
    assert!(at < N, "too many features of a processor for the component's note");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_listed_by_name() {
        let on: [u8; 16] = listed(&[("sse3", true), ("avx", false), ("bmi1", true)]);
        assert_eq!(&on, b"sse3 bmi1 \0\0\0\0\0\0");
        let all: Vec<_> = crate::compiled_for!().iter().map(|(name, _)| (*name, true)).collect();
        assert!(listed::<320>(&all).starts_with(b"sse3 ssse3 "), "all of them fit");
        assert_eq!(
            crate::compiled_for!().iter().any(|(name, on)| *name == "avx2" && *on),
            cfg!(target_feature = "avx2")
        );
    }
}
