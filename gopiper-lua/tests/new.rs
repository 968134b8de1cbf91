//! `gopiper new`: its crates build, pass their tests and run, outside of any workspace.
//!
//! Takes half a minute: it compiles the interface crate, as packaged, in release.
mod common;

use std::{fs, os::unix::fs::symlink, path::Path};

use common::{blocks_of, gopiper, root, runs, stderr};

/// The interface crate, as it is published.
fn packaged(folder: &Path) -> std::path::PathBuf {
    let target = folder.display();
    let package = "cargo package -q -p gopiper-abi --no-verify --allow-dirty --target-dir";
    runs(&format!("{package} {target}"), &root());
    let version = gopiper_abi::raw::INTERFACE_VERSION;
    let archive = format!("tar -xzf package/gopiper-abi-{version}.crate");
    runs(&archive, folder);
    folder.join(format!("gopiper-abi-{version}"))
}

#[test]
fn a_new_component_builds_passes_its_tests_and_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let abi = packaged(folder.path());
    for (kind, output) in
        [("transform", "A transform for gopiper.\n"), ("source", "1\n2\n3\n"), ("sink", "")]
    {
        let name = format!("my-{kind}");
        let made = gopiper()
            .current_dir(folder.path())
            .args(["new", &name, "--kind", kind, "--abi-path"])
            .arg(&abi)
            .output()
            .expect("it ran");
        assert!(made.status.success(), "{}", stderr(&made));
        let crate_folder = folder.path().join(&name);
        // One place for all three: most of it is the same.
        fs::create_dir_all(root().join("target/docs")).expect("a folder");
        symlink(root().join("target/docs"), crate_folder.join("target")).expect("a link");
        fs::copy(root().join("Cargo.lock"), crate_folder.join("Cargo.lock")).expect("copied");
        let readme = fs::read_to_string(crate_folder.join("README.md")).expect("a README");
        everything_is_filled_in(&crate_folder, &name);
        let mut said = String::new();
        for command in blocks_of(&readme, "sh").concat().lines() {
            said = runs(&command.replace("cargo test", "cargo test --release"), &crate_folder);
        }
        assert!(said.contains(output), "{said}");
        let file = format!("my_{kind}_component.so");
        let shown = runs(&format!("nm -D --defined-only {file}"), &crate_folder);
        assert_eq!(shown.lines().count(), 1, "its entry, and no symbol of a library: {shown}");
    }
    let written = fs::read_to_string(folder.path().join("my-sink/output.txt")).expect("written");
    assert!(written.starts_with("# my-sink\n"), "{written}");
}

/// Each placeholder was replaced, and each file has its name.
fn everything_is_filled_in(folder: &Path, name: &str) {
    let files =
        ["Cargo.toml", "LICENSE", ".github/workflows/ci.yml", ".github/workflows/release.yml"];
    for file in files {
        let text = fs::read_to_string(folder.join(file)).expect(file);
        assert!(text.contains(name) || text.contains(&name.replace('-', "_")), "{file}: {text}");
        assert!(!text.contains("template"), "{file}: {text}");
        // `${{ … }}` belongs to the workflow.
        assert!(!text.replace("${{", "").contains("{{"), "{file}: {text}");
    }
}

#[test]
fn failures_to_create_are_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |arguments: &[&str], said: &str| {
        let output =
            gopiper().current_dir(folder.path()).arg("new").args(arguments).output().expect("ran");
        assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
    };
    refused(&["Upper", "--kind", "sink"], "'Upper' cannot be the name of a component");
    refused(
        &["a", "--kind", "sink", "--abi-path", "nowhere"],
        "--abi-path does not lead to a crate",
    );
    fs::create_dir(folder.path().join("taken")).expect("a folder");
    refused(&["taken", "--kind", "sink"], "cannot create taken");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing is left");
}
