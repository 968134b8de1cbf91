//! Every command that the documentation shows is run here, unchanged.
mod common;

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use common::{plugins, root, runs, shell, stderr};

/// The blocks of a document that are marked so, each as its lines.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(document)).expect("the document is there");
    common::blocks_of(&text, language)
}

#[test]
fn the_readmes() {
    let commands = blocks("README.md", "sh").concat();
    let commands: Vec<_> = commands.lines().collect();
    let [quickstart, test] = commands[..] else { panic!("two commands: {commands:?}") };
    // The first builds, then does this; the second runs this test.
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

/// The Markdown files of a folder.
fn pages(folder: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(root().join(folder)).expect("the folder is there");
    let files = files.map(|file| file.expect("a file").path());
    let mut pages: Vec<_> = files.filter(|file| file.extension() == Some("md".as_ref())).collect();
    pages.sort();
    pages
}

/// Runs the blocks of a page, from top to bottom, in a folder of its own:
/// - `lua` is saved under the name in its first line (`-- NAME.lua`), or as pipeline.lua;
/// - `sh` runs, `sh,78` ends with 78; a `text` after it is all of its output;
/// - `lua,part` is placed between stdin and stdout, and gets two lines; the `text` after it is the
///   output;
/// - `…` in a text is a placeholder for any text in a line: times and ids;
/// - `ini` is a unit of systemd, whose limit of time must leave enough for draining;
/// - `lua,trust` is run in trust.rs.
fn run_page(page: &Path) {
    let folder = tempfile::tempdir().expect("a folder");
    common::copy_examples(folder.path());
    let grep = "grep_component.so";
    std::os::unix::fs::symlink(plugins().join(grep), folder.path().join(grep)).expect("a link");
    let script = |commands: &str, status: i32| {
        let set_up = "export HOME=\"$PWD\"; unset XDG_STATE_HOME; exec 2>&1 </dev/null";
        let output = shell(&format!("{set_up}\n{commands}"), folder.path());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(status), "{}: {commands}{said}", page.display());
        said
    };
    let text = fs::read_to_string(page).expect("the page is there");
    let fences: Vec<_> = text.split("```").skip(1).step_by(2).collect();
    let mut fences = fences.iter().filter_map(|fence| fence.split_once('\n')).peekable();
    while let Some((language, code)) = fences.next() {
        let shown = fences.next_if(|(language, _)| *language == "text").map(|(_, shown)| shown);
        let said = match language {
            "lua" => {
                let name = code.lines().next().and_then(|line| line.strip_prefix("-- "));
                let name = name.filter(|name| name.ends_with(".lua")).unwrap_or("pipeline.lua");
                fs::write(folder.path().join(name), code).expect("written");
                None
            }
            "lua,trust" => None,
            "lua,part" => {
                assert!(shown.is_some(), "{}: no output is shown of {code}", page.display());
                let text = common::pipeline_text(code, "{}");
                fs::write(folder.path().join("part.lua"), text).expect("written");
                Some(script("printf 'a 404 b\\nc\\n' | gopiper run part.lua", 0))
            }
            "sh" => Some(script(code, 0)),
            "sh,78" => Some(script(code, 78)),
            "ini" => {
                drains_before_it_is_killed(code);
                None
            }
            language => panic!("{}: nothing checks ```{language}", page.display()),
        };
        assert!(said.is_some() || shown.is_none(), "{}: output of what?", page.display());
        if let (Some(said), Some(shown)) = (said, shown) {
            let is_like = is_shown(said.trim_end(), shown.trim_end());
            assert!(is_like, "{}: {code}\nshown:\n{shown}\nsaid:\n{said}", page.display());
        }
    }
}

/// Whether an output is the one that is shown, where `…` is a placeholder for any text in a line.
fn is_shown(said: &str, shown: &str) -> bool {
    let is_like = |(said, shown): (&str, &str)| {
        let Some((first, rest)) = shown.split_once('…') else { return said == shown };
        let Some(mut left) = said.strip_prefix(first) else { return false };
        let mut parts: Vec<_> = rest.split('…').collect();
        let last = parts.pop().unwrap_or_default();
        for part in parts {
            let Some((_, behind)) = left.split_once(part) else { return false };
            left = behind;
        }
        left.ends_with(last)
    };
    said.lines().count() == shown.lines().count() && said.lines().zip(shown.lines()).all(is_like)
}

/// A unit of systemd gives gopiper the time to drain, and two seconds to leave.
fn drains_before_it_is_killed(unit: &str) {
    let number = |behind: &str| {
        let text = unit.split_once(behind).unwrap_or_else(|| panic!("no {behind}: {unit}")).1;
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().expect("a number")
    };
    assert!(number("TimeoutStopSec=") > number("--shutdown-timeout ") + 2, "{unit}");
}

#[test]
fn the_operators() {
    let pages = [pages("docs/operators"), pages("docs/components")].concat();
    assert!(pages.len() > 10, "{pages:?}");
    pages.iter().for_each(|page| run_page(page));
}

/// Takes half a minute: it compiles the interface crate in release, as an author does.
#[test]
fn the_authors() {
    let folder = tempfile::tempdir().expect("a folder");
    // One place for build output, which others use too.
    let shared = root().join("target/docs");
    fs::create_dir_all(&shared).expect("a folder");
    let rust = blocks("docs/authors/README.md", "rust").concat();
    let tests = blocks("docs/authors/testing.md", "rust,ignore").concat();
    let rust = format!("{rust}\n#[cfg(test)]\nmod tests {{\nuse super::*;\n{tests}\n}}\n");
    fs::write(folder.path().join("lib.rs"), rust).expect("written");
    let abi = root().join("gopiper-abi");
    let commands = blocks("docs/authors/README.md", "sh").concat();
    assert!(commands.starts_with("gopiper new keep --kind transform\ncd keep\n"), "{commands}");
    // The commands shown are the commands run, except for publishing; and the component is the one
    // shown.
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
    // The test may run in a workspace with another folder for build output.
    let said = runs(&format!("unset CARGO_TARGET_DIR\n{commands}"), folder.path());
    assert!(said.contains("transform keep 0.1.0") && said.contains(", sealed,"), "{said}");
    assert!(said.contains("word: a string, required"), "{said}");
    let verify = blocks("docs/authors/verifying.md", "sh").concat();
    let said = runs(&verify, &folder.path().join("keep"));
    assert!(said.contains(" 0 skipped, 0 warnings, 0 failed, 0 crashed"), "{said}");
    let debug = blocks("docs/authors/debugging.md", "sh").concat();
    let said = runs(&format!("exec </dev/null\n{debug}"), &folder.path().join("keep"));
    assert!(said.contains(", sealed,"), "{said}");
    let component = folder.path().join("keep/keep_component.so");
    let lua = common::pipeline(
        &format!("gopiper.loadComponent('{}', {{ word = 'b' }}),", component.display()),
        "{}",
    );
    let run = format!("printf 'abc\\nxyz\\n' | gopiper run {}", lua.path().display());
    assert_eq!(runs(&run, folder.path()), "abc\n");
}

/// A folder that looks like the checkout, as far as the pages for C need it.
fn for_c() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let link = |file: PathBuf, name: &str| {
        std::os::unix::fs::symlink(file, folder.path().join(name)).expect("a link");
    };
    link(root().join("examples"), "examples");
    fs::create_dir(folder.path().join("target")).expect("a folder");
    link(common::c_folder(), "target/c");
    for name in ["stdin_component.so", "stdout_component.so"] {
        link(plugins().join(name), name);
    }
    folder
}

/// Whether `verify` found nothing wrong, and tried everything.
fn behaves(said: &str) -> bool {
    said.contains(" 0 skipped, 0 warnings, 0 failed, 0 crashed")
}

#[test]
fn components_in_c() {
    let (page, folder) = ("docs/authors/c.md", for_c());
    let shown = blocks(page, "c").concat();
    assert_eq!(shown, fs::read_to_string(root().join("examples/c/upper.c")).expect("the example"));
    let lua = blocks(page, "lua").concat();
    let commands = blocks(page, "sh");
    let [upper, pipeline, words] = &commands[..] else { panic!("{commands:?}") };
    let said = runs(upper, folder.path());
    assert!(behaves(&said), "{said}");
    assert!(
        said.contains("transform upper 1.0.0, interface ") && said.contains(", sealed,"),
        "{said}"
    );
    assert!(said.contains("comment: a string\n    The character that begins a comment"), "{said}");
    let written = fs::read_to_string(folder.path().join("upper/pipeline.lua"));
    assert!(written.expect("the pipeline").ends_with(&lua), "the page shows what is written");
    assert_eq!(runs(pipeline, folder.path()), "ONE\nTHREE\n");
    let said = runs(words, folder.path());
    let (verified, counted) = said.split_once(" sealed,").expect("it was sealed");
    assert!(behaves(verified), "{said}");
    let counted: Vec<_> = counted.lines().skip(1).collect();
    let log = fs::read_to_string(root().join("examples/data/access.log")).expect("the log");
    let is_word = |it: &&str| *it == "HTTP";
    let wanted = log.split(|it: char| !it.is_ascii_alphabetic()).filter(is_word).count();
    assert!(counted.contains(&&*format!("{wanted} HTTP")), "{wanted}: {said}");

    // The error for a misspelt attribute.
    let wrong = lua.replace("comment =", "coment =");
    fs::write(folder.path().join("upper/wrong.lua"), wrong).expect("written");
    let refused = shell("gopiper check upper/wrong.lua", folder.path());
    let wanted = blocks(page, "text").concat();
    assert!(
        stderr(&refused)
            .replace(&format!("{}/upper/", folder.path().display()), "")
            .contains(&wanted),
        "{}",
        stderr(&refused)
    );

    // The parts of functions compile.
    let headers = ["gopiper_component.h", "errno.h", "string.h", "unistd.h"];
    let mut code: String = headers.map(|header| format!("#include <{header}>\n")).concat();
    let parts = blocks(page, "c,part");
    assert_eq!(parts.len(), 7);
    let given = "gopiper_host *host, gopiper_message *message, gopiper_error *error, int file, uint64_t token";
    for (number, part) in parts.iter().enumerate() {
        code += &format!(
            "int64_t part_{number}({given});\nint64_t part_{number}({given}) {{\n\
             (void)host, (void)message, (void)error, (void)file, (void)token;\n{part}return 0;\n}}\n"
        );
    }
    fs::write(folder.path().join("parts.c"), code).expect("written");
    runs("cc -Wall -Wextra -Werror -fsyntax-only -I upper/include parts.c", folder.path());
}

#[test]
fn pipelines_in_c() {
    let (page, folder) = ("docs/embedding.md", for_c());
    let shown = blocks(page, "c").concat();
    assert_eq!(
        shown,
        fs::read_to_string(root().join("examples/c/pipeline.c")).expect("the example")
    );
    runs(&blocks("docs/authors/c.md", "sh")[0], folder.path());
    runs("cp upper/upper_component.so .", folder.path());
    let commands = blocks(page, "sh");
    let [build, run] = &commands[..] else { panic!("{commands:?}") };
    // `cargo xtask test` has already run the first.
    let build = build.strip_prefix("cargo xtask build-c\n").expect("how the library is built");
    runs(build, folder.path());
    let output = shell(run, folder.path());
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ONE\nTWO\n");
    let counted = "middle: received 2, sent 2, dropped 0, failed 0\n";
    assert!(stderr(&output).contains(counted), "{}", stderr(&output));
    // A signal lets it drain.
    let mut child = Command::new(folder.path().join("pipeline"))
        .args(["stdin_component.so", "upper_component.so", "stdout_component.so"])
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(b"a\n").expect("it reads");
    let mut stdout = child.stdout.take().expect("a pipe");
    let mut first = [0; 2];
    stdout.read_exact(&mut first).expect("it writes");
    assert_eq!(&first, b"A\n");
    runs(&format!("kill -TERM {}", child.id()), folder.path());
    assert!(child.wait().expect("it ends").success());
    // A missing component is reported.
    let refused = shell("./pipeline stdin_component.so none.so stdout_component.so", folder.path());
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).starts_with("refused: none.so cannot be read\n"),
        "{}",
        stderr(&refused)
    );
}

/// The tests' own components in C behave.
#[test]
fn components_in_c_are_verified() {
    let folder = tempfile::tempdir().expect("a folder");
    runs("gopiper kit c kit", folder.path());
    for (name, attributes) in [
        ("everything", r#"{"text": "a"}"#),
        ("blocks", r#"{"lines": 100}"#),
        ("file", r#"{"path": "out"}"#),
    ] {
        let source = root().join(format!("gopiper-core/tests/c/{name}.c"));
        fs::copy(source, folder.path().join(format!("kit/{name}.c"))).expect("copied");
        let verify = format!("make -s -C kit NAME={name} ATTRIBUTES='{attributes}' verify");
        let said = runs(&verify, folder.path());
        assert!(behaves(&said), "{said}");
    }
}

/// The Rust files below a folder, without those of the template.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let paths = paths.filter(|path| path.file_name() != Some("template".as_ref()));
    let (folders, files): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
    let files = files.into_iter().filter(|path| path.extension() == Some("rs".as_ref()));
    files.chain(folders.iter().flat_map(|folder| sources(folder))).collect()
}

/// Each warning and error in the log has a code, and the page explains these and no others.
#[test]
fn every_code_in_the_log_is_explained() {
    let mut codes = BTreeSet::new();
    for file in
        ["gopiper-core/src", "gopiper-lua/src"].iter().flat_map(|it| sources(&root().join(it)))
    {
        let text = fs::read_to_string(&file).expect("text");
        // `log!` is that of the failures of components.
        for (name, before) in [("warn!(", "code ="), ("error!(", "code ="), ("log!(", "")] {
            for call in text.split(name).skip(1) {
                let (fields, rest) = call.split_once('"').expect("a text");
                let place = file.display();
                assert!(fields.trim_end().ends_with(before), "{place}: no code: {fields}");
                codes.insert(rest.split('"').next().unwrap_or_default().to_owned());
            }
        }
    }
    let page = fs::read_to_string(root().join("docs/operators/troubleshooting.md")).expect("there");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let explained: BTreeSet<_> = rows.map(str::to_owned).collect();
    assert_eq!(codes, explained);
}
