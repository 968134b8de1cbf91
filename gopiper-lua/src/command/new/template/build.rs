//! Flags for the linker.
fn main() {
    // A missing function is an error here, not on an operator's machine. The symbols of libraries
    // in the file stay private, whatever else is loaded.
    for flag in ["-z,defs", "--exclude-libs,ALL", "-Bsymbolic"] {
        println!("cargo::rustc-cdylib-link-arg=-Wl,{flag}");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
