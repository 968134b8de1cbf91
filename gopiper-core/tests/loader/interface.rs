//! Components that were built with another interface.

use gopiper_core::loader::{self, Gate};

use crate::files::{assert_refused, child, variant, variants};

/// The note of each claims the host's interface: gate 3 must find the difference.
#[test]
fn each_kind_of_change_in_a_layout_is_seen() {
    let cases = [
        ("field-renamed", "field: sampled of type u64\nin Trace, at ", "field: flags of type u64"),
        ("field-retyped", "type: i64\nin ComponentModule.", "type: u64"),
        ("field-removed", "number of fields: 2\nin Produced, at ", "number of fields: 3"),
        ("size-changed", "number of fields: 4\nin Produced, at ", "number of fields: 3"),
        // It changes the size too, which is compared first.
        ("alignment-changed", "size in bytes: 128\nin RawError, at ", "size in bytes: 72"),
        (
            "entry-added",
            "number of fields from the start: 20\nin HostServices, at ",
            "number of fields from the start: 19",
        ),
        (
            "entries-swapped",
            "field: monotonic, a function\nin HostServices, at ",
            "field: now, a function",
        ),
        ("parameter-changed", "type: u64\nin ComponentModule.factory.", "type: u32"),
    ];
    for (name, found, wanted) in cases {
        let refusal = assert_refused(&variant(name), Gate::Layout);
        assert_eq!(refusal.problem, "has another memory layout than this gopiper", "{name}");
        assert!(refusal.found.starts_with(found), "{name}:\n{refusal}");
        assert_eq!(refusal.wanted, wanted, "{name}");
    }
}

#[test]
fn a_version_that_the_rule_does_not_accept_is_refused_unopened() {
    for name in ["interface-older", "interface-breaking"] {
        let refusal = assert_refused(&variant(name), Gate::Version);
        assert_eq!(refusal.problem, "was built for another version of the interface");
        let both_ways_out = "\nor install a gopiper of interface ";
        assert!(refusal.remedy.contains(both_ways_out), "{refusal}");
    }
}

#[test]
fn another_state_of_the_same_version_is_refused_unopened() {
    let refusal = assert_refused(&variant("layout-hash-changed"), Gate::Version);
    assert!(refusal.found.contains("with layout "), "{refusal}");
}

#[test]
fn a_component_of_a_later_version_is_accepted() {
    let newer = loader::load(&variant("interface-newer"), &loader::Trust::default())
        .unwrap_or_else(|r| panic!("{r}"));
    assert_ne!(newer.inspection.interface, gopiper_abi::raw::INTERFACE_VERSION);
    assert_eq!(newer.module.name(), "interface-newer");
}

/// The other way round: that version's host, which has an entry more than our components.
#[test]
fn a_host_of_a_later_version_accepts_components_of_this_one() {
    let host = variants("interface-newer-host");
    let (ours, its) = (variant("pass"), variant("interface-newer"));
    let loaded = child(&host, &[&ours, &its]);
    assert!(loaded.status.success(), "{loaded:?}");
    let ours_is = format!("pass 0.1.0 {} None", gopiper_abi::raw::INTERFACE_VERSION);
    let lines: Vec<_> = loaded.stdout.lines().collect();
    assert_eq!(lines[0], ours_is, "it lacks the new entry, and nothing panics");
    assert!(lines[1].starts_with("interface-newer 0.1.0 ") && lines[1].ends_with(" Some(42)"));

    let changed = child(&host, &[&variant("field-renamed")]);
    assert_eq!(changed.status.code(), Some(78), "{changed:?}");
    // The component has the lower version here; what is found is still the component's.
    assert!(changed.stderr.contains("found:   field: sampled of type u64\n"), "{changed:?}");
}
