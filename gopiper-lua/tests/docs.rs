//! Every command that the documentation shows is run here, as it stands there.
mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use common::{gopiper, plugins, root, stderr};

/// The blocks of a document that are marked so, each as its lines.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(document)).expect("the document is there");
    let fences = text.split("```").collect::<Vec<_>>();
    let inside = fences.iter().skip(1).step_by(2);
    let blocks = inside.filter_map(|block| block.strip_prefix(&format!("{language}\n")));
    blocks.map(str::to_owned).collect()
}

/// Runs a shell's command where the program is on the path.
fn shell(command: &str, folder: &Path) -> Output {
    let program = PathBuf::from(gopiper().get_program());
    let beside = program.parent().expect("a folder").display().to_string();
    let path = format!("{beside}:{}", std::env::var("PATH").unwrap_or_default());
    Command::new("sh")
        .args(["-ec", command])
        .current_dir(folder)
        .env("PATH", path)
        .env("GOPIPER_COMPONENT_PATH", plugins())
        .output()
        .expect("a shell")
}

fn runs(command: &str, folder: &Path) -> String {
    let output = shell(command, folder);
    assert!(output.status.success(), "{command}: {}\n{}", output.status, stderr(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_readmes() {
    let commands = blocks("README.md", "sh").concat();
    let commands: Vec<_> = commands.lines().collect();
    let [quickstart, test] = commands[..] else { panic!("two commands: {commands:?}") };
    // The first builds and then does this; the second is what runs this test.
    let run = quickstart.replace("cargo xtask run", "gopiper run");
    let lines = runs(&run, &root());
    assert_eq!(lines.lines().count(), 239);
    assert!(lines.lines().all(|line| line.contains("\" 500 ")));
    assert_eq!(test, "cargo xtask test");
    // The pipeline that is shown is the one that is run.
    let shown = blocks("README.md", "lua").concat();
    let file = fs::read_to_string(root().join("examples/quickstart.lua")).expect("the example");
    assert!(
        file.ends_with(&shown),
        "README.md shows another pipeline than examples/quickstart.lua"
    );
}

#[test]
fn the_operators() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["examples", "grep_component.so"] {
        let target = if name == "examples" { root().join(name) } else { plugins().join(name) };
        std::os::unix::fs::symlink(target, folder.path().join(name)).expect("a link");
    }
    let commands = blocks("docs/operators.md", "sh").concat();
    assert_eq!(commands.lines().count(), 8, "{commands}");
    commands.lines().for_each(|command| drop(runs(command, folder.path())));
    let lua = blocks("docs/operators.md", "lua").concat();
    fs::write(folder.path().join("pipeline.lua"), lua).expect("written");
    assert_eq!(runs("printf 'a 503 b\\nc\\n' | gopiper run", folder.path()), "a 503 b\n");
    // Parts of a list, from source to sink.
    let parts = blocks("docs/operators.md", "lua,part");
    let output = [
        "a 404 b!\n",
        "2 lines\n",
        "a 404 b\nc\n",
        "a 404 b is missing\n",
        "a 404 b is missing, and kept\n",
        "a 404 b\nc\n",
    ];
    assert_eq!(parts.len(), output.len());
    for (part, output) in parts.iter().zip(output) {
        let lua = common::pipeline(part, "{}");
        let run = format!(
            "printf 'a 404 b\\nc\\n' | gopiper run --state-dir state {}",
            lua.path().display()
        );
        assert_eq!(runs(&run, folder.path()), output);
    }
    let kept = fs::read_to_string(folder.path().join("missing.log")).expect("kept");
    assert_eq!(kept, "a 404 b\n");
    let whole = blocks("docs/operators.md", "lua,whole");
    let [merge] = &whole[..] else { panic!("one: {whole:?}") };
    fs::write(folder.path().join("merge.lua"), merge).expect("written");
    // What comes first is chance.
    let merged = runs("echo it | gopiper run merge.lua | sort", folder.path());
    assert_eq!(merged, "it was read\nthis was made\n");
}

/// Takes half a minute: it compiles the interface crate in release, as an author does.
#[test]
fn the_authors() {
    let folder = tempfile::tempdir().expect("a folder");
    // One place for what is built, which others use too.
    let shared = root().join("target/docs");
    fs::create_dir_all(&shared).expect("a folder");
    let rust = blocks("docs/authors/README.md", "rust").concat();
    let tests = blocks("docs/authors/testing.md", "rust,ignore").concat();
    let rust = format!("{rust}\n#[cfg(test)]\nmod tests {{\nuse super::*;\n{tests}\n}}\n");
    fs::write(folder.path().join("lib.rs"), rust).expect("written");
    let abi = root().join("gopiper-abi");
    let commands = blocks("docs/authors/README.md", "sh").concat();
    assert!(commands.starts_with("gopiper new keep --kind transform\ncd keep\n"), "{commands}");
    // As far as it is published, what is shown is what is done; and it is the component that is shown.
    let commands = commands
        .replacen("transform\n", &format!("transform --abi-path {}\n", abi.display()), 1)
        .replacen(
            "cd keep\n",
            &format!(
                "cd keep; cp ../lib.rs src; cp {} .; ln -s {} target\n",
                root().join("Cargo.lock").display(),
                shared.display()
            ),
            1,
        )
        .replacen("cargo test", "cargo test --release", 1);
    // The test may run in a workspace with another folder for what is built.
    let said = runs(&format!("unset CARGO_TARGET_DIR\n{commands}"), folder.path());
    assert!(said.contains("transform keep 0.1.0") && said.contains(", sealed,"), "{said}");
    assert!(said.contains("word: a string, required"), "{said}");
    let verify = blocks("docs/authors/verifying.md", "sh").concat();
    let said = runs(&verify, &folder.path().join("keep"));
    assert!(said.contains(" 2 skipped, 0 warnings, 0 failed, 0 crashed"), "{said}");
    let component = folder.path().join("keep/keep_component.so");
    let lua = common::pipeline(
        &format!("gopiper.loadComponent('{}', {{ word = 'b' }}),", component.display()),
        "{}",
    );
    let run = format!("printf 'abc\\nxyz\\n' | gopiper run {}", lua.path().display());
    assert_eq!(runs(&run, folder.path()), "abc\n");
}
