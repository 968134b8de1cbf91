//! Bad files by the thousand: a component whose library leaves a mark when it is opened, changed in
//! every way that a disk, a network or a forger changes a file.
//!
//! These take seconds: each of a thousand files is copied and hashed as every component is.
use std::{fs, mem::offset_of, ops::Range};

use fastrand::Rng;
use gopiper_abi::raw::NoteDescription;
use gopiper_core::loader::{self, Gate, Trust};
use object::{
    LittleEndian,
    elf::FileHeader64,
    read::elf::{FileHeader, SectionHeader},
};

use crate::files::{Scratch, assert_in_few_words, in_a_process_of_its_own, variant};

/// Another seed gives other files.
const SEED: u64 = 20_261_124;

/// The parts of the file that changes need.
struct Original {
    bytes: Vec<u8>,
    /// The place of each section that is not empty.
    sections: Vec<Range<usize>>,
    /// The place of the note's description.
    note: Range<usize>,
}

impl Original {
    fn read(file: &std::path::Path) -> Self {
        let bytes = fs::read(file).expect("read");
        let header = FileHeader64::<LittleEndian>::parse(&bytes[..]).expect("ELF");
        let table = header.sections(LittleEndian, &bytes[..]).expect("sections");
        let place = |section: &object::elf::SectionHeader64<LittleEndian>| {
            let (start, size) = section.file_range(LittleEndian)?;
            (size > 0).then_some(start as usize..(start + size) as usize)
        };
        let sections = table.iter().filter_map(place).collect();
        let (_, note) = table.section_by_name(LittleEndian, b".note.gopiper").expect("a note");
        let note = place(note).expect("something in it");
        let note = note.end - size_of::<NoteDescription>()..note.end;
        Original { bytes, sections, note }
    }

    /// The file with one change, and in words which.
    fn mutant(&self, rng: &mut Rng) -> (Vec<u8>, String) {
        let mut bytes = self.bytes.clone();
        let what = match rng.u8(..8) {
            0 | 1 => flip(&mut bytes, rng, 0..self.bytes.len()),
            // The headers and the dynamic linker's tables are there.
            2 => flip(&mut bytes, rng, 0..20_000.min(self.bytes.len())),
            3 => {
                let end = rng.usize(1..bytes.len());
                bytes.truncate(end);
                format!("cut to {end} bytes")
            }
            4 => self.swap(&mut bytes, rng),
            5 => flip(&mut bytes, rng, self.note.clone()),
            6 => self.forge(&mut bytes, rng),
            _ => {
                let at = rng.usize(..bytes.len());
                let end = (at + rng.usize(1..5000)).min(bytes.len());
                bytes[at..end].fill(0);
                format!("{at}..{end} zero")
            }
        };
        (bytes, what)
    }

    fn swap(&self, bytes: &mut [u8], rng: &mut Rng) -> String {
        let [one, other] = [(); 2].map(|()| rng.choice(&self.sections).expect("some").clone());
        bytes[one.clone()].fill(0);
        let length = one.len().min(other.len());
        bytes[one.start..][..length].copy_from_slice(&self.bytes[other.start..][..length]);
        bytes[other.start..][..length].copy_from_slice(&self.bytes[one.start..][..length]);
        format!("sections {one:?} and {other:?} swapped")
    }

    /// A changed field of the note: also one that says that the file is not sealed.
    fn forge(&self, bytes: &mut [u8], rng: &mut Rng) -> String {
        macro_rules! field {
            ($($name:ident)*) => {
                [$((stringify!($name), offset_of!(NoteDescription, $name))),*]
            };
        }
        let fields = field!(kind panic layout name version interface target rustc digest);
        let place = rng.usize(..fields.len());
        let (name, start) = fields[place];
        let end = fields.get(place + 1).map_or(size_of::<NoteDescription>(), |(_, end)| *end);
        let mut forged = vec![0; end - start];
        match rng.u8(..4) {
            0 => rng.fill(&mut forged),
            1 => forged[0] = rng.u8(..),
            2 => forged.fill(b'9'),
            _ => {}
        }
        bytes[self.note.start..][start..end].copy_from_slice(&forged);
        format!("the note's {name} forged")
    }
}

fn flip(bytes: &mut [u8], rng: &mut Rng, within: Range<usize>) -> String {
    let places: Vec<_> = (0..rng.usize(1..17)).map(|_| rng.usize(within.clone())).collect();
    places.iter().for_each(|place| bytes[*place] ^= 1 << rng.u8(..8));
    format!("bits flipped at {places:?}")
}

#[test]
fn none_of_two_thousand_unsealed_ones_crashes_the_first_gate_or_runs() {
    let test = "mutants::none_of_two_thousand_unsealed_ones_crashes_the_first_gate_or_runs";
    in_a_process_of_its_own(test, || {
        let (scratch, original) = (Scratch::new(), Original::read(&variant("pass")));
        let mut rng = Rng::with_seed(SEED);
        let mut refused = 0;
        for _ in 0..2000 {
            let (bytes, what) = original.mutant(&mut rng);
            let file = scratch.write("mutant.so", &bytes);
            match loader::inspect(&file) {
                Ok(inspection) => refused += usize::from(!inspection.verdicts.is_empty()),
                Err(refusal) => {
                    assert!(refusal.gate <= Gate::Version, "{what}\n{refusal}");
                    assert_in_few_words(&refusal.to_string(), &file);
                    refused += 1;
                }
            }
        }
        assert!((400..2000).contains(&refused), "{refused} were refused: nothing sealed them");
    });
}

#[test]
fn none_of_two_thousand_sealed_ones_gets_past_the_first_gates() {
    let test = "mutants::none_of_two_thousand_sealed_ones_gets_past_the_first_gates";
    // A process that a signal ends is a failure.
    in_a_process_of_its_own(test, || {
        let scratch = Scratch::new();
        let original = Original::read(&scratch.sealed(&variant("pass")));
        let mut rng = Rng::with_seed(SEED);
        for _ in 0..2000 {
            let (bytes, what) = original.mutant(&mut rng);
            // Two changes that take each other back, or a seal taken off a file that is whole.
            let is_whole =
                without_digest(&bytes, &original) == without_digest(&original.bytes, &original);
            if is_whole {
                continue;
            }
            let file = scratch.write("mutant.so", &bytes);
            match loader::load(&file, &Trust::default()) {
                Ok(_) => panic!("{what}: loaded"),
                Err(refusal) => {
                    assert!(refusal.gate <= Gate::Version, "{what}\n{refusal}");
                    assert_in_few_words(&refusal.to_string(), &file);
                }
            }
        }
    });
}

/// All that a seal vouches for.
fn without_digest<'b>(bytes: &'b [u8], original: &Original) -> (&'b [u8], &'b [u8]) {
    let at = original.note.start + offset_of!(NoteDescription, digest);
    let (before, rest) = bytes.split_at(at.min(bytes.len()));
    (before, rest.get(32..).unwrap_or_default())
}
