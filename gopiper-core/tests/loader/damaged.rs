//! Files that are not components, or were changed after they were built.

use std::{fs, path::Path};

use gopiper_core::loader::{self, Gate};

use crate::{
    common,
    files::{Scratch, assert_in_few_words, assert_refused, in_a_process_of_its_own, variant},
};

const E_MACHINE: usize = 18;
const EI_CLASS: usize = 4;

#[test]
fn empty_and_irregular_files_are_refused() {
    let scratch = Scratch::new();
    let missing = assert_refused(&scratch.path("missing.so"), Gate::File);
    assert_eq!(missing.found, "no such file");
    let folder = scratch.path("folder.so");
    fs::create_dir(&folder).unwrap();
    assert_eq!(assert_refused(&folder, Gate::File).found, "a directory");
    assert_eq!(assert_refused(&scratch.write("empty.so", b""), Gate::File).found, "an empty file");
}

#[test]
fn a_text_is_refused_as_one() {
    let text = b"local gopiper = require('gopiper')\ngopiper.createPipeline({})\n";
    let refusal = assert_refused(&Scratch::new().write("pipeline.so", text), Gate::Note);
    assert_eq!(refusal.found, "a text file");
}

#[test]
fn libraries_of_the_system_are_refused_without_being_opened() {
    // glibc's is always here: it runs this test.
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mapped = maps.lines().filter_map(|line| Some(&line[line.find('/')?..]));
    let libc = mapped.into_iter().find(|path| path.contains("/libc.so") || path.contains("/libc-"));
    let mut libraries = vec![libc.expect("a C library").to_owned()];
    let folders = ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let libz = folders.map(|folder| format!("{folder}/libz.so.1"));
    libraries.extend(libz.into_iter().find(|path| Path::new(path).exists()));
    for library in libraries {
        let refusal = assert_refused(Path::new(&library), Gate::Note);
        assert_eq!(refusal.found, "no .note.gopiper section", "{library}");
        assert_eq!(refusal.problem, "is not a gopiper component");
    }
}

#[test]
fn a_file_that_ends_early_is_refused_wherever_it_ends() {
    in_a_process_of_its_own("damaged::a_file_that_ends_early_is_refused_wherever_it_ends", || {
        let scratch = Scratch::new();
        let unsealed = scratch.write("unsealed.so", &fs::read(variant("pass")).unwrap());
        let sealed = scratch.sealed(&variant("pass"));
        let shipped = scratch.write("grep.so", &fs::read(common::plugin("grep")).unwrap());
        for (file, step) in [(unsealed, 1 << 10), (sealed, 1 << 10), (shipped, 1 << 16)] {
            let size = fs::metadata(&file).unwrap().len() as usize;
            let open = fs::OpenOptions::new().write(true).open(&file).unwrap();
            for end in (0..size).step_by(step).rev() {
                open.set_len(end as u64).unwrap();
                let refusal = loader::load(&file, &loader::Trust::default()).expect_err("refused");
                let wanted = if end == 0 { Gate::File } else { Gate::Note };
                assert_eq!(refusal.gate, wanted, "{end} bytes:\n{refusal}");
                assert_in_few_words(&refusal.to_string(), &file);
                if end > 0 {
                    assert_eq!(refusal.problem, "is damaged", "{end} bytes:\n{refusal}");
                }
            }
        }
    });
}

#[test]
fn a_component_for_another_machine_is_refused() {
    let scratch = Scratch::new();
    let bytes = fs::read(variant("pass")).unwrap();
    let machines =
        [(183u16, "AArch64"), (62, "x86-64"), (243, "RISC-V"), (22, "IBM Z"), (3, "x86")];
    let here = u16::from_le_bytes([bytes[E_MACHINE], bytes[E_MACHINE + 1]]);
    for (machine, name) in machines.into_iter().filter(|(machine, _)| *machine != here) {
        let mut other = bytes.clone();
        other[E_MACHINE..E_MACHINE + 2].copy_from_slice(&machine.to_le_bytes());
        let file = scratch.write("other.so", &other);
        loader::seal(&file).unwrap_or_else(|refusal| panic!("{refusal}"));
        let refusal = assert_refused(&file, Gate::Note);
        assert_eq!(refusal.problem, "is for another machine");
        assert!(refusal.found.contains(name), "{refusal}");
    }
    let mut narrow = bytes;
    narrow[EI_CLASS] = 1;
    let refusal = assert_refused(&scratch.write("narrow.so", &narrow), Gate::Note);
    assert_eq!(refusal.problem, "is for another machine");
    assert!(refusal.found.contains("32-bit"), "{refusal}");
}

#[test]
fn one_byte_that_changed_after_sealing_is_enough() {
    let file = Scratch::new();
    let file = file.sealed(&variant("pass"));
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let refusal = assert_refused(&file, Gate::Note);
    assert_eq!(refusal.problem, "was changed after it was sealed");
    assert!(refusal.remedy.contains("gopiper verify --seal"), "{refusal}");

    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    loader::load(&file, &loader::Trust::default()).unwrap_or_else(|refusal| panic!("{refusal}"));
}

/// Without the digest, some of these would pass, and end the process when they are opened.
#[test]
fn no_changed_byte_gets_past_the_first_gate() {
    in_a_process_of_its_own("damaged::no_changed_byte_gets_past_the_first_gate", || {
        let scratch = Scratch::new();
        let file = scratch.sealed(&variant("pass"));
        let mut bytes = fs::read(&file).unwrap();
        // The front, where all that the dynamic linker reads is, and a sample of everything.
        let front = (0..20_000).step_by(101);
        let places = front.chain((20_000..bytes.len()).step_by(bytes.len() / 200));
        for place in places {
            bytes[place] ^= 1 << (place % 8);
            fs::write(&file, &bytes).unwrap();
            let refusal = loader::load(&file, &loader::Trust::default()).expect_err("refused");
            assert_eq!(refusal.gate, Gate::Note, "byte {place}:\n{refusal}");
            assert_in_few_words(&refusal.to_string(), &file);
            bytes[place] ^= 1 << (place % 8);
        }
    });
}

#[test]
fn a_component_that_needs_a_newer_glibc_is_refused() {
    // As if built there: the name of the version, and its hash in the table of what is needed.
    let mut bytes = fs::read(variant("pass")).unwrap();
    let names = (0..bytes.len() - 11).filter(|at| {
        let name = &bytes[*at..*at + 11];
        name.starts_with(b"GLIBC_2.")
            && name[8].is_ascii_digit()
            && name[9].is_ascii_digit()
            && name[10] == 0
    });
    let names: Vec<usize> = names.collect();
    assert!(!names.is_empty(), "it needs none of glibc 2.10 to 2.98");
    for at in names {
        let before = elf_hash(&bytes[at..at + 10]).to_le_bytes();
        let tables: Vec<usize> =
            (0..bytes.len() - 4).step_by(4).filter(|at| bytes[*at..*at + 4] == before).collect();
        bytes[at..at + 10].copy_from_slice(b"GLIBC_2.99");
        let after = elf_hash(&bytes[at..at + 10]).to_le_bytes();
        tables.iter().for_each(|at| bytes[*at..*at + 4].copy_from_slice(&after));
    }
    let file = Scratch::new();
    let file = file.write("newer.so", &bytes);
    loader::seal(&file).unwrap_or_else(|refusal| panic!("{refusal}"));
    let refusal = assert_refused(&file, Gate::Note);
    assert_eq!(refusal.problem, "needs a newer system");
    assert_eq!(refusal.found, "it needs glibc 2.99");
}

/// The hash that ELF files keep beside the name of a version.
fn elf_hash(name: &[u8]) -> u32 {
    name.iter().fold(0, |hash: u32, byte| {
        let hash = (hash << 4).wrapping_add(u32::from(*byte));
        let high = hash & 0xf000_0000;
        (hash ^ (high >> 24)) & !high
    })
}
