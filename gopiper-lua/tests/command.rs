//! The command line: what it says, and the exit codes.
mod common;

use common::{gopiper, plugins, stderr};

fn said(arguments: &[&str]) -> (i32, String, String) {
    let output = gopiper().args(arguments).output().expect("it ran");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().expect("no signal"), stdout, stderr(&output))
}

#[test]
fn version_names_program_interface_luajit_and_rustc() {
    let (code, stdout, _) = said(&["version", "--json"]);
    let version: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(code, 0);
    assert_eq!(version["program"], env!("CARGO_PKG_VERSION"));
    assert_eq!(version["interface"], gopiper_abi::raw::INTERFACE_VERSION);
    assert!(
        version["luajit"].as_str().is_some_and(|luajit| luajit.starts_with("2.1")),
        "{version}"
    );
    assert!(
        version["rustc"].as_str().is_some_and(|rustc| rustc.starts_with("rustc 1.")),
        "{version}"
    );
    let (code, stdout, _) = said(&["version"]);
    assert!(code == 0 && stdout.contains("LuaJIT"), "{stdout}");
}

#[test]
fn inspect_shows_the_note() {
    let grep = plugins().join("grep_component.so");
    let (code, stdout, stderr) = said(&["inspect", &grep.display().to_string()]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    for line in ["name       grep", "kind       transform", "panic      unwinds", "seal       fits"]
    {
        assert!(stdout.contains(line), "{stdout}");
    }
}

#[test]
fn inspect_shows_the_note_of_a_damaged_file_and_why_it_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let damaged = folder.path().join("grep_component.so");
    let mut bytes = std::fs::read(plugins().join("grep_component.so")).expect("grep");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&damaged, bytes).expect("written");
    let (code, stdout, stderr) = said(&["inspect", &damaged.display().to_string()]);
    assert_eq!(code, 78);
    assert!(stdout.contains("name       grep") && stdout.contains("broken"), "{stdout}");
    assert!(stderr.contains("was changed after it was sealed"), "{stderr}");
}

#[test]
fn verify_says_in_a_line_what_a_file_is() {
    let grep = plugins().join("grep_component.so").display().to_string();
    let (code, stdout, _) = said(&["verify", &grep]);
    assert_eq!(code, 0);
    assert!(stdout.starts_with(&format!("{grep}: transform grep 0.1.0, interface")), "{stdout}");
}

#[test]
fn a_refused_file_is_78_and_a_wrong_command_line_64() {
    for command in ["inspect", "verify"] {
        let (code, _, stderr) = said(&[command, "README.md"]);
        assert_eq!(code, 78, "{stderr}");
        assert!(stderr.contains("README.md") && stderr.contains("remedy"), "{stderr}");
    }
    for wrong in [&["no-such-command"][..], &["run", "--no-such-flag"], &["inspect"], &[]] {
        assert_eq!(said(wrong).0, 64, "{wrong:?}");
    }
    assert_eq!(said(&["run", "--log", "[[", "examples/seed.lua"]).0, 64);
    let (code, _, stderr) = said(&["run", "no-such-file.lua"]);
    assert!(code == 78 && stderr.contains("cannot read no-such-file.lua"), "{stderr}");
    assert_eq!(said(&["--help"]).0, 0);
}

#[test]
fn no_state_is_left_where_none_is_needed() {
    let home = tempfile::tempdir().expect("a folder");
    let output = gopiper().args(["run", "examples/seed.lua"]).env("HOME", home.path()).output();
    assert!(output.expect("it ran").status.success());
    assert_eq!(std::fs::read_dir(home.path()).expect("the folder").count(), 0);
}
