//! Bytes are sacred: the seed's example is the identity on any input.
mod common;

use std::{
    fs::{File, OpenOptions},
    io::Write,
    process::Stdio,
};

use common::{feed, gopiper, pipeline, root, run, stderr};
use proptest::prelude::*;

/// The seed's example, unchanged.
const SEED: &str = "examples/seed.lua";

/// The output, and the number of messages read.
fn through(lua: &str, input: &[u8]) -> (Vec<u8>, u64) {
    let mut command = gopiper();
    command.args(["run", lua, "-v", "--log-format", "json"]);
    let output = run(&mut command, input);
    assert!(output.status.success(), "{}", stderr(&output));
    let lines = stderr(&output);
    let finished = lines.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let mut finished = finished.filter(|line: &serde_json::Value| line["component"] == "stdin");
    let sent = finished.next().expect("a line of stdin")["sent"].as_u64().expect("a number");
    (output.stdout, sent)
}

fn lines_of(input: &[u8]) -> u64 {
    input.split_inclusive(|byte| *byte == b'\n').count() as u64
}

fn is_identity(lua: &str, input: &[u8]) {
    let (output, messages) = through(lua, input);
    assert!(output == input, "{} bytes went in, {} came out", input.len(), output.len());
    assert_eq!(messages, lines_of(input), "a message for each line");
}

#[test]
fn of_the_seeds_example() {
    for input in [
        &b""[..],
        b"\n",
        b"no newline at the end",
        b"NUL \0 in a line\n\0\n",
        b"no UTF-8: \xff\xfe\xc3\n",
        b"CR LF\r\n\r\nend\r\n",
        &b"\n".repeat(70_000),
        &b"x".repeat(900_000),
        &[b"x".repeat(900_000), b"\n".to_vec(), b"y".repeat(300_000)].concat(),
    ] {
        is_identity(SEED, input);
    }
}

#[test]
fn of_a_line_past_the_limit() {
    // 40 MB take a second in a debug build: the default limit is 16 MB.
    let input = [b"x".repeat(40 << 20), b"\nshort\n".to_vec()].concat();
    let (output, messages) = through(SEED, &input);
    assert!(output == input, "{} bytes went in, {} came out", input.len(), output.len());
    assert_eq!(messages, 4, "three parts, and the short one");
}

#[test]
fn with_the_first_gopipers_flag() {
    let output = run(gopiper().args(["-pipe", SEED]), b"a\nb");
    assert_eq!((output.stdout, output.status.code()), (b"a\nb".to_vec(), Some(0)));
}

#[test]
fn through_a_file_and_through_a_delimiter() {
    let path = root().join("examples/data/access.log");
    let input = std::fs::read(&path).expect("the example's data");
    let mut command = gopiper();
    command.args(["run", SEED]).stdin(File::open(path).expect("the example's data"));
    assert!(command.output().expect("it ran").stdout == input);

    let lua = pipeline("", "{ delimiter = '\\r\\n' }");
    let output = run(gopiper().arg("run").arg(lua.path()), b"a\r\nb\rc\nd\r\n");
    assert_eq!(output.stdout, b"a\nb\rc\nd\n", "stdout writes its own delimiter");
}

proptest! {
    // Each case starts two processes: about a dozen run in a second.
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn of_random_bytes(input in prop::collection::vec(prop_oneof![Just(b'\n'), Just(0), any::<u8>()], 0..5000)) {
        is_identity(SEED, &input);
    }

    #[test]
    fn of_random_bytes_in_small_blocks(
        input in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..3000),
        block in 1usize..50,
    ) {
        let lua = pipeline("", &format!("{{ block_size = {block} }}"));
        is_identity(&lua.path().display().to_string(), &input);
    }
}

#[test]
fn a_reader_that_has_enough_ends_it_quietly() {
    let mut child = gopiper().args(["run", SEED]).stdin(Stdio::piped()).spawn().expect("started");
    let feeder = feed(&mut child, b"line\n".repeat(1_000_000));
    // Reads a little, then closes the pipe, as `head -n 1` does.
    let mut stdout = child.stdout.take().expect("a pipe");
    std::io::Read::read_exact(&mut stdout, &mut [0; 5]).expect("a line");
    drop(stdout);
    let output = child.wait_with_output().expect("ended");
    feeder.join().expect("fed");
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
}

#[test]
fn a_full_disk_ends_it_with_an_error() {
    let full = OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let mut child =
        gopiper().args(["run", SEED]).stdin(Stdio::piped()).stdout(full).spawn().expect("started");
    let feeder = feed(&mut child, b"line\n".repeat(100_000));
    let output = child.wait_with_output().expect("ended");
    feeder.join().expect("fed");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("No space left on device"), "{}", stderr(&output));
    assert!(stderr(&output).contains("left unprocessed"), "{}", stderr(&output));
}

#[test]
fn a_closed_input_is_an_error_and_an_ended_one_is_not() {
    let mut child = gopiper().args(["run", SEED]).stdin(Stdio::piped()).spawn().expect("started");
    drop(child.stdin.take());
    assert!(child.wait().expect("ended").success());
    let folder = File::open("/").expect("a folder");
    let output = gopiper().args(["run", SEED]).stdin(folder).output().expect("ended");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot read standard input"), "{}", stderr(&output));
}

#[test]
fn a_message_comes_out_before_the_next_goes_in() {
    // Interactive: nothing waits for a batch to fill up.
    let mut child = gopiper().args(["run", SEED]).stdin(Stdio::piped()).spawn().expect("started");
    let (mut stdin, mut stdout) =
        (child.stdin.take().expect("in"), child.stdout.take().expect("out"));
    for _ in 0..100 {
        stdin.write_all(b"ping\n").expect("written");
        let mut answer = [0; 5];
        std::io::Read::read_exact(&mut stdout, &mut answer).expect("answered");
        assert_eq!(&answer, b"ping\n");
    }
    drop(stdin);
    assert!(child.wait().expect("ended").success());
}

/// Runs the program in a shell, which can close descriptors as no [`Command`] can: `$P` is a
/// pipeline's file.
fn in_a_shell(command: &str, pipeline: &str) -> (std::process::Output, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("in")).expect("made");
    std::fs::write(folder.path().join("in/a.log"), "a\n").expect("written");
    let text =
        format!("local gopiper = require('gopiper')\ngopiper.createPipeline({{ {pipeline} }})\n");
    std::fs::write(folder.path().join("pipeline.lua"), text).expect("written");
    let program = gopiper();
    let output = std::process::Command::new("sh")
        .args(["-c", command])
        .current_dir(folder.path())
        .env("G", program.get_program())
        .env("GOPIPER_COMPONENT_PATH", common::plugins())
        .output()
        .expect("a shell");
    (output, folder)
}

const STDIN: &str = "gopiper.loadComponent('stdin_component.so', {})";
const STDOUT: &str = "gopiper.loadComponent('stdout_component.so', {})";
const FILES: &str = "gopiper.loadComponent('file_source_component.so', { paths = { 'in/*.log' }, checkpoint = false })";

#[test]
fn a_closed_standard_stream_is_refused() {
    let through = format!("{STDIN}, {STDOUT}");
    for (command, pipeline, said) in [
        ("echo a | $G run >&-", &through, "standard output is closed; if its"),
        ("$G run <&-", &through, "standard input is closed; if there"),
        ("$G run <&- >&-", &through, "standard output is closed; if its"),
        ("$G check >&-", &through, "standard output is closed; if its"),
        ("echo a | $G run 1< in/a.log", &through, "standard output is only open for reading"),
        ("$G run 0> in/b.log", &through, "standard input is only open for writing"),
        (
            "$G run > in/b.log",
            &format!("{FILES}, {STDOUT}"),
            "file_source of pipeline main reads what it writes",
        ),
        (
            "$G run >> in/a.log",
            &format!("{FILES}, {STDOUT}"),
            "file_source of pipeline main reads what it writes",
        ),
    ] {
        let (output, _) = in_a_shell(command, pipeline);
        assert_eq!(output.status.code(), Some(78), "{command}: {}", stderr(&output));
        assert!(stderr(&output).contains(said), "{command}: {}", stderr(&output));
    }
}

#[test]
fn closed_streams_that_are_not_needed_do_no_harm() {
    let pipeline =
        format!("{FILES}, gopiper.loadComponent('file_sink_component.so', {{ path = 'out' }})");
    for closed in ["2>&-", "<&- >&- 2>&-", "<&- 2>&-"] {
        let (output, folder) = in_a_shell(&format!("$G run -vv {closed}"), &pipeline);
        assert_eq!(output.status.code(), Some(0), "{closed}");
        let written = std::fs::read_to_string(folder.path().join("out")).expect("read");
        assert_eq!(written, "a\n", "{closed}: what is logged goes to no file");
    }
}

#[test]
fn more_files_may_be_open_than_the_shell_lets() {
    let pipeline = format!("{FILES}, {STDOUT}").replace("checkpoint", "follow = true, checkpoint");
    let command = "for n in $(seq 100); do echo $n > in/$n.log; done; ulimit -Sn 64; \
                   timeout -s TERM 3 $G run";
    let (output, _) = in_a_shell(command, &pipeline);
    assert_eq!(
        output.stdout.iter().filter(|byte| **byte == b'\n').count(),
        101,
        "{}",
        stderr(&output)
    );
    assert!(!stderr(&output).contains("cannot open"), "{}", stderr(&output));
}

#[test]
fn a_followed_pattern_that_matches_nothing_is_a_warning() {
    let pipeline = format!("{FILES}, {STDOUT}")
        .replace("checkpoint", "follow = true, checkpoint")
        .replace("*.log", "x/*");
    let (output, _) = in_a_shell("$G check", &pipeline);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(
        said.contains("warning: file_source: attribute paths[1]: no file matches 'in/x/*'"),
        "{said}"
    );
    assert!(said.contains("pipeline.lua:2:"), "{said}");
    let (output, _) = in_a_shell("$G check --deny-warnings", &pipeline);
    assert_eq!(output.status.code(), Some(78));
}
