//! The limits of a process: the error names the place, or the component.
mod common;

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Output},
};

use common::{gopiper, pipeline, root, run, stderr};

/// Runs this pipeline's file on these lines, within the limits that the shell sets first.
fn limited(first: &str, text: &str, input: &[u8]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("pipeline.lua");
    fs::write(&file, format!("local gopiper = require('gopiper')\n{text}")).expect("written");
    let program = gopiper();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{first} \"$0\" run pipeline.lua --state-dir state")]);
    shell.arg(program.get_program()).current_dir(folder.path()).env_clear();
    shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    run(&mut shell, input)
}

/// Rust's own handler reports it, with the thread's name, which is the component's.
#[test]
fn a_stack_that_overflows_names_the_component() {
    let file =
        pipeline("gopiper.loadComponent('faults_component.so', {}, { name = 'culprit' }),", "{}");
    let state = tempfile::tempdir().expect("a folder");
    let mut command = gopiper();
    command.arg("run").arg(file.path()).env("GOPIPER_STATE_DIR", state.path());
    let output = run(&mut command, b"done\noverflow\n");
    let said = stderr(&output);
    assert_eq!(output.status.signal(), Some(6), "{said}");
    assert!(said.contains("thread 'culprit'") && said.contains("overflowed its stack"), "{said}");
}

const GREEDY: &str = "local all = {}
    local function more() while true do all[#all + 1] = ('x'):rep(1000000) .. #all end end";

#[test]
fn a_file_that_takes_all_memory_gets_an_error_with_its_place() {
    let output = limited("ulimit -v 4000000;", &format!("{GREEDY}\nmore()"), b"");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("not enough memory") && said.contains("pipeline.lua"), "{said}");
}

#[test]
fn a_function_that_takes_all_the_memory_fails_its_message() {
    let text = format!(
        "{GREEDY}
gopiper.createPipeline({{
  gopiper.loadComponent('stdin_component.so'),
  function(message) if message.data == 'greedy' then more() end end,
  gopiper.loadComponent('stdout_component.so'),
}})"
    );
    let output = limited("ulimit -v 4000000;", &text, b"one\ngreedy\ntwo\n");
    let said = stderr(&output);
    assert!(said.contains("pipeline.lua:6: not enough memory"), "{said}");
    assert!(output.stdout.starts_with(b"one\n"), "{said}");
    assert_eq!(output.status.signal(), None, "{said}");
}

/// The messages that a function emits are outside of Lua's memory.
#[test]
fn a_function_that_makes_too_much_of_a_message_fails_it() {
    for (body, said) in [
        ("while true do m:append(('x'):rep(10000000)) end", "p:4: not enough memory"),
        ("while true do m:emit(('x'):rep(10000000)) end", "p:4: not enough memory"),
        ("while true do w:emit(('x'):rep(10000000)) end", "p:4: attributes: not enough memory"),
        (
            "for i = 1, 1000000 do m.attributes['a' .. i] = ('x'):rep(1000000) end",
            "not enough memory",
        ),
        ("return gopiper.FAIL, ('x'):rep(100000000)", "a message failed: xxx"),
    ] {
        let text = format!(
            "gopiper.createPipeline({{
  gopiper.loadComponent('stdin_component.so'),
  gopiper.transform(function(m, w) if m.data == 'greedy' then {body} end end, {{ every = 60, timeout = 300, flush = function() end }}),
  gopiper.loadComponent('stdout_component.so'),
}})"
        );
        for limit in ["ulimit -v 2000000;", "ulimit -d 1000000;"] {
            let output = limited(limit, &text, b"one\ngreedy\ntwo\n");
            let log = stderr(&output);
            assert!(log.contains(&said.replace("p:", "pipeline.lua:")), "{body}: {log}");
            assert_eq!(output.status.code(), Some(0), "{body}: {log}");
            assert_eq!(String::from_utf8_lossy(&output.stdout), "one\ntwo\n", "{body}");
            assert!(!log.contains("panicked"), "{body}: {log}");
        }
    }
}

/// It is endless, and takes the thread's stack for each call.
#[test]
fn endless_recursion_through_lua_is_an_error() {
    for (call, said) in [
        ("return (('a'):gsub('a', f))", "string.gsub nested deeper than 100 levels"),
        ("coroutine.wrap(f)()", "coroutines nested deeper than 100 levels"),
        (
            "assert(coroutine.resume(coroutine.create(f)))",
            "coroutines nested deeper than 100 levels",
        ),
        ("f()", "stack overflow"),
        ("return string.format('%s', setmetatable({}, { __tostring = f }))", "stack overflow"),
    ] {
        let text = format!(
            "local n = 0
local function f()
  n = n + 1
  if n <= 101 or '{said}' == 'stack overflow' then {call} end
end
gopiper.createPipeline({{
  gopiper.loadComponent('stdin_component.so'),
  function(m) f() end,
  gopiper.loadComponent('stdout_component.so'),
}})"
        );
        let output = limited("", &text, b"one\n");
        let log = stderr(&output);
        assert!(log.contains(said) && log.contains("pipeline.lua:"), "{call}: {log}");
        assert_eq!(output.status.code(), Some(0), "{call}: {log}");
        let output = limited("", &format!("{text}\nf()"), b"");
        assert_eq!(output.status.code(), Some(78), "{call}: {}", stderr(&output));
    }
}

#[test]
fn functions_run_uncompiled_if_memory_cannot_be_executable() {
    let folder = tempfile::tempdir().expect("a folder");
    let launcher = folder.path().join("mdwe");
    compile(&root().join("gopiper-lua/tests/limits/mdwe.c"), &launcher);
    let text = "gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so'),
  function(message) if not message:find('7') then return gopiper.DROP end end,
  gopiper.loadComponent('stdout_component.so'),
})";
    let lines: String = (0..1000).map(|n| format!("{n}\n")).collect();
    let kept: String =
        lines.lines().filter(|n| n.contains('7')).map(|n| format!("{n}\n")).collect();
    let output = limited(&launcher.display().to_string(), text, lines.as_bytes());
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), kept);
    assert!(said.contains("Lua is not compiled") || !is_kept(&launcher), "{said}");
}

fn compile(source: &Path, program: &Path) {
    let status = Command::new("cc").arg("-O2").arg("-o").arg(program).arg(source).status();
    assert!(status.expect("cc runs").success());
}

/// Whether this kernel (from 6.3 on) keeps a process from making memory executable.
fn is_kept(launcher: &Path) -> bool {
    let script =
        "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)";
    let mut python = Command::new(launcher);
    python.args(["/usr/bin/python3", "-c", script]);
    !python.output().expect("python3 runs").status.success()
}
