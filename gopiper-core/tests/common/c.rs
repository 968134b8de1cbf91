//! C, compiled as an author compiles it, with the libraries that `cargo xtask test` has built.
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

/// Warnings are errors: also the header's.
const STRICT: [&str; 6] = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

/// The folder of the headers and libraries.
pub fn c_folder() -> PathBuf {
    let folder = std::env::var_os("GOPIPER_TEST_C")
        .map_or_else(|| root().join("target/test-c"), PathBuf::from);
    assert!(folder.exists(), "{} is not there; run: cargo xtask test", folder.display());
    folder
}

/// The compilers that this machine has.
pub fn compilers() -> Vec<&'static str> {
    let is_there = |name: &&str| {
        let version = Command::new(name).arg("--version").output();
        version.is_ok_and(|output| output.status.success())
    };
    ["gcc", "clang"].into_iter().filter(is_there).collect()
}

/// Makes a component of a source file of the checkout.
pub fn component_of(source: &str) -> PathBuf {
    component_by("cc", source)
}

pub fn component_by(compiler: &str, source: &str) -> PathBuf {
    let lib = c_folder().join("lib");
    let map = format!("-Wl,--version-script={}", lib.join("gopiper_component.map").display());
    let library = lib.join("libgopiper_component.a").display().to_string();
    let name = Path::new(source).file_stem().expect("a name").to_string_lossy();
    let linked = [
        "-shared",
        "-fPIC",
        &library,
        &map,
        "-Wl,--gc-sections",
        "-Wl,-z,defs",
        "-Wl,--strip-debug",
        "-lm",
    ];
    compile(compiler, source, &format!("{compiler}-{name}_component.so"), &linked)
}

/// Makes a component, under another name, with more options for the compiler: later ones take
/// precedence, and may leave out the version script.
pub fn component_with(source: &str, name: &str, more: &[&str]) -> PathBuf {
    let library = c_folder().join("lib/libgopiper_component.a").display().to_string();
    let linked = ["-shared", "-fPIC", &library, "-Wl,--gc-sections", "-Wl,--strip-debug", "-lm"];
    compile("cc", source, name, &[&linked[..], more].concat())
}

/// Makes a program of a source file of the checkout.
pub fn program_of(source: &str) -> PathBuf {
    let lib = c_folder().join("lib");
    let (at, later) = (format!("-L{}", lib.display()), format!("-Wl,-rpath,{}", lib.display()));
    let name = Path::new(source).file_stem().expect("a name").to_string_lossy();
    compile("cc", source, &name, &[&at, &later, "-lgopiper", "-pthread"])
}

/// Compiles one at a time: several tests of a program want the same, and the machine has other
/// things to do.
fn compile(compiler: &str, source: &str, name: &str, linked: &[&str]) -> PathBuf {
    static MADE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_CRATE_NAME"));
    fs::create_dir_all(&folder).expect("a folder");
    let made = folder.join(name);
    let mut all = MADE.lock().unwrap_or_else(|error| error.into_inner());
    if all.contains(&made) {
        return made;
    }
    let output = Command::new(compiler)
        .args(STRICT)
        .arg("-I")
        .arg(c_folder().join("include"))
        .arg(root().join(source))
        .args(linked)
        .arg("-o")
        .arg(&made)
        .output()
        .expect("a C compiler");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{compiler} does not take {source}:\n{said}");
    all.push(made.clone());
    made
}
