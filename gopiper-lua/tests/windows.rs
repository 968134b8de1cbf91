//! Functions that collect, as an operator runs them.
mod common;

use std::{
    fmt::Write,
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use common::{gopiper, pipeline, root, run, send, stderr, stdout};
use rustix::process::Signal;

fn output(file: &std::path::Path, input: &[u8]) -> String {
    let output = run(gopiper().arg("run").arg(file), input);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    stdout(&output)
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort();
    lines
}

fn awk(program: &str, input: &std::path::Path) -> String {
    let output = Command::new("awk").arg(program).arg(input).output().expect("awk");
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

/// A second function gives each key to one of two workers, whose window sums it up.
#[test]
fn the_sums_of_a_million_lines_are_awks() {
    let mut text = String::new();
    for n in 0u64..1_000_000 {
        writeln!(text, "key{} {}", n * n % 997 % 100, n % 1000).expect("written");
    }
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), &text).expect("written");
    let lua = pipeline(
        "function(message)
            message.attributes.key = message:sub(1, message:find(' ') - 1)
        end,
        gopiper.transform(function(message)
            sums = sums or {}
            local key = message.attributes.key
            sums[key] = (sums[key] or 0) + tonumber(message:sub(#key + 2))
            return gopiper.CONTINUE, key
        end, { pool_size = 2, partition_by = 'key', every = 60, flush = function(window)
            for key, sum in pairs(sums or {}) do window:emit(key .. ' ' .. sum, { key = key }) end
            sums = {}
        end }),",
        "{}",
    );
    let expected = awk("{ s[$1] += $2 } END { for (k in s) print k, s[k] }", file.path());
    assert_eq!(sorted(&output(lua.path(), text.as_bytes())), sorted(&expected));
}

/// The messages so far, at each interval.
#[test]
fn nothing_is_counted_twice_or_not_at_all() {
    let lua = pipeline(
        "gopiper.transform(function(message)
            n = (n or 0) + 1
            return gopiper.CONTINUE
        end, { every = 0.005, flush = function(window)
            if n then window:emit(tostring(n)) end
            n = nil
        end }),",
        "{}",
    );
    let text = "a line\n".repeat(500_000);
    let counts = output(lua.path(), text.as_bytes());
    let counts: Vec<u64> = counts.lines().map(|line| line.parse().expect("a number")).collect();
    assert!(counts.len() > 2, "{counts:?}");
    assert_eq!(counts.iter().sum::<u64>(), 500_000);
}

#[test]
fn the_example_counts_as_awk_does() {
    let log = root().join("examples/data/access.log");
    let input = fs::read(&log).expect("the log");
    let counted = output(&root().join("examples/rates.lua"), &input);
    let expected = awk(
        r#"{ split($0, part, "\" "); n[substr($4, 2) "\",\"status\":" substr(part[2], 1, 3)]++ }
        END { for (k in n) printf "{\"second\":\"%s,\"requests\":%d}\n", k, n[k] }"#,
        &log,
    );
    assert_eq!(sorted(&counted), sorted(&expected));
}

/// Messages kept at a kill come again, and those emitted before do not.
#[test]
fn kept_messages_are_not_finished() {
    let folder = tempfile::tempdir().expect("a folder");
    let lua = "local gopiper = require('gopiper')
        gopiper.createPipeline({
            gopiper.loadComponent('file_source_component.so', {
                paths = { 'in' }, follow = true, checkpoint_interval = 0.01,
            }),
            gopiper.transform(function(message, window)
                first, last, n = first or message.data, message.data, (n or 0) + 1
                if n == 300 then
                    window:emit(first .. '-' .. last)
                    first, n = nil, 0
                end
                return gopiper.CONTINUE
            end, { every = 3600, flush = function(window, ended)
                if first then window:emit(first .. '-' .. last .. ' at the end') end
            end }),
            gopiper.loadComponent('file_sink_component.so', { path = 'out' }),
        })";
    fs::write(folder.path().join("pipeline.lua"), lua).expect("written");
    let lines: String = (1..=1000).map(|n| format!("{n}\n")).collect();
    fs::write(folder.path().join("in"), lines).expect("written");
    let written = || fs::read_to_string(folder.path().join("out")).unwrap_or_default();
    let until = |lines: usize| {
        let begun = Instant::now();
        while written().lines().count() < lines {
            assert!(begun.elapsed() < Duration::from_secs(20), "{}", written());
            thread::sleep(Duration::from_millis(5));
        }
        // For the checkpoint, and for lines that should not come.
        thread::sleep(Duration::from_millis(300));
    };
    let start = || {
        let mut command = gopiper();
        command.args(["run", "pipeline.lua", "--state-dir", "state"]).current_dir(&folder);
        command.spawn().expect("started")
    };
    let mut child = start();
    until(3);
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert_eq!(written(), "1-300\n301-600\n601-900\n");
    let child = start();
    until(3);
    send(&child, Signal::TERM);
    let output = child.wait_with_output().expect("ended");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(written(), "1-300\n301-600\n601-900\n901-1000 at the end\n");
}

/// A mistake in the last flush loses nothing: after a repair all messages are there.
#[test]
fn messages_that_the_last_flush_fails_come_again() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("in"), "a\nb\nc\n").expect("written");
    let run = |flush: &str| {
        let lua = format!(
            "local gopiper = require('gopiper')
            gopiper.createPipeline({{
                gopiper.loadComponent('file_source_component.so', {{ paths = {{ 'in' }} }}),
                gopiper.transform(function(message)
                    all = (all or '') .. message.data
                    return gopiper.CONTINUE
                end, {{ every = 3600, flush = function(window) {flush} end }}),
                gopiper.loadComponent('stdout_component.so', {{}}),
            }})"
        );
        fs::write(folder.path().join("pipeline.lua"), lua).expect("written");
        let mut command = gopiper();
        command.args(["run", "pipeline.lua", "--state-dir", "state"]).current_dir(&folder);
        let output = command.output().expect("it ran");
        (output.status.code(), stdout(&output))
    };
    for wrong in ["window:emit(al)", "error('broken')", ""] {
        assert_eq!(run(wrong), (Some(1), String::new()), "{wrong}");
    }
    assert_eq!(run("if all then window:emit(all) end"), (Some(0), "abc\n".into()));
    assert_eq!(run("if all then window:emit(all) end"), (Some(0), String::new()));
}
