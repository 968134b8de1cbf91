//! Many components in one process.

use std::{collections::BTreeSet, fs, thread};

use gopiper_abi::raw::client::FactoryHandle;
use gopiper_core::{
    ComponentSpec,
    loader::{self, Gate, LoadedComponent},
};

use crate::{
    common::{self, Probe},
    files::{Scratch, variant},
};

fn load(file: &std::path::Path) -> LoadedComponent {
    loader::load(file, &loader::Trust::default()).unwrap_or_else(|refusal| panic!("{refusal}"))
}

/// The address of the component's code.
fn place(component: &LoadedComponent) -> usize {
    component.module.factory() as usize
}

#[test]
fn two_versions_and_two_components_of_the_same_types_stand_side_by_side() {
    let loaded = ["pass", "pass-again", "other"].map(|name| load(&variant(name)));
    let says = loaded.each_ref().map(|component| {
        let factory = FactoryHandle::new(component.module).expect("a factory");
        format!("{} {}", factory.name(), factory.version())
    });
    assert_eq!(says, ["pass 0.1.0", "pass 0.2.0", "other 0.1.0"]);
    let places: BTreeSet<usize> = loaded.iter().map(place).collect();
    assert_eq!(places.len(), 3, "each has code of its own");
}

#[test]
fn one_file_twice_with_different_attributes() {
    let named = |word: &str| -> ComponentSpec {
        let mut grep = common::load("grep", [("word", word.into())]);
        grep.options.name = Some(format!("keeps {word}"));
        grep
    };
    let probe = Probe::new(["apple", "banana", "cherry", "pear", "peach"]);
    let (summary, _) = common::run(vec![probe.source(2), named("p"), named("ea"), probe.sink()]);
    assert!(summary.is_success(), "{:?}", summary.stopped);
    assert_eq!(probe.output(), ["pear", "peach"]);
}

#[test]
fn a_replaced_file_is_loaded_again_and_the_old_one_continues() {
    let scratch = Scratch::new();
    let file = scratch.write("replaced.so", &fs::read(variant("pass")).unwrap());
    let old = load(&file);
    // Written over, not renamed: what is loaded doesn't depend on the file.
    fs::write(&file, fs::read(variant("pass-again")).unwrap()).unwrap();
    let new = load(&file);
    fs::remove_file(&file).unwrap();
    assert_eq!((old.module.version(), new.module.version()), ("0.1.0".into(), "0.2.0".into()));
    assert_ne!(place(&old), place(&new));
    assert!(FactoryHandle::new(old.module).is_ok());
}

#[test]
fn three_hundred_loads_at_once() {
    const THREADS: usize = 10;
    let scratch = Scratch::new();
    let bytes = fs::read(variant("pass")).unwrap();
    // Each is a library of its own: bytes after the last section have no meaning.
    let files: Vec<_> = (0..10)
        .map(|number| {
            scratch.write(&format!("crowd-{number}.so"), &[&bytes[..], &[number]].concat())
        })
        .collect();
    let bad = [
        (variant("field-renamed"), Gate::Layout),
        (variant("interface-breaking"), Gate::Version),
        (variant("note-missing"), Gate::Note),
        (scratch.path("missing.so"), Gate::File),
    ];
    let load_all = |thread: usize| {
        let mut places = vec![0; files.len()];
        for round in 0..30 {
            // Every thread starts at another file.
            let number = (thread + round) % files.len();
            let component = load(&files[number]);
            assert_eq!(component.module.name(), "pass");
            assert!([0, place(&component)].contains(&places[number]));
            places[number] = place(&component);
            let (file, gate) = &bad[round % bad.len()];
            assert_eq!(
                loader::load(file, &loader::Trust::default()).expect_err("refused").gate,
                *gate
            );
        }
        places
    };
    let places = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..THREADS).map(|thread| scope.spawn(move || load_all(thread))).collect();
        let places = threads.into_iter().map(|thread| thread.join().expect("no panic"));
        places.collect::<BTreeSet<_>>()
    });
    assert_eq!(places.len(), 1, "every thread got the same libraries");
    let distinct: BTreeSet<usize> = places.into_iter().flatten().collect();
    assert_eq!(distinct.len(), files.len(), "of which each file has its own");

    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    for number in 0..files.len() {
        let name = format!("/memfd:crowd-{number}.so");
        let inodes: BTreeSet<_> = maps
            .lines()
            .filter(|line| line.contains(&name))
            .filter_map(|line| line.split_whitespace().nth(4))
            .collect();
        assert_eq!(inodes.len(), 1, "{name} was opened once");
    }
}
