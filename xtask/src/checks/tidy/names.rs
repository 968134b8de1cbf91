//! One name for one thing: no two types of the crates have the same name.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use super::crate_map::CrateMap;
use crate::workspace::root;

/// The crates whose types a reader may meet in one file. Components are not among them: each is a
/// crate of its own that no other one uses, and the same names in all of them (`Attributes`) help
/// whoever reads a second one.
const CRATES: &[&str] = &[
    "gopiper-abi/src",
    "gopiper-abi/c/src",
    "gopiper-core/src",
    "gopiper-core/c/src",
    "gopiper-lua/src",
];

/// Names that mean the same in both places.
const SHARED: &[(&str, &str)] = &[];

pub(super) fn check() -> Result<Vec<String>> {
    let mut maps = Vec::new();
    for src in CRATES {
        maps.push(CrateMap::read(&root().join(src))?);
    }
    Ok(doubles(types(&maps)))
}

/// The types of the crates, with the place of each.
fn types(maps: &[CrateMap]) -> impl Iterator<Item = (&str, &Path, usize)> {
    let modules = maps.iter().flat_map(|map| map.modules.values());
    modules.flat_map(|module| {
        module.types.iter().flat_map(|(name, lines)| {
            lines.iter().map(|line| (name.as_str(), module.file.as_path(), *line))
        })
    })
}

fn doubles<'a>(types: impl Iterator<Item = (&'a str, &'a Path, usize)>) -> Vec<String> {
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, file, line) in types {
        let file = file.strip_prefix(root()).unwrap_or(file);
        places.entry(name).or_default().push(format!("{}:{line}", file.display()));
    }
    let is_double = |(name, places): &(&str, Vec<String>)| {
        places.len() > 1 && !SHARED.iter().any(|(shared, _)| shared == name)
    };
    let doubles = places.into_iter().filter(is_double);
    doubles
        .map(|(name, places)| {
            format!("{}: '{name}' is defined in {}, too", places[0], places[1..].join(", "))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn so_is_one_within_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let text = "struct Batch;\nmod inner {\n    enum Batch {}\n    struct Other;\n}\n";
        fs::write(folder.path().join("lib.rs"), text).unwrap();
        let map = CrateMap::read(folder.path()).unwrap();
        let doubles = doubles(types(std::slice::from_ref(&map)));
        let file = folder.path().join("lib.rs");
        let file = file.display();
        assert_eq!(doubles, [format!("{file}:1: 'Batch' is defined in {file}:3, too")]);
    }

    #[test]
    fn a_second_type_of_one_name_is_refused_with_both_places() {
        let types = [
            ("Batch", Path::new("abi/batch.rs"), 3),
            ("Worker", Path::new("core/worker.rs"), 7),
            ("Batch", Path::new("core/batch.rs"), 9),
        ];
        assert_eq!(
            doubles(types.into_iter()),
            ["abi/batch.rs:3: 'Batch' is defined in core/batch.rs:9, too"]
        );
    }
}
