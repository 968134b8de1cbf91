//! Debuggers find the code of components.
mod common;

use std::{fs, path::Path, process::Command};

use common::{gopiper, plugins, root, stderr, stdout};

/// Stops in the component as it handles a message, and returns what gdb says of the calls and of
/// the libraries.
fn stopped_by_gdb(folder: &Path, arguments: &[&str]) -> String {
    let source = "components/grep/src/lib.rs";
    let text = fs::read_to_string(root().join(source)).expect("the source");
    let line =
        text.lines().position(|line| line.contains("fn handle_batch")).expect("the function");
    let program = gopiper();
    let mut gdb = Command::new("gdb");
    gdb.args(["--batch", "-nx", "-iex", "set debuginfod enabled off"]);
    gdb.args(["-ex", "set breakpoint pending on", "-ex", &format!("break {source}:{}", line + 1)]);
    gdb.args(["-ex", &format!("run run {} pipeline.lua < input", arguments.join(" "))]);
    gdb.args(["-ex", "bt 1", "-ex", "info sharedlibrary", "-ex", "kill"]);
    gdb.arg(program.get_program()).current_dir(folder);
    gdb.env_clear().env("GOPIPER_COMPONENT_PATH", plugins()).env("SHELL", "/bin/sh");
    let output = gdb.env("PATH", std::env::var_os("PATH").unwrap_or_default()).output();
    let output = output.expect("gdb");
    format!("{}{}", stdout(&output), stderr(&output))
}

#[test]
fn a_breakpoint_stops_in_a_component() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipeline = "local gopiper = require('gopiper')\n\
                    gopiper.createPipeline({\n  \
                    gopiper.loadComponent('stdin_component.so'),\n  \
                    gopiper.loadComponent('grep_component.so', { word = 'a' }),\n  \
                    gopiper.loadComponent('stdout_component.so'),\n})\n";
    fs::write(folder.path().join("pipeline.lua"), pipeline).expect("written");
    fs::write(folder.path().join("input"), "a\nb\n").expect("written");
    let in_place = plugins().join("grep_component.so").canonicalize().expect("the component");
    let in_place = in_place.display().to_string();
    for (arguments, path) in [(&[][..], "/proc/"), (&["--load-in-place"], &in_place)] {
        let said = stopped_by_gdb(folder.path(), arguments);
        let frame =
            said.lines().find(|line| line.starts_with("#0 ")).unwrap_or_else(|| panic!("{said}"));
        assert!(frame.contains("handle_batch") && frame.contains("grep/src/lib.rs:"), "{said}");
        assert!(said.lines().any(|line| line.contains("Yes") && line.contains(path)), "{said}");
    }
}
