//! With `--json` and `--log-format json`, errors are objects, too.
mod common;

use std::{fs, path::Path};

use common::{gopiper, plugins, run, stderr};
use serde_json::Value;

/// The objects on standard error, and the exit code.
fn objects(folder: &Path, arguments: &[&str]) -> (Vec<Value>, Option<i32>) {
    let mut command = gopiper();
    let output = run(command.current_dir(folder).args(arguments), b"");
    let said = stderr(&output);
    let object = |line| {
        let object: Option<Value> = serde_json::from_str(line).ok();
        object.filter(Value::is_object).unwrap_or_else(|| panic!("{arguments:?}: {said}"))
    };
    (said.lines().map(object).collect(), output.status.code())
}

#[test]
fn each_error_is_an_object() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes);
    write("none.so", b"no component").expect("written");
    write("wrong.lua", b"error('no')").expect("written");
    write("empty.lua", b"").expect("written");
    write("ends.lua", common::pipeline_text("", "{}").as_bytes()).expect("written");
    let pass = plugins().join("pass_component.so").display().to_string();
    let json = ["--log-format", "json"];
    for (arguments, level, code) in [
        (&["list", "--json", "no.lua"][..], "ERROR", 78),
        (&["list", "--json", "--component-path", "nowhere"], "WARN", 0),
        (&["inspect", "--json", "none.so"], "ERROR", 78),
        (&["inspect", "--json", "none.so", "--trusted-key", "no.pub"], "ERROR", 78),
        (&["verify", "--json", "none.so"], "ERROR", 78),
        (&["verify", "--json", &pass, "--attributes", "1"], "ERROR", 78),
        (&["verify", "--json", &pass, "--include", "no-such-test"], "ERROR", 64),
        (&["dlq", "list", "--json", "no.lua"], "ERROR", 78),
        (&["dlq", "list", "--json", "--state-dir", "none", "empty.lua"], "INFO", 0),
        (&["dlq", "list", "--json", "--state-dir", "none.so", "empty.lua"], "ERROR", 78),
        (&["version", "--json", "--log", "debgu"], "ERROR", 64),
        (&["version", "--json", "--nope"], "ERROR", 64),
        (&["nope"], "ERROR", 64),
        (&["dlq"], "ERROR", 64),
        (&["inspect", "none.so"], "ERROR", 78),
        (&["check", "no.lua"], "ERROR", 78),
        (&["check", "wrong.lua"], "ERROR", 78),
        (&["check", "empty.lua", "--log", "off"], "ERROR", 78),
        (&["graph", "empty.lua"], "ERROR", 78),
        (&["run", "ends.lua", "--state-dir", "none.so"], "ERROR", 78),
        (&["run", "wrong.lua", "--trusted-key", "no.pub"], "ERROR", 78),
        (&["dlq", "show", "ends.lua"], "ERROR", 64),
        (&["dlq", "show", "no-id", "--state-dir", ".", "ends.lua"], "ERROR", 1),
        (&["dlq", "replay", "--state-dir", ".", "ends.lua"], "INFO", 0),
        (&["dlq", "replay", "--state-dir", ".", "--component", "no", "ends.lua"], "ERROR", 78),
        (&["new", "Wrong", "--kind", "sink"], "ERROR", 78),
        (&["kit", "c", ".", "--from", "nowhere"], "ERROR", 78),
    ] {
        let mut all = arguments.to_vec();
        if !arguments.contains(&"--json") {
            all.extend(json);
        }
        let (objects, ended) = objects(folder.path(), &all);
        assert_eq!(ended, Some(code), "{all:?}: {objects:?}");
        assert!(!objects.is_empty(), "{all:?}: an error is never silent");
        for object in &objects {
            assert_eq!(object["level"], level, "{all:?}: {object}");
            let message = object["message"].as_str().unwrap_or_default();
            assert!(!message.is_empty() && !message.starts_with("gopiper:"), "{all:?}: {object}");
            assert!(object["timestamp"].is_string() && object["target"].is_string(), "{object}");
        }
        if arguments.contains(&"none.so") && arguments.len() < 4 {
            assert!(objects[0]["remedy"].is_string(), "{all:?}: {objects:?}");
        }
    }
}

#[test]
fn a_wrong_command_line_is_shown_in_the_format_that_was_wanted() {
    for (format, arguments, is_object) in [
        ("", &["run", "--nope"][..], false),
        ("json", &["run", "--nope"], true),
        ("json", &["--log-format", "text", "run", "--nope"], false),
        ("text", &["run", "--nope", "--log-format=json"], true),
    ] {
        let mut command = gopiper();
        let output = run(command.args(arguments).env("GOPIPER_LOG_FORMAT", format), b"");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(said.contains("unexpected argument '--nope' found"), "{said}");
        assert_eq!(
            serde_json::from_str::<Value>(&said).is_ok(),
            is_object,
            "{arguments:?}: {said}"
        );
        assert_eq!(said.starts_with("gopiper: unexpected"), !is_object, "{said}");
    }
}
