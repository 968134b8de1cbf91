//! Flags for the linker.
fn main() {
    // What the file needs and nobody has is an error here, not on an operator's machine. What it is made
    // of stays its own, whatever else is loaded beside it.
    for flag in ["-z,defs", "--exclude-libs,ALL", "-Bsymbolic"] {
        println!("cargo::rustc-cdylib-link-arg=-Wl,{flag}");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
