//! `include/gopiper.h` is the output of cbindgen for this crate.
//!
//! `GOPIPER_BLESS=1` replaces it.
use std::{fs, path::Path};

#[test]
fn the_header_is_that_of_the_source() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bindings = cbindgen::Builder::new()
        .with_config(cbindgen::Config::from_file(folder.join("cbindgen.toml")).expect("readable"))
        .with_crate(folder)
        .generate()
        .expect("cbindgen understands the source");
    let mut header = Vec::new();
    bindings.write(&mut header);
    let header = String::from_utf8(header).expect("it is text");
    let file = "include/gopiper.h";
    if std::env::var_os("GOPIPER_BLESS").is_some() {
        return fs::write(folder.join(file), header).expect("written");
    }
    assert!(
        fs::read_to_string(folder.join(file)).is_ok_and(|now| now == header),
        "gopiper-core/c/{file} does not match the source. Write it again, and look at the \
         changes:\n    GOPIPER_BLESS=1 cargo test -p gopiper-core-c\n"
    );
}
