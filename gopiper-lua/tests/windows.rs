//! Functions that collect, as an operator runs them.
mod common;

use std::{fmt::Write, fs, process::Command};

use common::{gopiper, pipeline, root, run, stderr};

fn output(file: &std::path::Path, input: &[u8]) -> String {
    let output = run(gopiper().arg("run").arg(file), input);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    String::from_utf8(output.stdout).expect("text")
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort();
    lines
}

fn awk(program: &str, input: &std::path::Path) -> String {
    let output = Command::new("awk").arg(program).arg(input).output().expect("awk");
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).expect("text")
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

/// Every so often what there is by then.
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
