//! Components whose note is missing, unacceptable or false; and those that don't
//! start.

use std::fs;

use gopiper_core::loader::{self, Gate, PanicStrategy};

use crate::files::{Scratch, assert_refused, variant};

#[test]
fn without_a_note_nothing_is_opened() {
    let refusal = assert_refused(&variant("note-missing"), Gate::Note);
    assert_eq!(refusal.found, "no .note.gopiper section");
}

#[test]
fn a_note_that_lies_is_found_out() {
    let interface = gopiper_abi::raw::INTERFACE_VERSION;
    let cases = [
        ("name", "name note-lies-about-name".to_owned(), "name pass".to_owned()),
        ("version", "version 0.1.0".to_owned(), "version 9.9.9".to_owned()),
        ("kind", "kind 1".to_owned(), "kind 2".to_owned()),
        ("interface", "interface ".to_owned(), format!("interface {interface}")),
    ];
    for (what, found, noted) in cases {
        let refusal = assert_refused(&variant(&format!("note-lies-about-{what}")), Gate::Layout);
        assert_eq!(refusal.problem, "does not match its note", "{what}");
        assert!(refusal.found.starts_with(&found), "{refusal}");
        assert_eq!(refusal.wanted, format!("{noted}, as its note says"));
        assert!(refusal.remedy.contains("do not trust this file"), "{refusal}");
    }
}

#[test]
fn components_that_abort_on_panic_are_refused_unopened() {
    let file = variant("panic-aborts");
    let refusal = assert_refused(&file, Gate::Note);
    assert_eq!(refusal.found, "built with panic = \"abort\"");
    assert_eq!(loader::inspect(&file).unwrap().panic, PanicStrategy::Abort);
}

#[test]
fn a_component_that_asks_not_to_be_checked_is_refused() {
    let refusal = assert_refused(&variant("layout-missing"), Gate::Layout);
    assert_eq!(refusal.found, "a library without a layout");
}

#[test]
fn a_missing_symbol_is_named_when_the_file_is_opened_not_when_it_is_called() {
    let refusal = assert_refused(&variant("symbol-missing"), Gate::Open);
    assert_eq!(refusal.found, "undefined symbol: gopiper_test_symbol_that_nobody_has");
}

#[test]
fn a_root_module_that_panics_is_a_refusal() {
    let refusal = assert_refused(&variant("root-module-panics"), Gate::Layout);
    assert_eq!(refusal.found, "a panic while its root module was created");
    // Again, and as another file: it is not opened again, and refused as before.
    let scratch = Scratch::new();
    let bytes = fs::read(variant("root-module-panics")).unwrap();
    let again = loader::load(&scratch.write("again.so", &bytes), &loader::Trust::default())
        .expect_err("refused");
    assert_eq!(again.found, refusal.found);
}

#[test]
fn a_root_module_whose_panic_panics_is_a_refusal() {
    let refusal = assert_refused(&variant("root-module-panics-twice"), Gate::Layout);
    assert_eq!(refusal.found, "a panic while its root module was created");
}
