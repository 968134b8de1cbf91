//! The way of one message, as an operator asks for it.
mod common;

use std::{fs, io::Write, process::Stdio, thread, time::Duration};

use common::{Home, pipeline_text, running::RunningPipeline, stderr, stdout};
use serde_json::Value;

const FAULTS: &str = "gopiper.loadComponent('faults_component.so', {}, { RETRY }),";
const NO_RETRY: &str = "gopiper.loadComponent('faults_component.so', {}),";

/// Follows messages while these lines pass, again and again; returns the passports.
fn followed(at_work: &mut RunningPipeline, lines: &str, arguments: &[&str]) -> Vec<Value> {
    let pid = at_work.pid();
    let mut why = at_work.asking(&[&["why", "--pid", &pid, "--json"], arguments].concat());
    let mut why = why.stdout(Stdio::piped()).spawn().expect("it starts");
    let input = at_work.input.as_mut().expect("a pipe");
    while why.try_wait().expect("a child").is_none() {
        input.write_all(lines.as_bytes()).expect("it reads");
        thread::sleep(Duration::from_millis(5));
    }
    let output = why.wait_with_output().expect("it ends");
    assert!(output.status.success());
    let text = stdout(&output);
    text.lines().map(|line| serde_json::from_str(line).expect("an object")).collect()
}

/// The events of a passport, as `component event`.
fn events(passport: &Value) -> Vec<String> {
    let of = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let events = passport["events"].as_array().expect("a list").iter();
    events.map(|it| format!("{} {}", of(it, "component"), of(it, "event"))).collect()
}

/// A line for each event, with its status.
fn reports(passport: &Value) -> Vec<i64> {
    let events = passport["events"].as_array().expect("a list").iter();
    events.filter_map(|event| event["status"].as_i64()).collect()
}

#[test]
fn a_message_is_followed_to_its_end() {
    let mut at_work = RunningPipeline::new("function(message) message:append('!') end,");
    let all = followed(&mut at_work, "hay\nthe needle\n", &["--filter", "needle", "--limit", "2"]);
    assert_eq!(all.len(), 2);
    for passport in &all {
        assert_eq!([&passport["data"], &passport["outcome"]], ["the needle", "delivered"]);
        assert!(passport["position"].as_str().is_some_and(|it| it.contains("message")));
        assert_eq!(
            events(passport),
            [
                "stdin created",
                "stdin passed_on",
                "lua began",
                "lua reported",
                "lua passed_on",
                "stdout began",
                "stdout reported",
                " ended",
            ]
        );
        let after = |event: &Value| event["after_seconds"].as_f64().expect("a number");
        let times: Vec<_> = passport["events"].as_array().unwrap().iter().map(after).collect();
        assert!(times.is_sorted(), "{times:?}");
    }
    assert_ne!(all[0]["trace"], all[1]["trace"]);
}

#[test]
fn each_branch_of_a_tee_is_followed() {
    let null = "gopiper.loadComponent('null_component.so', {}, { name = 'NAME' })";
    let branches = format!(
        "gopiper.tee({{ {} }}, {{ {} }}),",
        null.replace("NAME", "left"),
        null.replace("NAME", "right")
    );
    let text = pipeline_text("", "{}")
        .replace("gopiper.loadComponent('stdout_component.so', {}),", &branches);
    let mut at_work = RunningPipeline::of(&text);
    let all = followed(&mut at_work, "one\n", &[]);
    let events = events(&all[0]);
    for event in ["left began", "left reported", "right began", "right reported"] {
        assert!(events.iter().any(|it| it == event), "{event}: {events:?}");
    }
    assert_eq!(all[0]["outcome"], "delivered");
}

/// As docs/operators/watching.md says: one branch delivers it, and the other drops it.
#[test]
fn the_outcome_after_a_tee_is_the_worst_of_its_branches() {
    let branches = "gopiper.tee({
        gopiper.loadComponent('null_component.so', {}, { name = 'left' })
      }, {
        gopiper.loadComponent('grep_component.so', { word = 'two' }),
        gopiper.loadComponent('null_component.so', {}, { name = 'right' })
      }),";
    let text = pipeline_text("", "{}")
        .replace("gopiper.loadComponent('stdout_component.so', {}),", branches);
    let mut at_work = RunningPipeline::of(&text);
    let one = followed(&mut at_work, "one\n", &["--filter", "one"]);
    let events = events(&one[0]);
    assert!(events.iter().any(|it| it == "left reported"), "{events:?}");
    assert_eq!(one[0]["outcome"], "dropped", "{events:?}");
}

#[test]
fn what_is_made_of_a_message_is_followed() {
    let mut at_work = RunningPipeline::new(NO_RETRY);
    let all = followed(&mut at_work, "keep\nsend the kept\n", &["--filter", "keep"]);
    let events = events(&all[0]);
    let made = events.iter().position(|it| it == "faults made").expect("it is kept, and sent");
    assert_eq!(reports(&all[0])[0], 1, "kept");
    assert!(events[made..].iter().any(|it| it == "stdout reported"), "{events:?}");
    assert_eq!(all[0]["outcome"], "delivered");
}

#[test]
fn a_message_that_has_not_ended_is_shown_as_it_stands() {
    let mut at_work = RunningPipeline::new(NO_RETRY);
    let waiting = ["--filter", "late", "--wait", "0.2"];
    let home = at_work.home.folder.path().to_owned();
    let text = fs::read_to_string(&at_work.home.file).expect("text");
    drop(at_work);
    // A report that comes when the file is there.
    let awaited = home.with_extension("awaited");
    let with = format!("faults_component.so', {{ awaits = {:?} }}", awaited.display().to_string());
    at_work = RunningPipeline::of(&text.replace("faults_component.so', {}", &with));
    let all = followed(&mut at_work, "late\n", &waiting);
    assert_eq!(all[0]["outcome"], Value::Null);
    assert!(all[0]["age_seconds"].as_f64().is_some_and(|age| age >= 0.2));
    assert_eq!(events(&all[0]).last().expect("one"), "faults began");
}

#[test]
fn attempts_are_seen_one_by_one() {
    let retry = "retry = { max_attempts = 3, initial_backoff = 0.001, max_backoff = 0.001 }";
    let mut at_work = RunningPipeline::new(&FAULTS.replace("RETRY", retry));
    let all = followed(&mut at_work, "retry\n", &[]);
    assert_eq!(reports(&all[0])[..3], [101, 101, 101]);
    let began = |event: &&Value| event["event"] == "began" && event["component"] == "faults";
    let attempts = all[0]["events"].as_array().unwrap().iter().filter(began);
    let attempts: Vec<_> = attempts.map(|event| event["attempt"].as_i64().unwrap()).collect();
    assert_eq!(attempts, [1, 2, 3]);
    assert_eq!(all[0]["outcome"], "dead_lettered");
    assert!(events(&all[0]).iter().any(|it| it == "faults dead_letter"));
}

#[test]
fn without_messages_it_says_so() {
    let at_work = RunningPipeline::new("");
    let output = at_work.ask(&["why", "--pid", &at_work.pid(), "--wait", "0.1", "--filter", "x"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("no message with 'x' in it came from a source"), "{said}");
    let output = at_work.ask(&["why", "--pid", &at_work.pid(), "--limit", "0"]);
    assert_eq!(output.status.code(), Some(64), "{}", stderr(&output));
    let output = at_work.ask(&["why", "--pid", &at_work.pid(), "--pipeline", "other"]);
    assert!(stderr(&output).contains("there is no pipeline 'other', but there are: main"));
}

#[test]
fn a_dead_letter_has_its_way_and_its_attempts() {
    let retry = "retry = { max_attempts = 3, initial_backoff = 0.001, max_backoff = 0.001 }";
    let home = Home::new(&pipeline_text(&FAULTS.replace("RETRY", retry), "{}"));
    let output = home.run(&["run"], b"done\nretry\nfail\n");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let listed = stdout(&home.run(&["dlq", "list"], b""));
    let ids: Vec<_> = listed.lines().filter_map(|line| line.split("  ").next()).collect();
    let mut said = Vec::new();
    for id in &ids {
        let output = home.run(&["why", id], b"");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        said.push(stdout(&output));
    }
    let retried = said.iter().find(|text| text.contains("5 bytes: retry")).expect("one");
    assert!(retried.contains("way: stdin → faults\n"), "{retried}");
    assert!(retried.contains("faults  wants it again (101): as told (1 times more"), "{retried}");
    assert!(retried.contains("faults  attempt 3: wants it again (101): as told"), "{retried}");
    let failed = said.iter().find(|text| text.contains("4 bytes: fail")).expect("one");
    assert!(failed.contains("faults  fails (204): as told"), "{failed}");
    assert_eq!(failed.lines().count(), 4, "{failed}");
    let object: Value =
        serde_json::from_slice(&home.run(&["why", "--json", ids[0]], b"").stdout).expect("JSON");
    assert_eq!(object["ways"], serde_json::json!(["stdin → faults"]));
    let output = home.run(&["why", "none"], b"");
    assert!(stderr(&output).contains("there is no dead letter 'none'"));
}
