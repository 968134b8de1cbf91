//! Compiles the C part.
fn main() {
    println!("cargo:rerun-if-changed=src/upper.c");
    println!("cargo:rerun-if-changed=src/gopiper.h");
    cc::Build::new().file("src/upper.c").std("c11").warnings_into_errors(true).compile("upper");
}
