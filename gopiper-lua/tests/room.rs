//! The program reports messages that it has no room for.
mod common;

use std::{
    io::{BufRead, BufReader, Read},
    process::Stdio,
};

use common::{Home, feed};

/// The test reads the output only after the log has reported dropped messages.
fn dropping(steps: &str, component: &str, why: &str) {
    let home = Home::new(&format!(
        "local gopiper = require('gopiper')
gopiper.createPipeline({{
  gopiper.loadComponent('stdin_component.so', {{}}),
  {steps}
}})
"
    ));
    let mut child = home.gopiper(&["run"]).stdin(Stdio::piped()).spawn().expect("it starts");
    let line = format!("{}\n", "x".repeat(999));
    let lines = 20_000;
    let feeder = feed(&mut child, line.repeat(lines).into_bytes());
    let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut first = String::new();
    log.read_line(&mut first).expect("a line");
    let named = format!(r#"pipeline="main" component="{component}""#);
    let begins = format!("WARN messages are dropped: {why} {named}");
    assert!(first.contains(&begins), "{first}");
    let mut output = Vec::new();
    child.stdout.take().expect("a pipe").read_to_end(&mut output).expect("read");
    let mut rest = String::new();
    log.read_to_string(&mut rest).expect("text");
    assert!(child.wait().expect("it ends").success(), "it dropped on purpose: {rest}");
    feeder.join().expect("the input was given");
    let total = format!(
        "messages were dropped in all, as there was no room for them {named} messages={}",
        lines - output.len() / line.len()
    );
    assert!(rest.contains(&total), "{total}: {rest}");
}

#[test]
fn a_full_buffer_that_drops_is_reported_with_a_total() {
    let steps = "gopiper.buffer({ name = 'spool', max_bytes = 100000, when_full = 'drop_newest' }),
  gopiper.loadComponent('stdout_component.so', {}),";
    dropping(steps, "spool", "the buffer is full (max_bytes)");
}

#[test]
fn a_full_branch_that_drops_is_reported_with_a_total() {
    for policy in ["drop", "detach"] {
        let steps = format!(
            "gopiper.tee({{ policy = '{policy}', gopiper.loadComponent('stdout_component.so', {{}}, {{ channel_size = 10 }}) }},
  {{ gopiper.loadComponent('null_component.so', {{}}) }}),"
        );
        dropping(&steps, "stdout", "there is no room in this branch");
    }
}
