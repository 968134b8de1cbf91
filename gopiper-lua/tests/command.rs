//! The command line: its output, and the exit codes.
mod common;

use common::{gopiper, plugins, run, stderr, stdout};

fn said(arguments: &[&str]) -> (i32, String, String) {
    let output = gopiper().args(arguments).output().expect("it ran");
    let stdout = stdout(&output);
    (output.status.code().expect("no signal"), stdout, stderr(&output))
}

#[test]
fn version_names_program_interface_luajit_and_rustc() {
    let (code, stdout, _) = said(&["version", "--json"]);
    let version: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(code, 0);
    assert_eq!(version["program"], env!("CARGO_PKG_VERSION"));
    assert_eq!(version["interface"], gopiper_abi::raw::INTERFACE_VERSION);
    assert!(
        version["luajit"].as_str().is_some_and(|luajit| luajit.starts_with("2.1")),
        "{version}"
    );
    assert!(
        version["rustc"].as_str().is_some_and(|rustc| rustc.starts_with("rustc 1.")),
        "{version}"
    );
    let (code, stdout, _) = said(&["version"]);
    assert!(code == 0 && stdout.contains("LuaJIT"), "{stdout}");
}

/// A pipeline with everything that a drawing shows.
const BRANCHES: &str = "local gopiper = require('gopiper')
local function null() return gopiper.loadComponent('null_component.so', {}) end
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.route({ slow = 'slow' }, {
    slow = { gopiper.tee({ policy = 'detach', null() }, {}, {}) },
    default = {},
  }, { pool_size = 2, name = 'by \"speed\" <b>#1' }),
  gopiper.loadComponent('stdout_component.so', {}),
}, { name = 'both' })
";

#[test]
fn a_sink_for_failed_messages_is_drawn_and_what_it_loses_is_listed() {
    const FILE: &str = "local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('stdout_component.so', {}, { on_fail = 'stop' }),
}, { dead_letter = gopiper.loadComponent('null_component.so', {}, { name = 'bad' }) })
";
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), FILE).expect("written");
    let (file, path) = (file.path().display().to_string(), plugins().display().to_string());
    let (code, drawn, stderr) = said(&["graph", "--component-path", &path, &file]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(drawn.contains(r#"p0n2(["bad"])"#), "{drawn}");
    assert!(drawn.contains(r#"p0n0 -->|"failed"| p0n2"#), "{drawn}");
    assert!(!drawn.contains("p0n1 -->"), "a message that fails there stops the pipeline: {drawn}");
    let (code, checked, _) = said(&["check", "--component-path", &path, &file]);
    assert_eq!(code, 0);
    assert!(checked.contains("main: stdin → stdout: "), "{checked}");
    let loss = "failed messages with which bad (dead_letter) fails, too, are discarded (on_fail)";
    assert!(checked.contains(loss), "{checked}");
}

#[test]
fn graph_draws_components_and_connections() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), BRANCHES).expect("written");
    let file = file.path().display().to_string();
    let path = plugins().display().to_string();
    let drawn = |format| said(&["graph", "--component-path", &path, "--format", format, &file]);
    let (code, mermaid, stderr) = drawn("mermaid");
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(
        mermaid,
        r#"flowchart LR
  subgraph p0 ["both"]
    p0n0(["stdin"])
    p0n1["by #quot;speed#quot; #lt;b#gt;#35;1 × 2"]
    p0n2(["null"])
    p0n3(["stdout"])
    p0n0 --> p0n1
    p0n1 -.->|"slow, copy 1, detach"| p0n2
    p0n1 -->|"slow, copy 2"| p0n3
    p0n1 -->|"slow, copy 3"| p0n3
    p0n1 -->|"default"| p0n3
  end
"#
    );
    let (code, dot, _) = drawn("dot");
    assert_eq!(code, 0);
    for line in [
        "digraph gopiper {",
        r#"    label="both""#,
        r#"    p0n1 [shape=box, label="by \"speed\" <b>#1 × 2"]"#,
        r#"    p0n1 -> p0n2 [label="slow, copy 1, detach", style=dashed]"#,
        r#"    p0n0 -> p0n1 [label=""]"#,
    ] {
        assert!(dot.lines().any(|other| other == line), "{line}: {dot}");
    }
}

#[test]
fn check_shows_the_promise_of_each_way() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), BRANCHES).expect("written");
    let file = file.path().display().to_string();
    let (path, state) = (plugins().display().to_string(), format!("{file}.state"));
    let (code, stdout, stderr) =
        said(&["check", "--component-path", &path, "--state-dir", &state, &file]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let way = |branch: &str, end: &str| {
        format!("both: stdin → by \"speed\" <b>#1 → ({branch}) {end}: at most once")
    };
    let of_stdout = [
        "  stdin does not resend messages that were under way at a crash",
        "  stdout does not promise that the messages it has taken survive a crash",
    ];
    let of_null = [
        "  stdin does not resend messages that were under way at a crash",
        "  messages are dropped while null is full (policy)",
        "  messages that the branch of null has not finished at a crash, or when it ends alone, \
         are not resent (policy)",
    ];
    let ways = [
        ("slow, copy 1, detach", "null", &of_null[..]),
        ("slow, copy 2", "stdout", &of_stdout),
        ("slow, copy 3", "stdout", &of_stdout),
        ("default", "stdout", &of_stdout),
    ];
    let mut expected = String::new();
    for (branch, end, losses) in ways {
        expected += &format!("{}\n{}\n", way(branch, end), losses.join("\n"));
    }
    assert_eq!(stdout, expected);
    let json = ["--log-format", "json", "check", "--component-path", &path, "--state-dir", &state];
    let (_, stdout, _) = said(&[&json[..], &[&file]].concat());
    let objects: Vec<serde_json::Value> =
        stdout.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!(objects.len(), 4, "{stdout}");
    assert_eq!(
        objects[0],
        serde_json::json!({
            "pipeline": "both", "components": ["stdin", "by \"speed\" <b>#1", "null"],
            "branches": ["", "", "slow, copy 1, detach"], "promise": "at most once",
            "losses": of_null.map(str::trim),
            "duplicates": [
                "stdin does not give messages identities that stay the same",
                "null does not write each message once",
            ],
        })
    );
}

#[test]
fn check_names_options_that_may_lose_messages_and_bounds_the_ways() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let tees = "gopiper.tee({}, {}),\n  function() end,\n".repeat(40);
    let text = format!(
        "local gopiper = require('gopiper')\ngopiper.createPipeline({{
  gopiper.loadComponent('file_source_component.so', {{ paths = {{ '/etc/passwd' }}, checkpoint = false, from = 'end' }}),
  {tees}
  gopiper.loadComponent('file_sink_component.so', {{ path = '/tmp/gopiper-checked', sync = 'interval' }}),
}})"
    );
    std::fs::write(file.path(), text).expect("written");
    let (path, state) = (plugins().display().to_string(), file.path().display().to_string() + "!");
    let file = file.path().display().to_string();
    let (code, stdout, stderr) =
        said(&["check", "--component-path", &path, "--state-dir", &state, &file]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let lines: Vec<_> = stdout.lines().collect();
    assert_eq!(lines.len(), 301);
    assert_eq!(
        lines[1..3],
        [
            "  file_source does not resend messages that were under way at a crash (from = 'end' \
             with checkpoint = false)",
            "  file_sink does not promise that the messages it has taken survive a crash (sync = \
             'interval')"
        ]
    );
    assert_eq!(lines[300], "main: and more ways than these 100");
}

#[test]
fn the_example_of_graphs_keeps_all_lines_and_shows_errors() {
    let folder = tempfile::tempdir().expect("a folder");
    common::copy_examples(folder.path());
    let mut command = gopiper();
    command.args(["run", "examples/graphs.lua", "--state-dir", "state"]).current_dir(&folder);
    let log =
        std::fs::read_to_string(folder.path().join("examples/data/access.log")).expect("the log");
    let output = common::run(&mut command, log.as_bytes());
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    let archive = std::fs::read_to_string(folder.path().join("target/archive.log"));
    assert_eq!(archive.expect("the archive").lines().count(), 2 * log.lines().count());
    let stdout = stdout(&output);
    let mut shown: Vec<_> = stdout.lines().collect();
    let expected = log.lines().filter_map(|line| match line.split("\" ").nth(1)?.get(..3)? {
        "404" => Some(format!("dead link: {line}")),
        status => status.starts_with('5').then(|| format!("fault: {line}")),
    });
    let mut expected: Vec<_> = expected.flat_map(|line| [line.clone(), line]).collect();
    expected.sort();
    shown.sort_unstable();
    assert_eq!(shown, expected);
}

#[test]
fn inspect_shows_the_note() {
    let grep = plugins().join("grep_component.so");
    let (code, stdout, stderr) = said(&["inspect", &grep.display().to_string()]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    for line in
        ["name       grep", "kind       transform", "panic      unwinds", "seal       intact"]
    {
        assert!(stdout.contains(line), "{stdout}");
    }
}

#[test]
fn inspect_shows_the_note_of_a_damaged_file_and_why_it_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let damaged = folder.path().join("grep_component.so");
    let mut bytes = std::fs::read(plugins().join("grep_component.so")).expect("grep");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&damaged, bytes).expect("written");
    let (code, stdout, stderr) = said(&["inspect", &damaged.display().to_string()]);
    assert_eq!(code, 78);
    assert!(stdout.contains("name       grep") && stdout.contains("broken"), "{stdout}");
    assert!(stderr.contains("was changed after it was sealed"), "{stderr}");
}

#[test]
fn a_library_that_is_not_there_is_named_before_the_component_is_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("lacking_component.so");
    let mut bytes = std::fs::read(plugins().join("grep_component.so")).expect("grep");
    let name = b"libgcc_s.so.1\0";
    let at = bytes.windows(name.len()).position(|part| part == name).expect("it needs that");
    bytes[at + 7] = b'z';
    std::fs::write(&file, bytes).expect("written");
    gopiper_core::loader::seal(&file).expect("sealed");

    let shown = file.display().to_string();
    let (code, stdout, _) = said(&["inspect", &shown]);
    assert!(code == 0 && stdout.contains("not found: libgcc_z.so.1"), "{stdout}");
    let folder = folder.path().display().to_string();
    let (code, stdout, stderr) = said(&["list", "--component-path", &folder]);
    assert!(code == 0 && stdout.contains("lacking_component.so"), "{stdout}");
    let line = format!("warning: {shown} needs libraries that are not found: ");
    assert!(stderr.contains(&format!("{line}libgcc_z.so.1\n")), "{stderr}");
    assert_eq!(stderr.matches("not found").count(), 1, "{stderr}");
}

#[test]
fn verify_describes_a_file_in_one_line() {
    let grep = plugins().join("grep_component.so").display().to_string();
    let (code, stdout, _) = said(&["verify", &grep, "--include", "gates::", "--only-failed"]);
    assert_eq!(code, 0);
    assert!(stdout.starts_with(&format!("{grep}: transform grep 0.1.0, interface")), "{stdout}");
}

#[test]
fn a_refused_file_is_78_and_a_wrong_command_line_64() {
    for command in ["inspect", "verify"] {
        let (code, _, stderr) = said(&[command, "README.md"]);
        assert_eq!(code, 78, "{stderr}");
        assert!(stderr.contains("README.md") && stderr.contains("remedy"), "{stderr}");
    }
    for wrong in [&["no-such-command"][..], &["run", "--no-such-flag"], &["inspect"], &[]] {
        assert_eq!(said(wrong).0, 64, "{wrong:?}");
    }
    assert_eq!(said(&["run", "--log", "[[", "examples/seed.lua"]).0, 64);
    let (code, _, stderr) = said(&["run", "no-such-file.lua"]);
    assert!(code == 78 && stderr.contains("there is no file no-such-file.lua"), "{stderr}");
    assert_eq!(said(&["--help"]).0, 0);
}

#[test]
fn no_state_is_left_where_none_is_needed() {
    let home = tempfile::tempdir().expect("a folder");
    let output = gopiper().args(["run", "examples/seed.lua"]).env("HOME", home.path()).output();
    assert!(output.expect("it ran").status.success());
    assert_eq!(std::fs::read_dir(home.path()).expect("the folder").count(), 0);
}

/// The file runs again for each worker of a function.
#[test]
fn printed_text_is_in_the_log_once_and_not_in_the_output() {
    let text = "local gopiper = require('gopiper')
print('the file', 1, nil)
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.transform(function(message) print('of', message.data) end, { name = 'says', pool_size = 3 }),
  gopiper.loadComponent('stdout_component.so', {}),
})
";
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    let mut command = gopiper();
    command.arg("-v").arg("run").arg("--component-path").arg(plugins()).arg(file.path());
    let output = run(&mut command, b"one\ntwo\n");
    let said = stderr(&output);
    assert_eq!(stdout(&output), "one\ntwo\n", "{said}");
    for (text, component) in [("the file\t1\tnil", ""), ("of\tone", "says"), ("of\ttwo", "says")] {
        let lines: Vec<_> = said.lines().filter(|line| line.contains(text)).collect();
        assert!(lines.len() == 1 && lines[0].contains(component), "{text}: {said}");
    }
}

#[test]
fn a_wrong_variable_is_named() {
    let with = |name: &str, value: &str| {
        let mut command = gopiper();
        let output = run(command.arg("version").env(name, value), b"");
        (output.status.code(), stderr(&output))
    };
    for value in ["1", "true", "yes", "0", "false", ""] {
        assert_eq!(with("GOPIPER_QUIET", value), (Some(0), String::new()), "{value}");
    }
    for name in ["GOPIPER_QUIET", "GOPIPER_LOG_FORMAT"] {
        let (code, said) = with(name, "xml");
        assert_eq!(code, Some(64), "{said}");
        assert!(said.contains(&format!("invalid value 'xml' for '{name}'")), "{said}");
    }
    let mut command = gopiper();
    command.args(["run", "a.lua"]).env("GOPIPER_SHUTDOWN_TIMEOUT", "soon");
    let said = stderr(&run(&mut command, b""));
    assert!(said.contains("'soon' for 'GOPIPER_SHUTDOWN_TIMEOUT'"), "{said}");
    let mut command = gopiper();
    command.args(["version", "--log-format", "xml"]).env("GOPIPER_LOG_FORMAT", "json");
    let said = stderr(&run(&mut command, b""));
    assert!(said.contains("'xml' for '--log-format"), "{said}");
}

#[test]
fn a_missing_directory_of_components_is_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.lua");
    let text = "require('gopiper').loadComponent('no_component.so')";
    std::fs::write(&file, text).expect("written");
    let path = format!("/nope::{}", folder.path().display());
    let mut command = gopiper();
    let output = run(command.arg("check").arg(&file).env("GOPIPER_COMPONENT_PATH", &path), b"");
    let said = stderr(&output);
    assert!(said.contains("warning: there is no directory /nope"), "{said}");
    let place = folder.path().join("no_component.so").display().to_string();
    assert_eq!(said.matches(&place).count(), 1, "each place once: {said}");
    assert!(!said.contains("\n  no_component.so"), "not the working directory: {said}");
    let output = run(gopiper().arg("list").env("GOPIPER_COMPONENT_PATH", &path), b"");
    assert!(stderr(&output).contains("there is no directory /nope"), "{}", stderr(&output));
    let file = common::pipeline("", "{}");
    let path = format!("/nope:{}", plugins().display());
    for (arguments, code) in [(&["check"][..], 0), (&["check", "--deny-warnings"], 78)] {
        let mut command = gopiper();
        command.args(arguments).arg(file.path()).env("GOPIPER_COMPONENT_PATH", &path);
        let output = run(&mut command, b"");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn a_file_that_is_missing_is_named_with_the_nearest_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = |arguments: &[&str]| {
        let mut command = gopiper();
        stderr(&run(command.current_dir(folder.path()).args(arguments), b""))
    };
    let check = |arguments: &[&str]| said(&[&["check"], arguments].concat());
    for command in ["run", "check", "graph", "dlq replay"] {
        let mut words: Vec<_> = command.split(' ').collect();
        words.extend(["--state-dir", "."]);
        words.extend((command == "dlq replay").then_some(["--component", "x"]).iter().flatten());
        let missing = "error: there is no pipeline.lua here; name the file: gopiper";
        assert_eq!(said(&words), format!("{missing} {command} FILE\n"));
    }
    std::fs::write(folder.path().join("pipelines.lua"), "").expect("written");
    assert!(check(&[]).contains("here; did you mean 'pipelines.lua'?"), "{}", check(&[]));
    assert_eq!(check(&["x.lua"]), "error: there is no file x.lua\n");
}
