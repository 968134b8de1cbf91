//! The folders that each folder of a crate may use: the design, as a table. No module uses one
//! above it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::crate_map::{CrateMap, ModulePath};
use crate::workspace::root;

/// A folder of a crate (or a file beside `lib.rs`), and the folders on the floors below that it may
/// use.
type Room = (&'static str, &'static [&'static str]);

/// For each `src` folder its rooms, from the ground up.
const HOUSE: &[(&str, &[Room])] = &[
    (
        "gopiper-abi/src",
        &[
            ("raw", &[]),
            ("raw::author", &["raw"]),
            ("raw::host", &["raw", "raw::author"]),
            ("nearest", &[]),
            ("error", &["raw"]),
            ("attributes", &["raw", "nearest"]),
            ("postponed", &["raw", "raw::author"]),
            ("logging", &["raw", "raw::author"]),
            ("component", &["raw", "raw::author", "error", "attributes", "postponed"]),
            ("lines", &["raw", "error", "attributes", "postponed"]),
            (
                "export",
                &["raw", "raw::author", "error", "attributes", "postponed", "logging", "component"],
            ),
            (
                "own",
                &["raw", "raw::author", "raw::host", "error", "postponed", "component", "export"],
            ),
            ("testing", &["raw", "raw::author", "raw::host", "error", "component", "export"]),
        ],
    ),
    (
        "gopiper-core/src",
        &[
            ("base", &[]),
            ("loader", &[]),
            ("disk", &[]),
            ("channel", &["base"]),
            ("dead_letters", &["base", "disk", "channel"]),
            ("buffer", &["base", "disk"]),
            ("plan", &["base", "disk", "channel", "dead_letters", "buffer"]),
            ("stage", &["base", "disk", "channel", "dead_letters", "plan"]),
            ("worker", &["base", "channel", "dead_letters", "plan", "stage"]),
            ("run", &["base", "disk", "channel", "dead_letters", "plan", "stage", "worker"]),
        ],
    ),
    (
        "gopiper-lua/src",
        &[
            ("state", &[]),
            ("problem", &[]),
            ("language", &["state", "problem"]),
            ("function", &["state", "problem", "language"]),
            ("module", &["state", "problem", "language", "function"]),
            // The program's: it has the rest as a library.
            ("command", &[]),
        ],
    ),
];

/// Modules that use each other, because each contains the other.
const COUPLES: &[(&str, &str)] = &[("raw::message::map", "raw::message::value")];

pub(super) fn check() -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for (src, rooms) in HOUSE {
        let map = CrateMap::read(&root().join(src))?;
        wrong.extend(violations(src, &map, rooms));
    }
    Ok(wrong)
}

fn violations(src: &str, map: &CrateMap, rooms: &[Room]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut arrows: BTreeMap<&str, BTreeSet<ModulePath>> = BTreeMap::new();
    for (path, module) in &map.modules {
        let Some(from) = room_of(path, rooms) else {
            if !path.is_empty() {
                wrong.push(format!(
                    "{src}: no floor is known for '{path}': give it one in {}",
                    file!()
                ));
            }
            continue;
        };
        for (used, line) in &module.uses {
            let Some(target) =
                map.defines(used).filter(|target| target != path && !target.is_empty())
            else {
                continue;
            };
            let Some(to) = room_of(&target, rooms) else { continue };
            if to == from {
                arrows.entry(path).or_default().insert(target);
            } else if !rooms[from].1.contains(&rooms[to].0) {
                let why = if to > from {
                    "is above it"
                } else {
                    "is not among the modules that it may use"
                };
                wrong.push(format!(
                    "{}:{line}: '{}' uses '{}', which {why} ({used})",
                    module.file.strip_prefix(root()).unwrap_or(&module.file).display(),
                    rooms[from].0,
                    rooms[to].0,
                ));
            }
        }
    }
    wrong.extend(circles(src, &arrows));
    wrong
}

/// The room with the longest name that the module lies in.
fn room_of(path: &str, rooms: &[Room]) -> Option<usize> {
    let lies_in = |room: &str| {
        path == room || path.strip_prefix(room).is_some_and(|rest| rest.starts_with("::"))
    };
    (0..rooms.len()).filter(|room| lies_in(rooms[*room].0)).max_by_key(|room| rooms[*room].0.len())
}

/// Modules of one room that use each other, over however many others.
fn circles(src: &str, arrows: &BTreeMap<&str, BTreeSet<ModulePath>>) -> Vec<String> {
    let reached = |from: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(next) = open.pop() {
            for target in arrows.get(&*next).into_iter().flatten() {
                let is_couple =
                    COUPLES.contains(&(&next, target)) || COUPLES.contains(&(target, &next));
                if !is_couple && seen.insert(target.clone()) {
                    open.push(target.clone());
                }
            }
        }
        seen
    };
    let all: BTreeMap<&str, _> = arrows.keys().map(|from| (*from, reached(from))).collect();
    let mut wrong = Vec::new();
    for (from, seen) in &all {
        if !seen.contains(*from) {
            continue;
        }
        let direct = arrows[from]
            .iter()
            .filter(|target| all.get(&***target).is_some_and(|back| back.contains(*from)));
        let direct: Vec<_> = direct.map(String::as_str).collect();
        wrong.push(format!("{src}: '{from}' is in a cycle: it uses {}", direct.join(", ")));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const ROOMS: &[Room] = &[("ground", &[]), ("first", &["ground"]), ("roof", &["first"])];

    /// The errors found in a crate of these files.
    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        violations("src", &CrateMap::read(folder.path()).unwrap(), ROOMS)
    }

    #[test]
    fn a_house_in_order() {
        let files = [
            ("lib.rs", "mod ground; mod first; mod roof; pub use first::wall::Wall;"),
            ("ground/mod.rs", "pub(crate) mod stone;"),
            ("ground/stone.rs", "pub(crate) struct Stone;"),
            ("first/mod.rs", "pub(crate) mod wall; pub(crate) use self::wall::Wall;"),
            ("first/wall.rs", "use crate::ground::stone::Stone; pub struct Wall(Stone);"),
            ("roof.rs", "use crate::first::Wall; struct Roof(Wall);"),
            ("roof/tests.rs", "use crate::ground::stone::Stone;"),
        ];
        assert_eq!(found(&files), Vec::<String>::new());
    }

    #[test]
    fn an_import_that_runs_up_is_refused_by_whatever_way_it_goes() {
        for import in [
            "use crate::roof::Roof;",
            "use super::super::roof::Roof;",
            "fn f(_: crate::roof::Roof) {}",
            // Re-exported on the ground, and defined on the roof.
            "use crate::lobby::Roof;",
        ] {
            let files = [
                ("lobby.rs", "pub(crate) use crate::roof::Roof;"),
                ("roof.rs", "pub(crate) struct Roof;"),
                ("ground/stone.rs", import),
            ];
            let wrong = found(&files);
            let is_reported =
                |line: &String| line.contains("'ground' uses 'roof', which is above it");
            assert!(wrong.iter().any(is_reported), "{import}: {wrong:?}");
        }
    }

    #[test]
    fn a_room_that_is_not_named_and_one_without_a_floor_are_refused() {
        let wrong = found(&[
            ("ground.rs", "pub(crate) struct Stone;"),
            ("roof.rs", "use crate::ground::Stone;"),
            ("shed.rs", ""),
        ]);
        assert!(
            wrong[0]
                .contains("'roof' uses 'ground', which is not among the modules that it may use"),
            "{wrong:?}"
        );
        assert!(wrong[1].contains("no floor is known for 'shed'"), "{wrong:?}");
    }

    #[test]
    fn modules_of_one_room_form_no_circle() {
        let wrong = found(&[
            ("lib.rs", "mod ground;"),
            ("ground/mod.rs", "mod a; mod b; mod c;"),
            ("ground/a.rs", "use super::b::B; pub(crate) struct A(B);"),
            ("ground/b.rs", "use super::c::C; pub(crate) struct B(C);"),
            ("ground/c.rs", "use super::a::A; pub(crate) struct C(Box<A>);"),
        ]);
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        assert!(wrong[0].contains("'ground::a' is in a cycle: it uses ground::b"), "{wrong:?}");
    }
}
