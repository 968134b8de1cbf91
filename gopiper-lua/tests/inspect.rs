//! The descriptions of our components, and the reference pages that are made from them.
//!
//! `GOPIPER_BLESS=1` writes both.
mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::{gopiper, plugins, root, stderr};
use serde_json::Value;

/// The parts that differ from build to build.
const MASKED: [&str; 7] = ["layout", "target", "compiler", "glibc", "processor", "size", "digest"];

/// The names of the components that come with gopiper.
fn shipped() -> Vec<String> {
    let folders = fs::read_dir(root().join("components")).expect("our components");
    let folders = folders.map(|folder| folder.expect("a folder"));
    // Some folders are libraries that components share.
    let is_component = |folder: &fs::DirEntry| {
        let manifest = fs::read_to_string(folder.path().join("Cargo.toml")).expect("a manifest");
        manifest.contains("cdylib")
    };
    let mut names: Vec<_> = folders
        .filter(is_component)
        .map(|folder| folder.file_name().to_string_lossy().replace('-', "_"))
        .collect();
    names.sort();
    names
}

fn golden(name: &str) -> PathBuf {
    root().join(format!("gopiper-lua/tests/inspect/{name}.json"))
}

/// Of a component that takes minutes to build, and was not built, its golden file.
fn inspected(name: &str) -> Value {
    if name.starts_with("kafka_") && !cfg!(feature = "slow-components") {
        let text = fs::read_to_string(golden(name)).expect("its golden file");
        return serde_json::from_str(&text).expect("JSON");
    }
    let file = plugins().join(format!("{name}_component.so"));
    let output = gopiper().args(["inspect", "--load", "--json"]).arg(file).output().expect("ran");
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Compares a page with its expected beginning. The part below its first heading is written
/// by hand.
fn compare_page(file: &Path, text: &str) {
    let found = fs::read_to_string(file).unwrap_or_default();
    let by_hand = found.find("\n## ").map_or("", |at| &found[at..]);
    compare(file, &format!("{text}{by_hand}"));
}

/// Compares a file with its expected content.
fn compare(file: &Path, text: &str) {
    if std::env::var_os("GOPIPER_BLESS").is_some() {
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, text).expect("written");
    }
    let found = fs::read_to_string(file).unwrap_or_default();
    assert!(
        found == text,
        "{} is not what `gopiper inspect` says; if that is intended, write it again:\n    \
         GOPIPER_BLESS=1 cargo test -p gopiper-lua --test inspect\nit should be\n{text}",
        file.display()
    );
}

#[test]
fn the_output_for_each_component_matches_its_golden_file() {
    for name in shipped() {
        let mut said = inspected(&name);
        for masked in MASKED {
            let value = said.get_mut(masked).unwrap_or_else(|| panic!("no {masked}"));
            assert!(!value.is_null());
            *value = "…".into();
        }
        let text = serde_json::to_string_pretty(&said).expect("JSON") + "\n";
        compare(&golden(&name), &text);
    }
}

#[test]
fn the_reference_pages_are_made_of_it() {
    let mut index = "# The components that come with gopiper\n\n\
                     Each is in a file of that name: `stdin` in `stdin_component.so`. \
                     The tables come from the files themselves: `gopiper inspect --load FILE`.\n\n"
        .to_owned();
    for name in shipped() {
        let said = inspected(&name);
        let (kind, description) = (text(&said["kind"]), text(&said["description"]));
        let summary = description.split("\n\n").next().unwrap_or_default().replace('\n', " ");
        index += &format!("- [{name}]({name}.md), a {kind}: {summary}\n");
        compare_page(&root().join(format!("docs/components/{name}.md")), &page(&name, &said));
    }
    compare(&root().join("docs/components/README.md"), &index);
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn page(name: &str, said: &Value) -> String {
    let (kind, description) = (text(&said["kind"]), text(&said["description"]));
    let mut page = format!(
        "# {name}, a {kind}\n\n{description}\n\n`gopiper.loadComponent('{name}_component.so', {{…}})`\n"
    );
    let attributes = said["attributes"].as_array().expect("a list");
    if attributes.is_empty() {
        return page + "\nIt has no attributes.\n";
    }
    page += "\n| attribute | what it may be | default | meaning |\n| --- | --- | --- | --- |\n";
    for attribute in attributes {
        let default = match (&attribute["default"], attribute["required"].as_bool()) {
            (_, Some(true)) => "must be given".to_owned(),
            (Value::Null, _) => String::new(),
            (default, _) => format!("`{default}`"),
        };
        let cells = ["name", "type", "description"].map(|of| {
            text(&attribute[of])
                .replace("\n'", " <br>'")
                .replace('|', "\\|")
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        });
        let [name, kind, meaning] = cells;
        page += &format!("| `{name}` | {kind} | {default} | {meaning} |\n");
    }
    page
}
