//! Gate 2: the version of the interface that a component was built with.

use std::cmp::Ordering;
use std::path::Path;

use gopiper_abi::raw::{INTERFACE_VERSION, LAYOUT_HASH};
use semver::Version;

use super::refusal::{Gate, Refusal};

/// Why a component with this interface is refused; `None` if it is accepted.
pub(super) fn judge(file: &Path, interface: &str, layout: u64) -> Option<Refusal> {
    judge_against(file, interface, layout, &host())
}

/// Compares `interface` with the host's.
pub(super) fn compared_with_host(interface: &str) -> Option<Ordering> {
    Some(Version::parse(interface).ok()?.cmp_precedence(&host()))
}

fn host() -> Version {
    Version::parse(INTERFACE_VERSION).expect("cargo accepts no other version")
}

fn judge_against(file: &Path, interface: &str, layout: u64, host: &Version) -> Option<Refusal> {
    let refuse = |found: String, wanted: String, remedy: String| {
        let problem = "was built for another version of the interface";
        Some(Refusal::new(file, Gate::Version, problem, found, wanted, remedy))
    };
    let rebuild = format!("build the component again with gopiper-abi {host}");
    let wanted = accepted(host);
    let Ok(component) = Version::parse(interface) else {
        return refuse(format!("interface {interface}, which is not a version"), wanted, rebuild);
    };
    if !is_accepted(&component, host) {
        let remedy = format!("{rebuild},\nor install a gopiper of interface {component}");
        return refuse(format!("interface {component}"), wanted, remedy);
    }
    if component == *host && layout != LAYOUT_HASH {
        return refuse(
            format!("interface {component} with layout {layout:016x}"),
            format!("interface {host} with layout {LAYOUT_HASH:016x}"),
            "build the component again, from the gopiper-abi of this gopiper".into(),
        );
    }
    None
}

/// From 1.0 on, every minor version is compatible with every other, older or newer. Before that
/// each is a break. A pre-release is compatible only with itself.
fn is_accepted(component: &Version, host: &Version) -> bool {
    if !component.pre.is_empty() || !host.pre.is_empty() {
        return component.cmp_precedence(host) == Ordering::Equal;
    }
    component.major == host.major && (host.major > 0 || component.minor == host.minor)
}

/// Describes the versions that `is_accepted` accepts.
fn accepted(host: &Version) -> String {
    match host {
        Version { pre, .. } if !pre.is_empty() => format!("interface {host}"),
        Version { major: 0, minor, .. } => format!("interface 0.{minor}.x"),
        Version { major, .. } => format!("interface {major}.x"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(component: &str, layout: u64, host: &str) -> Option<Refusal> {
        judge_against(Path::new("a.so"), component, layout, &Version::parse(host).unwrap())
    }

    #[test]
    fn the_version_rule() {
        let accepted = |component, host| verdict(component, LAYOUT_HASH, host).is_none();
        // From 1.0 on: every minor, older or newer.
        assert!(accepted("1.0.0", "1.4.2"));
        assert!(accepted("1.9.0", "1.4.2"));
        assert!(!accepted("2.0.0", "1.4.2"));
        assert!(!accepted("0.4.2", "1.4.2"));
        // Before: each minor is a break, any patch is fine.
        assert!(accepted("0.3.0", "0.3.7"));
        assert!(accepted("0.3.9", "0.3.7"));
        assert!(!accepted("0.2.9", "0.3.7"));
        assert!(!accepted("0.4.0", "0.3.7"));
        assert!(!accepted("1.0.0", "0.3.7"));
        // A pre-release: itself alone.
        assert!(accepted("1.0.0-rc.1", "1.0.0-rc.1"));
        assert!(!accepted("1.0.0-rc.1", "1.0.0"));
        assert!(!accepted("1.0.0", "1.1.0-rc.1"));
        // No version at all.
        assert!(!accepted("", "1.0.0"));
        assert!(!accepted("1.0", "1.0.0"));
    }

    #[test]
    fn one_version_has_one_layout() {
        assert!(verdict("1.0.0", LAYOUT_HASH, "1.0.0").is_none());
        let refusal = verdict("1.0.0", !LAYOUT_HASH, "1.0.0").unwrap();
        assert!(refusal.found.contains("with layout"), "{refusal}");
        assert!(verdict("1.0.1", !LAYOUT_HASH, "1.0.0").is_none());
    }

    #[test]
    fn a_refusal_says_both_versions_and_both_ways_out() {
        let text = verdict("2.1.0", 0, "1.4.2").unwrap().to_string();
        for part in
            ["interface 2.1.0", "interface 1.x", "gopiper-abi 1.4.2", "gopiper of interface 2.1.0"]
        {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }

    #[test]
    fn the_host_accepts_itself() {
        assert!(judge(Path::new("a.so"), INTERFACE_VERSION, LAYOUT_HASH).is_none());
        assert_eq!(compared_with_host(INTERFACE_VERSION), Some(Ordering::Equal));
        assert_eq!(compared_with_host("0.0.1"), Some(Ordering::Less));
    }
}
