//! Dead letters without a component in the file, replays that fail, damaged letters, wrong ids.
mod common;

use std::{
    fs,
    io::{BufRead, BufReader},
    thread,
};

use common::{Home, gopiper, run, send, stderr, stdout};
use rustix::process::Signal;

const PASS: &str = "gopiper.loadComponent('pass_component.so', {}";
const SINK: &str = "gopiper.loadComponent('null_component.so', {})";

/// A file with pipelines of a source, a function that fails, and a sink.
fn failing(pipelines: &[(&str, &str)]) -> String {
    let mut text = "local gopiper = require('gopiper')\n".to_owned();
    for (name, function) in pipelines {
        text += &format!(
            "gopiper.createPipeline({{
  gopiper.loadComponent('generate_component.so', {{ count = 2, template = '{name}' }}),
  gopiper.transform(function() return gopiper.FAIL, 'no' end, {{ name = '{function}' }}),
  {SINK},
}}, {{ name = '{name}' }})
"
        );
    }
    text
}

#[test]
fn letters_that_have_no_place_any_more_are_named_and_the_others_replayed() {
    let home = Home::new(&failing(&[("one", "early"), ("two", "parse")]));
    let dlq = |arguments: &[&str]| {
        let output = home.run(arguments, b"");
        (output.status.code(), stdout(&output), stderr(&output))
    };
    assert_eq!(dlq(&["run"]).0, Some(0));
    let listed = dlq(&["dlq", "list"]).1;
    let id = |of: &str| {
        let line = listed.lines().find(|line| line.contains(of)).expect("it is listed");
        line.split("  ").next().expect("the id comes first").to_owned()
    };
    // A pipeline was removed, and the component of the other one renamed.
    home.write(&failing(&[("two", "parse_json")]));
    let (code, _, said) = dlq(&["dlq", "replay"]);
    assert_eq!(code, Some(78), "{said}");
    let removed = format!("one/early: 2 not replayed ({}, ", id("one/early"));
    assert!(said.contains(&removed) && said.contains("has no pipeline 'one'"), "{said}");
    let renamed = format!("two/parse: 2 not replayed ({}, ", id("two/parse"));
    assert!(said.contains(&renamed) && said.contains("--from-start sends them"), "{said}");

    let (code, _, said) = dlq(&["dlq", "replay", "--from-start"]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("two/parse: 0 delivered, 0 dropped, 2 failed again, 0 left"), "{said}");
    assert!(said.contains(&removed), "{said}");
    // Those that failed again are new letters, with the positions of their messages.
    let listed = dlq(&["dlq", "list", "--json"]).1;
    let positions = |of: &str| {
        let lines = listed.lines().filter(|line| line.contains(&format!("\"component\":\"{of}\"")));
        let position = |line: &str| {
            let (_, after) = line.split_once("\"position\":\"").expect("it is known");
            after.split('"').next().expect("its end").to_owned()
        };
        lines.map(position).collect::<Vec<_>>()
    };
    assert_eq!(positions("parse").len(), 2);
    assert_eq!(positions("parse"), positions("parse_json"));
}

#[test]
fn a_failed_replay_does_not_keep_the_others_from_being_replayed() {
    let stopped = ("{ name = 'early' }", "{ name = 'early', on_fail = 'stop' }");
    let refused = ("'null_component.so', {}", "'file_sink_component.so', { path = '/' }");
    for ((before, after), code) in [(stopped, 1), (refused, 78)] {
        let home = Home::new(&failing(&[("one", "early"), ("two", "parse")]));
        assert!(home.run(&["run"], b"").status.success());
        let one = failing(&[("one", "early")]).replace(before, after);
        let two = failing(&[("two", "parse")]).replace("return gopiper.FAIL, 'no'", "");
        home.write(&(one + &two));
        let output = home.run(&["dlq", "replay"], b"");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains("two/parse: 2 delivered, 0 dropped, 0 failed again"), "{said}");
        let listed = stdout(&home.run(&["dlq", "list"], b""));
        let left: Vec<_> = listed.lines().filter(|line| !line.ends_with("replayed")).collect();
        assert!(left.len() == 2 && left.iter().all(|line| line.contains("one/early")), "{listed}");
    }
}

#[test]
fn a_damaged_letter_is_named_when_it_is_removed() {
    let home = Home::new(&failing(&[("one", "early")]));
    home.run(&["run"], b"");
    let segments = fs::read_dir(home.state.join("dead-letters")).expect("there");
    let segment = segments.map(|entry| entry.expect("one").path()).next().expect("a segment");
    let mut bytes = fs::read(&segment).expect("read");
    *bytes.last_mut().expect("not empty") ^= 1;
    fs::write(&segment, bytes).expect("written");
    let said = stderr(&home.run(&["dlq", "purge"], b""));
    assert!(said.contains("damaged or incomplete: left"), "{said}");
    let output = home.run(&["dlq", "purge", "--all"], b"");
    let said = stderr(&output);
    assert!(said.contains("damaged or incomplete: removed"), "{said}");
    assert_eq!(output.stdout, b"1 dead letter removed, 0 left\n");
}

#[test]
fn a_forgotten_id_is_not_taken_for_a_file() {
    let mut command = gopiper();
    let output = run(command.args(["dlq", "show", "route.lua"]), b"");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains("'route.lua' is a file") && !said.contains("pipeline.lua"), "{said}");
}

#[test]
fn letters_that_a_stop_has_left_are_counted() {
    let text = |function: &str| {
        let pipeline = |name: &str| {
            format!(
                "gopiper.createPipeline({{
  gopiper.loadComponent('generate_component.so', {{ count = 300 }}),
  gopiper.transform({function}, {{ name = 'slow', channel_size = 1 }}),
  gopiper.loadComponent('stdout_component.so', {{}}, {{ channel_size = 1 }}),
}}, {{ name = '{name}' }})
"
            )
        };
        format!("local gopiper = require('gopiper')\n{}{}", pipeline("one"), pipeline("two"))
    };
    let home = Home::new(&text("function() return gopiper.FAIL, 'no' end"));
    assert_eq!(home.run(&["run"], b"").status.code(), Some(0));
    home.write(&text("function() for i = 1, 2000000 do assert(i) end end"));
    let mut child = home.gopiper(&["dlq", "replay"]).spawn().expect("it starts");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    output.read_line(&mut String::new()).expect("a line");
    send(&child, Signal::TERM);
    let read = thread::spawn(move || output.lines().count());
    let output = child.wait_with_output().expect("it ends");
    let said = stderr(&output);
    let (delivered, rest) = said
        .split_once("one/slow: ")
        .expect("its sums")
        .1
        .split_once(" delivered")
        .expect("how many");
    let left =
        rest.split_once("failed again, ").expect("how many").1.split_once(" left: replay again");
    let [delivered, left] =
        [delivered, left.expect("some").0].map(|it| it.parse::<u64>().expect("a number"));
    assert!(left > 0 && delivered + left == 300, "{said}");
    assert_eq!(read.join().expect("read") as u64 + 1, delivered);
    assert!(said.contains("two/slow: 300 left: replay again\n"), "{said}");
    assert_eq!(output.status.code(), Some(0), "{said}");
}

/// The rest of what a replay says that is stopped once it has said this, and its exit code. `then`
/// is done when it stops.
fn stopped_at(home: &Home, said: &str, then: impl FnOnce()) -> (String, Option<i32>) {
    let mut child = home.gopiper(&["dlq", "replay"]).spawn().expect("it starts");
    let log = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut lines = log.lines().map(|line| line.expect("text"));
    assert!(lines.any(|line| line.contains(said)), "it has ended without '{said}'");
    send(&child, Signal::TERM);
    assert!(lines.any(|line| line.contains("stopping: the sources stop")), "it has ended at once");
    then();
    let rest: Vec<_> = lines.collect();
    (rest.join("\n"), child.wait().expect("it ends").code())
}

#[test]
fn letters_that_a_stop_during_the_start_has_left_are_counted() {
    let text = failing(&[("one", "early"), ("two", "parse")]);
    let home = Home::new(&text);
    assert!(home.run(&["run"], b"").status.success());
    let never = "{ at = 'create', with_error = true, awaits = '/never/there' }";
    let waits = format!("gopiper.loadComponent('faults_component.so', {never}),\n  {SINK}");
    home.write(&text.replace(SINK, &waits));
    let (said, code) = stopped_at(&home, "it cannot start, and will be tried again", || {});
    assert!(said.contains("one/early: 2 left: replay again"), "{said}");
    assert!(said.contains("two/parse: 2 left: replay again"), "{said}");
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn letters_that_a_stop_between_two_components_has_left_are_counted() {
    let text = failing(&[("one", "early"), ("two", "parse")]);
    let home = Home::new(&text);
    assert!(home.run(&["run"], b"").status.success());
    let [has_run, go_on] = ["has-run", "go-on"].map(|name| home.folder.path().join(name));
    // The file is read once for each component. The first replay leaves a file, after which the
    // second one waits.
    let waits = format!(
        "if io.open('{}') then
  io.stderr:write('between\\n')
  repeat until io.open('{}')
end
",
        has_run.display(),
        go_on.display()
    );
    let to_file = format!(
        "gopiper.loadComponent('file_sink_component.so', {{ path = '{}' }})",
        has_run.display()
    );
    // A function would read the file, too.
    let text = text.replace("gopiper.transform(function() return gopiper.FAIL, 'no' end", PASS);
    let text = text.replacen(SINK, &to_file, 1);
    home.write(&(waits + &text));
    let (said, code) = stopped_at(&home, "between", || fs::write(&go_on, "").expect("written"));
    assert!(said.contains("two/parse: 0 delivered, 0 dropped, 0 failed again, 2 left"), "{said}");
    assert_eq!(code, Some(0), "{said}");
}
