//! The author's compiler and target, for the note in the component file.
use std::{env, process::Command};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let rustc = env::var_os("RUSTC").expect("cargo sets RUSTC");
    let version = Command::new(rustc).arg("--version").output();
    let version = version.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
    // The note has room for 63 bytes; distributions append where they built it from.
    let version =
        version.map(|text| text.chars().filter(char::is_ascii).take(63).collect::<String>());
    println!("cargo:rustc-env=GOPIPER_RUSTC={}", version.unwrap_or_default());
    println!("cargo:rustc-env=GOPIPER_TARGET={}", env::var("TARGET").unwrap_or_default());
}
