//! Files that are linked in a way that does not work, or works by luck: their requests to the
//! dynamic linker are read before it gets them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use gopiper_core::loader::{self, Gate, Inspection, Refusal};

use crate::{
    common::{self, Probe, c::component_with},
    files::{Scratch, assert_refused},
};

const SOURCE: &str = "gopiper-core/tests/c/linked.c";

/// The component, linked with these options.
fn linked(name: &str, options: &[&str]) -> PathBuf {
    component_with(SOURCE, &format!("linked-{name}.so"), options)
}

fn inspect(file: &Path) -> Inspection {
    loader::inspect(file).unwrap_or_else(|refusal| panic!("{refusal}"))
}

fn load(file: &Path) -> Result<(), Refusal> {
    loader::load(file, &loader::Trust::default()).map(drop)
}

/// A library with this code, under its name as SONAME.
fn library(folder: &Path, name: &str, code: &str, options: &[&str]) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    let (source, file) = (folder.join("library.c"), folder.join(name));
    fs::write(&source, code).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC"]).arg(format!("-Wl,-soname,{name}")).arg(&source);
    assert!(cc.args(options).arg("-o").arg(&file).status().unwrap().success());
    fs::remove_file(source).unwrap();
    file
}

/// A component in `folder` that finds its library there, and expects this number of it.
fn with_private(folder: &Path, library: &Path, number: u32) -> PathBuf {
    let (define, own) = (format!("-DPRIVATE={number}"), library.display().to_string());
    let name = format!("private-{number}");
    let made = linked(&name, &[&define, &own, "-Wl,-rpath,$ORIGIN", "-Wl,--enable-new-dtags"]);
    let file = folder.join("component.so");
    fs::copy(made, &file).unwrap();
    file
}

#[test]
fn an_executable_stack_is_refused() {
    let refusal = assert_refused(&linked("stack", &["-Wl,-z,execstack"]), Gate::Note);
    assert_eq!(refusal.problem, "asks for an executable stack");
    assert!(refusal.remedy.contains(".note.GNU-stack"), "{refusal}");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn code_that_must_be_changed_is_refused() {
    let absolute = ["-fno-pic", "-mcmodel=large", "-Wl,-z,notext"];
    let refusal = assert_refused(&linked("text", &absolute), Gate::Note);
    assert!(refusal.found.contains("TEXTREL"), "{refusal}");
    assert!(refusal.remedy.contains("-fPIC"), "{refusal}");
}

#[test]
fn a_file_that_needs_musl_is_refused_in_words() {
    let scratch = Scratch::new();
    let name = format!("libc.musl-{}.so.1", std::env::consts::ARCH);
    let musl = library(scratch.path("").as_path(), &name, "int musl;", &[]);
    let file = linked("musl", &["-Wl,--no-as-needed", &musl.display().to_string()]);
    let refusal = assert_refused(&file, Gate::Note);
    assert_eq!(refusal.problem, "is for another C library");
    assert!(refusal.found.contains(&name), "{refusal}");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn instructions_that_this_processor_lacks_are_refused() {
    // No processor since 2017 has these.
    let file = linked("tbm", &["-march=x86-64-v2", "-mtbm"]);
    assert_eq!(inspect(&file).cpu, "sse3 ssse3 sse4.1 sse4.2 popcnt tbm");
    if !std::arch::is_x86_feature_detected!("tbm") {
        let refusal = assert_refused(&file, Gate::Note);
        assert_eq!(refusal.problem, "needs another processor");
        assert_eq!(refusal.found, "compiled for tbm, which this processor lacks");
    }
    assert_eq!(inspect(&linked("plain", &[])).cpu, "");
    let native = linked("native", &["-march=native"]);
    assert_ne!(inspect(&native).cpu, "");
    load(&native).unwrap_or_else(|refusal| panic!("{refusal}"));
}

#[test]
fn memory_of_each_thread_from_a_small_store_is_a_hazard() {
    let plain = inspect(&linked("plain", &[]));
    assert_eq!(plain.hazards, [""; 0]);
    let small = linked("small-room", &["-DROOM=16"]);
    let hazards = inspect(&small).hazards;
    assert!(hazards.len() == 1 && hazards[0].contains("local_dynamic_tls"), "{hazards:?}");
    load(&small).unwrap_or_else(|refusal| panic!("{refusal}"));
    let large = linked("large-room", &["-DROOM=1000000"]);
    assert!(inspect(&large).hazards[0].contains(" takes 100"), "it has others, too");
    let refusal = load(&large).unwrap_err();
    assert_eq!(refusal.gate, Gate::Open);
    assert!(refusal.found.contains("static TLS block"), "{refusal}");
    assert!(refusal.remedy.contains("disable_initial_exec_tls"), "{refusal}");
}

#[test]
fn symbols_that_are_shared_with_other_files_are_a_hazard() {
    let hazards = inspect(&linked("unique", &["-DUNIQUE"])).hazards;
    assert!(hazards.len() == 1 && hazards[0].contains("(STB_GNU_UNIQUE: 1 in all;"), "{hazards:?}");
    let map = common::c::c_folder().join("lib/gopiper_component.map");
    let hidden = format!("-Wl,--version-script={}", map.display());
    assert_eq!(inspect(&linked("hidden", &["-DUNIQUE", &hidden])).hazards, [""; 0]);
}

#[test]
fn libraries_that_are_not_there_are_listed() {
    let scratch = Scratch::new();
    let folder = scratch.path("apart");
    let gone = library(&folder, "libgopipergone.so.1", "int gone;", &[]);
    let file = linked("missing", &["-Wl,--no-as-needed", &gone.display().to_string()]);
    assert_eq!(inspect(&file).missing_libraries(), ["libgopipergone.so.1"]);
    let refusal = load(&file).unwrap_err();
    assert_eq!(refusal.gate, Gate::Open);
    assert!(refusal.found.starts_with("libgopipergone.so.1: cannot open"), "{refusal}");
    assert!(refusal.remedy.contains("$ORIGIN"), "{refusal}");
    assert_eq!(inspect(&linked("plain", &[])).missing_libraries(), [""; 0]);
}

#[test]
fn a_version_that_a_library_lacks_is_named() {
    let scratch = Scratch::new();
    let folder = scratch.path("");
    let library = |versions: &str| {
        let script = scratch.write("versions.map", versions.as_bytes());
        let script = format!("-Wl,--version-script={}", script.display());
        let code = "int private_number(void) { return 5; }";
        library(&folder, "libgopiperversions.so.1", code, &[&script])
    };
    let newer = library("OF_1 {}; OF_2 { global: private_number; };");
    let file = with_private(&folder, &newer, 5);
    assert_eq!(inspect(&file).verdicts, []);
    library("OF_1 { global: private_number; };");
    let refusal = assert_refused(&file, Gate::Note);
    assert_eq!(refusal.problem, "needs a newer system");
    assert_eq!(refusal.found, "it needs OF_2 of libgopiperversions.so.1");
}

#[test]
fn a_private_library_is_found_beside_the_file() {
    let scratch = Scratch::new();
    let folder = scratch.path("");
    // It needs one of its own, which is beside it, too.
    let inner = library(&folder, "libgopiperinner.so.1", "int inner(void) { return 6; }", &[]);
    let code = "int inner(void); int private_number(void) { return inner() + 1; }";
    let options = [&*inner.display().to_string(), "-Wl,-rpath,$ORIGIN"];
    let outer = library(&folder, "libgopiperouter.so.1", code, &options);
    let file = with_private(&folder, &outer, 7);
    assert_eq!(inspect(&file).missing_libraries(), [""; 0]);
    let apart = folder.join("apart");
    fs::rename(&inner, &apart).unwrap();
    assert_eq!(inspect(&file).missing_libraries(), ["libgopiperinner.so.1"]);
    fs::rename(&apart, &inner).unwrap();
    let loaded = loader::load(&file, &loader::Trust::default());
    let loaded = loaded.unwrap_or_else(|refusal| panic!("{refusal}"));

    let probe = Probe::new(["text"]);
    let steps = vec![probe.source(1), common::of_module(loaded.module), probe.sink()];
    assert!(common::run(steps).0.is_success());
    assert_eq!(probe.output(), ["text"]);
}

#[test]
fn a_file_can_be_opened_in_place() {
    let scratch = Scratch::new();
    let folder = scratch.path("");
    let code = "int private_number(void) { return 9; }";
    let own = library(&folder, "libgopiperplace.so.1", code, &[]);
    let file = with_private(&folder, &own, 9);
    let in_place = loader::Trust { in_place: true, ..Default::default() };
    loader::load(&file, &in_place).unwrap_or_else(|refusal| panic!("{refusal}"));
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    for path in [&file, &own] {
        let path = fs::canonicalize(path).unwrap();
        assert!(maps.contains(path.to_str().unwrap()), "{} is not mapped", path.display());
    }
    let other = linked("other", &[]);
    let strict = loader::Trust { unsigned: loader::Unsigned::Refuse, ..in_place };
    let refusal = loader::load(&other, &strict).unwrap_err();
    assert_eq!(refusal.problem, "cannot be loaded in place");
}

#[test]
fn two_private_libraries_of_one_name_are_not_mixed_up() {
    let scratch = Scratch::new();
    let private = |folder: &str, number: u32| {
        let folder = scratch.path(folder);
        let code = format!("int private_number(void) {{ return {number}; }}");
        let own = library(&folder, "libgopipersame.so.1", &code, &[]);
        with_private(&folder, &own, number)
    };
    load(&private("one", 1)).unwrap_or_else(|refusal| panic!("{refusal}"));
    let second = private("two", 2);
    let refusal = load(&second).unwrap_err();
    assert_eq!(refusal.gate, Gate::Open);
    assert_eq!(refusal.problem, "has a private library of a name that is taken");
    assert!(refusal.found.contains("one/libgopipersame.so.1"), "{refusal}");
    // A component of its own that brings the same library: no byte of it differs.
    let third = scratch.path("three");
    fs::create_dir(&third).unwrap();
    fs::copy(scratch.path("one/libgopipersame.so.1"), third.join("libgopipersame.so.1")).unwrap();
    let bytes = [fs::read(scratch.path("one/component.so")).unwrap(), vec![0]].concat();
    fs::write(third.join("component.so"), bytes).unwrap();
    load(&third.join("component.so")).unwrap_or_else(|refusal| panic!("{refusal}"));
}

/// As without a private copy: what the component needs is open for its libraries, too.
#[test]
fn a_private_library_may_need_another_one_of_the_component() {
    let scratch = Scratch::new();
    let folder = scratch.path("");
    let second = library(&folder, "libgopipersecond.so.1", "int second(void) { return 8; }", &[]);
    let second = second.display().to_string();
    let code = "int second(void); int private_number(void) { return second() + 1; }";
    let first = library(&folder, "libgopiperfirst.so.1", code, &[&second]).display().to_string();
    let rpath = ["-Wl,-rpath,$ORIGIN", "-Wl,--no-as-needed", &first, &second];
    for (name, tags) in
        [("runpath", "-Wl,--enable-new-dtags"), ("rpath", "-Wl,--disable-new-dtags")]
    {
        let made = linked(name, &[&["-DPRIVATE=9", tags], &rpath[..]].concat());
        let file = folder.join(format!("{name}.so"));
        fs::copy(made, &file).unwrap();
        load(&file).unwrap_or_else(|refusal| panic!("{refusal}"));
    }
}

/// The first one is open for the second component, too: the dynamic linker compares the versions.
#[test]
fn two_private_libraries_of_one_name_may_differ_if_their_symbols_have_versions() {
    let scratch = Scratch::new();
    let script = scratch.write("versions.map", b"OF_1 { global: private_number; };");
    let script = format!("-Wl,--version-script={}", script.display());
    for number in [10, 11] {
        let folder = scratch.path(&number.to_string());
        let code = format!("int private_number(void) {{ return {number}; }}");
        let own = library(&folder, "libgopiperversioned.so.1", &code, &[&script]);
        load(&with_private(&folder, &own, number)).unwrap_or_else(|refusal| panic!("{refusal}"));
    }
}

#[test]
fn a_private_library_without_its_name_is_refused() {
    let scratch = Scratch::new();
    let folder = scratch.path("");
    let code = "int private_number(void) { return 8; }";
    let own = library(&folder, "libgopipernamed.so.1", code, &[]);
    let file = with_private(&folder, &own, 8);
    library(&folder, "libgopipernamed.so.1", code, &["-Wl,-soname,libother.so.1"]);
    let refusal = load(&file).unwrap_err();
    assert_eq!(refusal.gate, Gate::Open);
    assert!(refusal.found.ends_with("has the SONAME libother.so.1"), "{refusal}");
}
