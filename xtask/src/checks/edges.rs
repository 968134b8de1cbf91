//! Which crate may depend on which: components → abi ← core ← lua, and nothing else but what is
//! listed here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

use crate::workspace::root;

/// The folder of a member, the members that it may reach, and whether Lua may be among what it
/// reaches. The first that fits counts.
const RULES: &[(&str, &[&str], bool)] = &[
    // The C interface of a crate is a folder in it.
    ("gopiper-abi/c", &["gopiper-abi"], false),
    ("gopiper-core/c", &["gopiper-abi", "gopiper-core"], false),
    ("gopiper-abi", &[], false),
    // Any Lua of its own is a test component's business (one proves that it can have one).
    ("gopiper-core/tests/components", &["gopiper-abi"], true),
    ("gopiper-core", &["gopiper-abi"], false),
    ("gopiper-lua", &["gopiper-abi", "gopiper-core", "json-fields"], true),
    // What components of one kind share; one of these is what functions in Lua do, too.
    ("components/json-fields", &["gopiper-abi"], false),
    ("components/expressions", &["gopiper-abi", "json-fields"], false),
    ("components/filter", &["gopiper-abi", "expressions", "json-fields"], false),
    ("components/json", &["gopiper-abi", "json-fields"], false),
    ("components/set", &["gopiper-abi", "expressions", "json-fields"], false),
    ("components/kafka-client", &["gopiper-abi"], false),
    ("components/kafka-source", &["gopiper-abi", "kafka-client"], false),
    ("components/kafka-sink", &["gopiper-abi", "kafka-client"], false),
    ("components/nats-client", &["gopiper-abi"], false),
    ("components/nats-source", &["gopiper-abi", "nats-client"], false),
    ("components/nats-sink", &["gopiper-abi", "nats-client"], false),
    ("components", &["gopiper-abi"], false),
    ("xtask", &[], false),
];
const LUA: &str = "mlua";

/// A member, and the names of all packages that are built into it.
struct Member {
    name: String,
    folder: String,
    reaches: BTreeSet<String>,
}

pub(crate) fn check() -> Result<()> {
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).exec()?;
    let members = members(&metadata)?;
    let wrong = violations(&members);
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    eprintln!("{} crates depend on allowed crates only", members.len());
    Ok(())
}

fn members(metadata: &Metadata) -> Result<Vec<Member>> {
    let resolve = metadata.resolve.as_ref().context("cargo resolved nothing")?;
    let edges: BTreeMap<&PackageId, Vec<&PackageId>> = resolve
        .nodes
        .iter()
        .map(|node| {
            let built_in = node.deps.iter().filter(|dependency| {
                let kinds = &dependency.dep_kinds;
                kinds.iter().any(|kind| kind.kind != DependencyKind::Development)
            });
            (&node.id, built_in.map(|dependency| &dependency.pkg).collect())
        })
        .collect();
    let mut members = Vec::new();
    for package in metadata.workspace_packages() {
        let mut reached = BTreeSet::from([&package.id]);
        let mut open = vec![&package.id];
        while let Some(id) = open.pop() {
            open.extend(edges[id].iter().filter(|next| reached.insert(next)));
        }
        reached.remove(&package.id);
        let folder = package.manifest_path.strip_prefix(root())?.parent();
        members.push(Member {
            name: package.name.to_string(),
            folder: folder.context("a member has a folder")?.to_string(),
            reaches: reached.iter().map(|id| metadata[id].name.to_string()).collect(),
        });
    }
    Ok(members)
}

fn violations(members: &[Member]) -> Vec<String> {
    let mut wrong = Vec::new();
    for Member { name, folder, reaches } in members {
        let rule = RULES.iter().find(|rule| Path::new(folder).starts_with(rule.0));
        let Some((_, may, lua)) = rule else {
            wrong.push(format!("{folder}: say in {} what it may depend on", file!()));
            continue;
        };
        for other in members.iter().map(|member| &member.name) {
            if reaches.contains(other) && !may.contains(&other.as_str()) {
                wrong.push(format!("{name} must not depend on {other}"));
            }
        }
        if reaches.contains(LUA) && !lua {
            wrong.push(format!("{name} must not depend on {LUA}"));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(folder: &str, reaches: &[&str]) -> Member {
        Member {
            name: folder.rsplit('/').next().unwrap().to_owned(),
            folder: folder.to_owned(),
            reaches: reaches.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn the_house_as_it_is_meant() {
        let house = [
            member("gopiper-abi", &["abi_stable"]),
            member("gopiper-abi/c", &["gopiper-abi", "serde_json"]),
            member("gopiper-core", &["gopiper-abi", "object"]),
            member("gopiper-core/c", &["gopiper-core", "gopiper-abi"]),
            member("gopiper-core/tests/components/faults", &["gopiper-abi"]),
            member("gopiper-lua", &["gopiper-core", "gopiper-abi", "mlua"]),
            member("components/grep", &["gopiper-abi", "regex"]),
            member("components/kafka-client", &["gopiper-abi", "rdkafka"]),
            member("components/kafka-sink", &["gopiper-abi", "kafka-client"]),
            member("components/nats-client", &["gopiper-abi", "tokio"]),
            member("components/nats-sink", &["gopiper-abi", "nats-client"]),
            member("xtask", &["clap"]),
        ];
        assert_eq!(violations(&house), Vec::<String>::new());
    }

    #[test]
    fn edges_that_point_up() {
        let house = [
            member("gopiper-abi", &["gopiper-core"]),
            member("gopiper-core", &["gopiper-abi", "mlua"]),
            member("gopiper-core/tests/components/faults", &["gopiper-core"]),
            member("components/grep", &["gopiper-abi", "stdin"]),
            member("components/stdin", &[]),
            member("xtask", &["gopiper-abi"]),
            member("somewhere", &[]),
            member("gopiper-abi/c", &["gopiper-core"]),
            member("gopiper-core/c", &["mlua"]),
        ];
        let wrong = violations(&house);
        assert_eq!(wrong.len(), 8, "{wrong:#?}");
        assert_eq!(wrong[0], "gopiper-abi must not depend on gopiper-core");
        assert_eq!(wrong[1], "gopiper-core must not depend on mlua");
        assert_eq!(wrong[3], "grep must not depend on stdin");
        assert!(wrong[5].starts_with("somewhere: say in"));
    }
}
