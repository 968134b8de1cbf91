//! No module uses one above it, or one that its room may not use (`house.rs`).

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::crate_map::{CrateMap, ModulePath};
use super::house::{self, COUPLES, HOUSE, Room};
use crate::workspace::root;

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
    let mut folders = arrows.clone();
    for (path, module) in &map.modules {
        let Some(from) = room_of(path, rooms) else {
            if !path.is_empty() {
                wrong.push(format!(
                    "{src}: no floor is known for '{path}': give it one in {}",
                    house::FILE
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
                if let Some((folder, other)) = siblings(path, &target) {
                    folders.entry(folder).or_default().insert(other.to_owned());
                }
                arrows.entry(path).or_default().insert(target);
            } else if !rooms[from].1.split_whitespace().any(|usable| usable == rooms[to].0) {
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
    let (of_modules, of_folders) = (circles(src, &arrows), circles(src, &folders));
    let of_folders = of_folders.into_iter().filter(|(from, _)| !of_modules.contains_key(from));
    wrong.extend(of_folders.map(|(_, said)| said));
    wrong.extend(of_modules.into_values());
    wrong
}

/// The folders, or files, of two modules in the folder that both lie in.
fn siblings<'a, 'b>(path: &'a str, other: &'b str) -> Option<(&'a str, &'b str)> {
    let mut both = beginnings(path).zip(beginnings(other));
    both.find(|(one, two)| one != two)
}

/// The path of one segment, of two, and so on.
fn beginnings(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices("::").map(|(end, _)| end).chain([path.len()]);
    ends.map(|end| &path[..end])
}

/// The room with the longest name that the module lies in.
fn room_of(path: &str, rooms: &[Room]) -> Option<usize> {
    let lies_in = |room: &str| {
        path == room || path.strip_prefix(room).is_some_and(|rest| rest.starts_with("::"))
    };
    (0..rooms.len()).filter(|room| lies_in(rooms[*room].0)).max_by_key(|room| rooms[*room].0.len())
}

/// Modules of one room that use each other, over however many others; with the error for each.
fn circles<'a>(
    src: &str,
    arrows: &BTreeMap<&'a str, BTreeSet<ModulePath>>,
) -> BTreeMap<&'a str, String> {
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
    let mut wrong = BTreeMap::new();
    for (from, seen) in &all {
        if !seen.contains(*from) {
            continue;
        }
        let direct = arrows[from]
            .iter()
            .filter(|target| all.get(&***target).is_some_and(|back| back.contains(*from)));
        let direct: Vec<_> = direct.map(String::as_str).collect();
        let said = format!("{src}: '{from}' is in a cycle: it uses {}", direct.join(", "));
        wrong.insert(*from, said);
    }
    wrong
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const ROOMS: &[Room] = &[("ground", ""), ("first", "ground"), ("roof", "first")];

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
            "use crate::roof::*;",
            "use super::super::roof::{*};",
            "fn f() { println!(\"{}\", crate::roof::Roof); }",
            "fn f() { a!(b => [crate::roof::Roof::<u8>::new(), 1]) }",
            "fn f() { a! { super::super::roof::Roof } }",
            "macro_rules! a { () => { $crate::roof::Roof }; }",
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
    fn a_visibility_uses_nothing() {
        let files = [
            ("roof.rs", "pub(crate) struct Roof;"),
            ("ground/stone.rs", "a! { pub(in crate::roof) struct Stone; }"),
        ];
        assert_eq!(found(&files), Vec::<String>::new());
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

    #[test]
    fn folders_of_one_room_form_no_circle_though_their_modules_do_not() {
        let wrong = found(&[
            ("ground/mod.rs", "mod a; mod b;"),
            ("ground/a/mod.rs", "pub(crate) mod x; pub(crate) mod y;"),
            ("ground/a/x.rs", "use crate::ground::b::low::Low; pub(crate) struct X(Low);"),
            ("ground/a/y.rs", "pub(crate) struct Y;"),
            ("ground/b/mod.rs", "pub(crate) mod low; pub(crate) mod high;"),
            ("ground/b/low.rs", "pub(crate) struct Low;"),
            ("ground/b/high.rs", "use crate::ground::a::y::Y; pub(crate) struct High(Y);"),
        ]);
        assert_eq!(
            wrong,
            [
                "src: 'ground::a' is in a cycle: it uses ground::b",
                "src: 'ground::b' is in a cycle: it uses ground::a",
            ]
        );
    }

    #[test]
    fn a_name_of_another_crate_counts_as_that_of_the_module_which_re_exports_it() {
        let wrong = found(&[
            ("roof.rs", "pub(crate) use other::thing as renamed;"),
            ("ground.rs", "use crate::roof::renamed;"),
        ]);
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(wrong[0].contains("'ground' uses 'roof', which is above it"), "{wrong:?}");
    }
}
