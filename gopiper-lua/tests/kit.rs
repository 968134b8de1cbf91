//! `gopiper kit c`: a component in C needs nothing but its folder.
mod common;

use std::{fs, path::Path, process::Command};

use common::{blocks_of, c_folder, gopiper, runs, stderr};

fn is_there(compiler: &&str) -> bool {
    let version = Command::new(compiler).arg("--version").output();
    version.is_ok_and(|output| output.status.success())
}

#[test]
fn the_example_is_built_behaves_and_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let compilers: Vec<_> = ["gcc", "clang"].into_iter().filter(is_there).collect();
    assert!(!compilers.is_empty(), "neither gcc nor clang is here");
    for compiler in compilers {
        // An empty folder may exist.
        fs::create_dir(folder.path().join(compiler)).expect("a folder");
        let said = runs(&format!("gopiper kit c {compiler}"), folder.path());
        assert!(said.starts_with(&format!("created {compiler}/")), "{said}");
        // A folder of its own: nothing outside of it is needed.
        let kit = folder.path().join(compiler);
        let readme = fs::read_to_string(kit.join("README.md")).expect("a README");
        let blocks = blocks_of(&readme, "sh");
        let [build, run] = &blocks[..] else { panic!("{readme}") };
        let said = runs(&format!("export CC={compiler}\n{build}"), &kit);
        assert!(said.contains(" 0 skipped, 0 warnings, 0 failed, 0 crashed"), "{said}");
        assert!(said.contains("transform upper 1.0.0, interface ") && said.contains(", sealed,"));
        assert_eq!(runs(run, &kit), "ONE\nTHREE\n");
        let shown = runs("nm -D --defined-only upper_component.so", &kit);
        assert_eq!(shown.lines().count(), 1, "its entry, and no symbol of a library: {shown}");
        let note = runs("gopiper inspect upper_component.so", &kit);
        assert!(note.contains(&format!("{compiler} ")), "{note}");
    }
}

#[test]
fn a_table_that_cannot_be_meant_so_is_refused_with_the_attributes_name() {
    let folder = tempfile::tempdir().expect("a folder");
    runs("gopiper kit c kit", folder.path());
    let kit = folder.path().join("kit");
    let source = fs::read_to_string(kit.join("upper.c")).expect("the example");
    for (row, reason) in [
        (r#"{ "comment", GOPIPER_TEXT }"#, "attribute comment: the table has it twice"),
        (
            r#"{ "flag", GOPIPER_BOOLEAN, .default_value = "1" }"#,
            "attribute flag: its default '1' is not of the attribute's kind",
        ),
        (r#"{ "odd", 99 }"#, "attribute odd: an attribute cannot be of kind 99"),
    ] {
        let mistaken = source.replacen("  { 0 },", &format!("  {row},\n  {{ 0 }},"), 1);
        fs::write(kit.join("upper.c"), mistaken).expect("written");
        runs("make -B upper_component.so", &kit);
        let output = gopiper().current_dir(&kit).args(["check", "pipeline.lua"]).output();
        let output = output.expect("it ran");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(78), "{row}: {said}");
        assert!(said.contains(reason), "{row}: {said}");
    }
}

/// The error of `gopiper kit c new` with this kit, in that folder.
fn refused(folder: &Path, kit: &Path, new: &str) -> String {
    let mut command = gopiper();
    command.current_dir(folder).args(["kit", "c", new, "--from"]).arg(kit);
    let output = command.output().expect("it ran");
    assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
    stderr(&output)
}

#[test]
fn a_folder_with_files_is_left_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("mine")).expect("a folder");
    fs::write(folder.path().join("mine/upper.c"), "mine").expect("written");
    let said = refused(folder.path(), &c_folder(), "mine");
    assert!(said.contains("mine is not empty") && said.contains("name a new folder"), "{said}");
    assert_eq!(fs::read_dir(folder.path().join("mine")).expect("a folder").count(), 1);
    assert_eq!(fs::read(folder.path().join("mine/upper.c")).expect("the file"), b"mine");
    let said = refused(folder.path(), &c_folder(), "mine/upper.c");
    assert!(said.contains("cannot create mine/upper.c: "), "{said}");
}

#[test]
fn a_kit_that_is_missing_or_does_not_fit_is_reported_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    let said = refused(here, Path::new("nowhere"), "new");
    let header = "nowhere/include/gopiper_component.h";
    assert!(said.contains("is not installed") && said.contains(header), "{said}");
    assert!(said.contains("cargo xtask build-c") && said.contains("--from"), "{said}");

    // Without --from: the usual places. The program is alone in its folder.
    fs::create_dir(here.join("bin")).expect("a folder");
    // By a process of its own: while this one writes, another test's child may inherit the open
    // file, and a file that is open for writing cannot be run.
    let mut copy = Command::new("cp");
    copy.arg(gopiper().get_program()).arg(here.join("bin/gopiper"));
    assert!(copy.status().expect("cp runs").success());
    let mut alone = Command::new(here.join("bin/gopiper"));
    alone.args(["kit", "c", "new"]).current_dir(here).env_clear();
    let output = alone.output().expect("it ran");
    let said = stderr(&output);
    let places = [here.join("bin/c"), here.join("c"), "/usr/lib/gopiper/c".into()];
    assert!(places.iter().all(|place| said.contains(&*place.to_string_lossy())), "{said}");
    // Beside the program's folder it is found, as in an archive.
    std::os::unix::fs::symlink(c_folder(), here.join("c")).expect("a link");
    let output = alone.output().expect("it ran");
    assert!(output.status.success(), "{}", stderr(&output));
    fs::remove_dir_all(here.join("new")).expect("removed");

    // Of another version.
    let (other, name) = (here.join("other"), "include/gopiper_component.h");
    for folder in ["include", "lib"] {
        fs::create_dir_all(other.join(folder)).expect("a folder");
    }
    let header = fs::read_to_string(c_folder().join(name)).expect("the header");
    let write = |text: &str| fs::write(other.join(name), text).expect("written");
    write(&header);
    let said = refused(here, &other, "new");
    assert!(said.contains("lacks") && said.contains("lib/libgopiper_component.a"), "{said}");
    for file in ["lib/libgopiper_component.a", "lib/gopiper_component.map"] {
        fs::write(other.join(file), "").expect("written");
    }
    let version = gopiper_abi::raw::INTERFACE_VERSION;
    let newer = |version: &str| format!("GOPIPER_INTERFACE_VERSION \"{version}\"");
    write(&header.replace(&newer(version), &newer("0.99.0")));
    let said = refused(here, &other, "new");
    assert!(said.contains("does not fit this program"), "{said}");
    assert!(said.contains("found:   interface 0.99.0 with layout "), "{said}");
    assert!(said.contains(&format!("wanted:  interface {version} with layout ")), "{said}");
    write("// Not a header of ours.\n");
    assert!(refused(here, &other, "new").contains("found:   a header without a version"));
    assert!(!here.join("new").exists());
}
