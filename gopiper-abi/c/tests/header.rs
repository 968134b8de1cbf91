//! `include/gopiper_component.h` is the output of cbindgen for this crate.
//!
//! `GOPIPER_BLESS=1` replaces it.
use std::{fs, path::Path};

use gopiper_abi::raw::{INTERFACE_VERSION, LAYOUT_HASH};

#[test]
fn the_note_in_c_lists_the_features_of_the_processor_that_the_note_in_rust_lists() {
    let header = include_str!("../end.h");
    let (defined, listed) = header.split_once("#define GOPIPER_CPU_ ").expect("the list");
    for (feature, _) in gopiper_abi::compiled_for!() {
        let line = defined.lines().find(|line| line.ends_with(&format!(" \"{feature} \"")));
        let name = line.and_then(|line| line.split(' ').nth(1)).expect(feature);
        assert!(listed.split_whitespace().any(|word| word == name), "{name}");
    }
}

#[test]
fn the_header_is_that_of_the_source() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| fs::read_to_string(folder.join(file)).expect("the file is there");
    let bytes = LAYOUT_HASH.to_le_bytes().map(|byte| format!("0x{byte:02x}")).join(", ");
    let constants = format!(
        "// The version of the interface that this header is of.\n\
         #define GOPIPER_INTERFACE_VERSION \"{INTERFACE_VERSION}\"\n\
         // The hash of the interface's layout.\n\
         #define GOPIPER_LAYOUT_ {{ {bytes} }}\n\n"
    );
    let mut config = cbindgen::Config::from_file(folder.join("cbindgen.toml")).expect("readable");
    config.after_includes = Some(format!("\n{constants}{}", read("beginning.h").trim_end()));
    config.trailer = Some(read("end.h").trim_end().to_owned());
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_crate(folder)
        .generate()
        .expect("cbindgen understands the source");
    let mut header = Vec::new();
    bindings.write(&mut header);
    let header = String::from_utf8(header).expect("it is text");
    let file = "include/gopiper_component.h";
    if std::env::var_os("GOPIPER_BLESS").is_some() {
        return fs::write(folder.join(file), header).expect("written");
    }
    assert!(
        fs::read_to_string(folder.join(file)).is_ok_and(|now| now == header),
        "gopiper-abi/c/{file} does not match the source. Write it again, and look at the \
         changes:\n    GOPIPER_BLESS=1 cargo test -p gopiper-abi-c\n"
    );
}
