//! The conformance suite: all our components pass, and it finds faults.
mod common;

use std::{fs, os::unix::process::ExitStatusExt, path::PathBuf, process::Output};

use common::{gopiper, plugins, root, stderr, stdout, variants};

fn verify(file: &str, more: &[&str]) -> Output {
    let file = plugins().join(format!("{file}_component.so"));
    let command = &mut gopiper();
    command.arg("verify").arg(file).args(["--patience", "2"]).args(more);
    command.output().expect("it ran")
}

/// The verdicts other than success, as 'VERDICT name'.
fn wrong(output: &Output) -> Vec<String> {
    let text = stdout(output);
    let lines = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let shown =
        |it: serde_json::Value| format!("{} {}", it["verdict"], it["test"]).replace('"', "");
    let is_right = |it: &String| it.starts_with("PASSED") || it.starts_with("NOT APPLICABLE");
    lines.map(shown).filter(|it| !is_right(it)).collect()
}

#[test]
fn our_components_pass() {
    let file = root().join("examples/data/access.log").display().to_string();
    let paths = serde_json::json!({ "paths": [file] }).to_string();
    for (name, attributes) in [
        ("file_sink", r#"{"path":"out.log"}"#),
        ("file_source", &paths),
        ("generate", r#"{"count":1000}"#),
        ("grep", r#"{"word":"1"}"#),
        ("null", "{}"),
        ("pass", "{}"),
        ("stdin", "{}"),
        ("stdout", "{}"),
    ] {
        // It writes there on purpose.
        let exclude: &[&str] = match name {
            "stdout" => &["--exclude", "process::standard-output"],
            _ => &[],
        };
        let output = verify(name, &[&["--json", "--attributes", attributes], exclude].concat());
        assert_eq!(wrong(&output), [""; 0], "{name}");
        assert_eq!(output.status.code(), Some(0), "{name}");
    }
}

/// Takes long: all of the more than forty tests run once for each fault.
#[test]
fn each_test_finds_its_fault_and_no_other_one() {
    let listed = verify("pass", &["--list"]);
    let listed = stdout(&listed);
    let tests: Vec<_> = listed.lines().collect();
    assert!(tests.len() > 45, "{listed}");
    // The findings of the gates have tests of their own, below.
    for test in tests.iter().filter(|test| !test.starts_with("gates::")) {
        let component = if test.starts_with("sources::") { "faults_source" } else { "faults" };
        let file = plugins().join(format!("{component}_component.so"));
        let command = &mut gopiper();
        command.env("FAULTS", test).arg("verify").arg(file);
        let output = command.args(["--json", "--patience", "2", "--seed", "1"]).output();
        let mut wrong = wrong(&output.expect("it ran"));
        // Without a channel, no pipeline starts.
        wrong.retain(|it| *test != "life::pool-size" || !it.starts_with("SKIPPED"));
        assert_eq!(wrong.len(), 1, "{test}: {wrong:?}");
        assert!(wrong[0].ends_with(&format!(" {test}")), "{test}: {wrong:?}");
    }
}

/// These change the process, which others share. They neither end nor stop `verify`.
#[test]
fn odd_components_fail_for_their_own_reason() {
    let file = plugins().join("faults_component.so");
    for (test, said) in [
        ("process::standard-output", "it wrote 1080 bytes to standard output: \"handles a message"),
        ("process::standard-descriptors", "it closed descriptor 1"),
        ("process::working-directory", "it changed the working directory to /"),
        ("process::signals", "since the component was loaded, the process ignores SIGTERM"),
        ("process::umask", "it changed the umask from "),
        ("process::environment", "it changed the variable FAULTS_WERE_HERE of the environment"),
        ("process::threads", "3 more threads after three pipelines"),
        ("process::children", "it left 1 child process: "),
    ] {
        for more in [&[][..], &["--in-process"]] {
            let command = &mut gopiper();
            command.env("FAULTS", test).arg("verify").arg(&file).args(["--include", test]);
            command.args(["--attributes", "{\n}"]);
            let output = command.args(["--patience", "2"]).args(more).output().expect("it ran");
            let text = stdout(&output);
            // In this process, a closed standard output takes the verdict with it.
            if test == "process::standard-descriptors" && !more.is_empty() {
                continue;
            }
            assert_eq!(output.status.code(), Some(1), "{test}: {text}");
            let failed = format!("FAILED         {test}: ");
            let found = text.strip_prefix(&failed).unwrap_or_else(|| panic!("{test}: {text}"));
            // A thread that opens a file at that moment gets the number of the closed descriptor.
            let taken = test == "process::standard-descriptors"
                && found.starts_with("descriptor 1 is another file after it");
            assert!(found.starts_with(said) || taken, "{test}: {text}");
        }
    }
}

#[test]
fn a_reserved_status_is_named() {
    let mut command = gopiper();
    command.env("FAULTS", "reports::reserved-status").arg("verify");
    command.arg(plugins().join("faults_component.so")).args(["--include", "reserved-status"]);
    let text = stdout(&command.output().expect("it ran"));
    assert!(text.contains("reserved-status: a report has the reserved status 50\n"), "{text}");
    assert!(
        text.contains("\n1 test: 0 passed") && text.contains(" 0 warnings, 1 failed"),
        "{text}"
    );
}

#[test]
fn random_findings_can_be_repeated() {
    let file = plugins().join("faults_component.so");
    for test in ["fuzz::attributes", "fuzz::messages"] {
        let run = |more: &[&str]| {
            let command = &mut gopiper();
            command.env("FAULTS", test).arg("verify").arg(&file).args(["--include", test]);
            command.args(["--attributes", "{\n}"]);
            let output = command.args(more).output().expect("it ran");
            stdout(&output)
        };
        let first = run(&[]);
        let again = first.lines().find_map(|line| line.split_once("→ again: ")).expect("shown").1;
        let (command, seed) = again.rsplit_once(' ').expect("a seed");
        assert!(command.starts_with("gopiper verify ") && command.ends_with(" --seed"), "{again}");
        assert!(command.contains(r" --attributes $'{\x0a}' "), "on one line: {again}");
        assert_eq!(run(&["--seed", seed]), first);
    }
}

#[test]
fn failures_are_reported_with_advice() {
    for (attributes, test, said, advice) in [
        (
            r#"{"at":"end","with_error":true}"#,
            "life::end-without-messages",
            "it ended the pipeline: fails at End",
            "`end` must work without a message",
        ),
        (r#"{"at":"create"}"#, "reports::once", "panicked: at Create", "a panic is always a bug"),
    ] {
        let more = ["--only-failed", "--include", test, "--attributes", attributes];
        let output = verify("faults", &more);
        assert_eq!(output.status.code(), Some(1));
        let text = stdout(&output);
        assert!(
            text.contains(&format!("FAILED         {test}: ")) && text.contains(said),
            "{text}"
        );
        assert!(text.contains(&format!("→ {advice}")), "{text}");
    }
    let wrong = ["--include", "life::aborted", "--attributes", r#"{"at":"nowhere"}"#];
    let output = verify("faults", &wrong);
    assert_eq!(output.status.code(), Some(1));
    let said =
        "SKIPPED        life::aborted: it refuses its attributes: attribute at: must be one of";
    assert!(stdout(&output).starts_with(said), "{}", stdout(&output));
    let output = verify("faults", &["--include", "no-such-test"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(64), 0));
}

/// Nothing is proven by tests that could not be tried, so the command fails.
#[test]
fn without_its_attributes_it_says_that_most_was_skipped() {
    let output = verify("grep", &[]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("most tests were skipped"), "{text}");
    assert!(text.contains(" skipped: that proves nothing"), "{text}");
    let tests = ["--include", "life::stop", "--include", "reports::once"];
    let code = |more: &[&str]| verify("grep", &[&tests[..], more].concat()).status.code();
    assert_eq!(code(&["--allow-skip", "life::stop"]), Some(1));
    assert_eq!(code(&["--allow-skip", "life::", "--allow-skip", "::once"]), Some(0));
    for wrong in ["all", "", "::", "life::stopp"] {
        assert_eq!(code(&["--allow-skip", wrong]), Some(64), "{wrong}");
    }
}

/// An error that is temporary is waited for in a pipeline, and so looks like a hang.
#[test]
fn a_component_that_waits_for_something_was_not_tried() {
    let given = r#"{"at":"create","with_error":true,"awaits":"never"}"#;
    let output = verify("faults", &["--include", "reports::once", "--attributes", given]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.starts_with("SKIPPED        reports::once: the pipeline does not start: "),
        "{text}"
    );
    assert!(text.contains("fails at Create (temporary, after 2s)"), "{text}");
}

/// A copy of a component that is not sealed, in a folder of its own.
fn unsealed() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("pass.so");
    fs::copy(variants().join("pass.so"), &file).expect("copied");
    (folder, file)
}

#[test]
fn a_file_is_sealed_once_all_tests_have_passed() {
    let (folder, file) = unsealed();
    let before = fs::read(&file).expect("read");
    let seal = |more: &[&str]| {
        let command = &mut gopiper();
        command.arg("verify").arg(&file).args(["--seal", "--include", "life::stop"]).args(more);
        command.output().expect("it ran")
    };
    let unknown = ["--attributes", r#"{"none":1}"#];
    let output = seal(&unknown);
    assert_eq!(output.status.code(), Some(1));
    let said = format!("gopiper: {} was not sealed: not all tests passed", file.display());
    assert_eq!(stderr(&output).trim_end(), said);
    assert!(fs::read(&file).expect("read") == before, "the file was changed");
    let output = seal(&["--include", "gates::"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    // The tests of the seal see the copy's.
    assert!(stdout(&output).contains("3 tests: 3 passed"), "{}", stdout(&output));
    assert!(fs::read(&file).expect("read") != before, "the file was not sealed");
    let inspected = gopiper().arg("inspect").arg(&file).output().expect("it ran");
    assert!(stdout(&inspected).contains("intact"), "{}", stdout(&inspected));
    // A refusal names the file, not the copy.
    let text = folder.path().join("text.so");
    fs::write(&text, "text").expect("written");
    let output = gopiper().args(["verify", "--seal"]).arg(&text).output().expect("it ran");
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr(&output).contains(&text.display().to_string()), "{}", stderr(&output));
}

#[test]
fn a_fixture_is_copied_into_the_folder_of_each_test() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("logs")).expect("a folder");
    fs::write(folder.path().join("logs/a.log"), "one\ntwo\n").expect("written");
    let path = folder.path().display().to_string();
    let given = ["--include", "sources::", "--attributes", r#"{"paths":["logs/*.log"]}"#];
    for way in [&[][..], &["--in-process"]] {
        let output = verify("file_source", &[&given[..], way, &["--fixture", &path]].concat());
        let text = stdout(&output);
        assert!(text.contains("2 tests: 2 passed"), "{text}");
    }
    let output = verify("file_source", &[&given[..], &["--fixture", "nowhere"]].concat());
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(stderr(&output), "gopiper: --fixture: nowhere is not a folder\n");
}

#[test]
fn a_command_feeds_a_source_as_long_as_a_test_runs() {
    let given =
        ["--include", "sources::return", "--attributes", r#"{"paths":["*.log"],"follow":true}"#];
    let said = |file: &str, more: &[&str]| {
        let output = verify(file, &[&given[..], more].concat());
        (output.status.code(), stdout(&output) + &stderr(&output))
    };
    let (_, text) = said("file_source", &[]);
    assert!(text.contains("nothing was produced; feed it"), "{text}");
    let feed = "while :; do seq 100 >> a.log; sleep 0.01; done";
    let (code, text) = said("file_source", &["--while", feed]);
    assert!(code == Some(0) && text.contains("1 passed"), "{text}");
    let (code, text) = said("file_source", &["--while", "echo no such port >&2; exit 3"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("ended with exit status: 3: no such port"), "{text}");
    let (code, text) = said("pass", &["--while", feed]);
    assert!(code == Some(64) && text.contains("--while feeds a source"), "{text}");
}

/// A component that treats some messages otherwise is only found with such messages.
#[test]
fn messages_of_the_author_show_what_others_do_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, messages) = (folder.path().join("never.so"), folder.path().join("messages.jsonl"));
    common::component_in_c(&root().join("gopiper-core/tests/c/never.c"), &file);
    fs::write(&messages, "{\"data\": \"a\", \"attributes\": {\"k\": 1}}\n").expect("written");
    let run = |more: &[&str]| {
        let command = &mut gopiper();
        command.arg("verify").arg(&file).args(["--patience", "2", "--include", "reports::"]);
        command.args(more).output().expect("it ran")
    };
    let without = run(&[]);
    let text = stdout(&without);
    assert_eq!(without.status.code(), Some(0), "{text}");
    assert!(text.contains("NOT APPLICABLE reports::kept-at-end: nothing was kept"), "{text}");
    let with = run(&["--messages", &messages.display().to_string()]);
    let text = stdout(&with);
    assert_eq!(with.status.code(), Some(1), "{text}");
    let said = "reports::kept-at-end: never never settled 1 message that it kept";
    // In the words of C.
    assert!(text.contains(said) && text.contains("→ send or free each gopiper_kept"), "{text}");
    assert!(text.contains("1 failed"), "{text}");
}

#[test]
fn an_unsealed_file_is_a_warning_and_a_refused_one_78() {
    let run = |name: &str| {
        let file = variants().join(name);
        gopiper().arg("verify").arg(file).args(["--json", "--include", "gates::"]).output()
    };
    assert_eq!(wrong(&run("pass.so").expect("it ran")), ["WARNING gates::sealed"]);
    assert_eq!(run("note-missing.so").expect("it ran").status.code(), Some(78));
}

#[test]
fn the_tests_are_listed_chosen_and_run_in_this_process() {
    let listed = verify("pass", &["--list"]);
    let listed = stdout(&listed).lines().count();
    let text = |more: &[&str]| stdout(&verify("pass", more));
    // It is not a source.
    let in_process = text(&["--in-process"]);
    assert!(in_process.contains("sources::return: it is not a source"), "{in_process}");
    assert!(in_process.contains(&format!("{listed} tests: ")), "{in_process}");
    assert!(in_process.contains(" 0 skipped, 0 warnings, 0 failed"), "{in_process}");
    assert!(
        text(&["--include", "life::", "--exclude", "threads", "-j", "1"])
            .contains("5 tests: 5 passed")
    );
}

/// The process that verifies lives on, and says what happened.
#[test]
fn a_file_that_ends_the_process_as_it_is_opened_has_crashed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, file) = (folder.path().join("early.c"), folder.path().join("early.so"));
    let upper = fs::read_to_string(root().join("examples/c/upper.c")).expect("the example");
    let early =
        "#include <stdlib.h>\n__attribute__((constructor)) static void early(void) { abort(); }\n";
    fs::write(&source, format!("{upper}\n{early}")).expect("written");
    common::component_in_c(&source, &file);
    let before = fs::read(&file).expect("read");
    let output = gopiper().args(["verify", "--seal"]).arg(&file).output().expect("it ran");
    let (said, error) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(1), "{said}{error}");
    assert!(said.starts_with("CRASHED        gates::loads: ended by signal 6\n"), "{said}");
    assert!(said.contains("gopiper: SIGABRT in file ") && said.contains("1 crashed"), "{said}");
    assert!(error.ends_with("was not sealed: not all tests passed\n"), "{error}");
    assert!(fs::read(&file).expect("read") == before, "the file was changed");
}

#[test]
fn a_signal_ends_the_command_that_feeds_a_source() {
    let folder = tempfile::tempdir().expect("a folder");
    let pids = folder.path().join("pids");
    let mut command = gopiper();
    command.arg("verify").arg(plugins().join("file_source_component.so"));
    command.args(["--include", "sources::", "--include", "life::"]);
    command.args(["--attributes", r#"{"paths":["*.log"],"follow":true}"#]);
    // The command itself sends it. Not INT, which programs in the background ignore.
    let feed = format!("echo $$ >> {}; kill -TERM $PPID; sleep 100", pids.display());
    let output = command.args(["--while", &feed]).output().expect("it ran");
    assert_eq!(output.status.signal(), Some(15), "{}", stdout(&output));
    let pids = fs::read_to_string(&pids).expect("written");
    assert!(!pids.is_empty());
    for pid in pids.lines() {
        // Nothing may have waited for it yet.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "command {pid} runs on: {stat}");
    }
}
