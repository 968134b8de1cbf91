//! The conformance suite: all our components pass, and it finds faults.
mod common;

use std::process::Output;

use common::{gopiper, plugins, root, stdout, variants};

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
    lines.map(shown).filter(|it| !it.starts_with("PASSED") && !it.starts_with("SKIPPED")).collect()
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
        let output = verify(name, &["--json", "--attributes", attributes]);
        assert_eq!(wrong(&output), [""; 0], "{name}");
        let text = stdout(&output);
        assert!(
            !text.contains("the pipeline does not start") && !text.contains("it refuses"),
            "{text}"
        );
        assert_eq!(output.status.code(), Some(0), "{name}");
    }
}

/// Takes long: all of the more than thirty tests run once for each fault.
#[test]
fn each_test_finds_its_fault_and_no_other_one() {
    let listed = verify("pass", &["--list"]);
    let listed = stdout(&listed);
    let tests: Vec<_> = listed.lines().collect();
    assert!(tests.len() > 30, "{listed}");
    // The findings of the gates have tests of their own, below.
    for test in tests.iter().filter(|test| !test.starts_with("gates::")) {
        let component = if test.starts_with("sources::") { "faults_source" } else { "faults" };
        let file = plugins().join(format!("{component}_component.so"));
        let command = &mut gopiper();
        command.env("FAULTS", test).arg("verify").arg(file);
        let output = command.args(["--json", "--patience", "2", "--seed", "1"]).output();
        let wrong = wrong(&output.expect("it ran"));
        assert_eq!(wrong.len(), 1, "{test}: {wrong:?}");
        assert!(wrong[0].ends_with(&format!(" {test}")), "{test}: {wrong:?}");
    }
}

#[test]
fn random_findings_can_be_repeated() {
    let file = plugins().join("faults_component.so");
    for test in ["fuzz::attributes", "fuzz::messages"] {
        let run = |more: &[&str]| {
            let command = &mut gopiper();
            command.env("FAULTS", test).arg("verify").arg(&file).args(["--include", test]);
            let output = command.args(more).output().expect("it ran");
            stdout(&output)
        };
        let first = run(&[]);
        let again = first.lines().find_map(|line| line.split_once("→ again: ")).expect("shown").1;
        let (command, seed) = again.rsplit_once(' ').expect("a seed");
        assert!(command.starts_with("gopiper verify '") && command.ends_with(" --seed"), "{again}");
        assert_eq!(run(&["--seed", seed]), first);
    }
}

#[test]
fn failures_are_reported_with_advice() {
    for (attributes, test, said, advice) in [
        (
            r#"{"at":"end","with_error":true}"#,
            "life::end-without-messages",
            "it ended the pipeline: Failed { component: \"faults\", error: \"fails at End\" }",
            "`end` must work without a message",
        ),
        (r#"{"at":"create"}"#, "reports::once", "panicked: at Create", "a panic is always a bug"),
        (
            r#"{"at":"nowhere"}"#,
            "life::aborted",
            "it refuses its attributes: attribute at: must be one of",
            "",
        ),
    ] {
        let more = ["--only-failed", "--include", test, "--attributes", attributes];
        let output = verify("faults", &more);
        assert_eq!(output.status.code(), Some(1));
        let text = stdout(&output);
        assert!(text.contains(&format!("FAILED   {test}: ")) && text.contains(said), "{text}");
        assert!(text.contains(&format!("→ {advice}")), "{text}");
    }
    let output = verify("faults", &["--include", "no-such-test"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(64), 0));
}

#[test]
fn without_its_attributes_it_says_that_most_was_skipped() {
    let output = verify("grep", &[]);
    let text = stdout(&output);
    assert!(output.status.success() && text.contains("most tests were skipped"), "{text}");
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
    let passed = format!("{} passed, 2 skipped", listed - 2);
    assert!(text(&["--in-process"]).contains(&passed));
    assert!(
        text(&["--include", "life::", "--exclude", "threads", "-j", "1"])
            .contains("6 tests: 6 passed")
    );
}
