//! A flag for the linker.
fn main() {
    // A missing function is an error here, not on an operator's machine.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,defs");
    println!("cargo::rerun-if-changed=build.rs");
}
