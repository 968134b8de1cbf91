//! `kafka_source` and `kafka_sink` with a real broker of the protocol: Tansu. It is `cargo xtask ci
//! --full` that runs this, because their library takes minutes to build.
#[path = "kafka/broker.rs"]
mod broker;
mod common;
#[path = "kafka/piping.rs"]
mod piping;

use std::{collections::BTreeSet, fs, ops::Range, process::Stdio};

use broker::{Broker, wait};
use piping::{Piping, counted, each_once, text};
use rustix::process::Signal;

const STDOUT: &str = "gopiper.loadComponent('stdout_component.so', {}),";

/// Writes numbers, through gopiper itself, each with itself as its key.
fn write(broker: &Broker, topic: &str, numbers: Range<u32>, more: &str) {
    let count = numbers.len();
    let components = format!(
        "gopiper.loadComponent('generate_component.so', {{ count = {count} }}),
         function(message)
           message.data = tostring(tonumber(message.data) + {})
           message.attributes.key = message.data
         end,",
        numbers.start
    );
    let (code, log) = Piping::start(&(components + &broker.sink(topic, more))).end();
    assert_eq!(code, 0, "{log}");
}

#[test]
fn what_the_sink_writes_the_source_reads() {
    let broker = Broker::with(&[("t", 3)]);
    write(&broker, "t", 0..5000, "");
    let piping = Piping::start(&(broker.source("t", "") + STDOUT));
    piping.wait_for_lines(5000);
    each_once(piping.lines(), 0..5000);
    let (code, log) = piping.stop();
    assert_eq!(code, 0, "{log}");
    // All was committed.
    write(&broker, "t", 5000..5010, "");
    let piping = Piping::start(&(broker.source("t", "") + STDOUT));
    piping.wait_for_lines(10);
    each_once(
        piping.lines().into_iter().map(|it| (it.parse::<u32>().unwrap() - 5000).to_string()),
        0..10,
    );
    assert_eq!(piping.stop().0, 0);
}

#[test]
fn all_compressions_come_back() {
    for name in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let broker = Broker::with(&[("t", 1)]);
        write(&broker, "t", 0..1000, &format!("compression = '{name}',"));
        let piping = Piping::start(&(broker.source("t", "") + STDOUT));
        piping.wait_for_lines(1000);
        let numbers: Vec<String> = (0..1000).map(|it| it.to_string()).collect();
        assert_eq!(piping.lines(), numbers, "{name}: in order");
        assert_eq!(piping.stop().0, 0);
    }
}

#[test]
fn keys_headers_times_and_tombstones_go_through_two_topics() {
    let broker = Broker::with(&[("a", 1), ("b", 1)]);
    let first = "gopiper.loadComponent('generate_component.so', { count = 3 }),
      function(message)
        local n = message.data
        if n == '0' then
          message.attributes.key = 'k'
          message.attributes['header.kind'] = 'x'
          message.attributes['header.list'] = { '1', '2' }
        elseif n == '1' then
          message.data = ''
          message.attributes.key = 'gone'
          message.attributes.tombstone = true
        else
          message.data = ''
        end
      end,";
    let (code, log) = Piping::start(&(first.to_owned() + &broker.sink("a", ""))).end();
    assert_eq!(code, 0, "{log}");
    let copy = Piping::start(&(broker.source("a", "") + &broker.sink("b", "")));
    let show = "function(message)
        local a = message.attributes
        local list = a['header.list']
        message.data = table.concat({ a.topic, tostring(a.key), tostring(a.tombstone),
          tostring(a['header.kind']), list and list[1] .. list[2] or '-', message.data }, ' ')
      end,";
    let piping = Piping::start(&(broker.source("b", "") + show + STDOUT));
    piping.wait_for_lines(3);
    let lines = piping.lines();
    assert_eq!(lines[0], "b k nil x 12 0");
    assert_eq!(lines[1].trim_end(), "b gone true nil -");
    assert_eq!(lines[2].trim_end(), "b nil nil nil -");
    assert_eq!((copy.stop().0, piping.stop().0), (0, 0));
}

#[test]
fn two_members_share_a_group_and_one_goes() {
    let broker = Broker::with(&[("t", 4)]);
    let components = broker.source("t", "") + STDOUT;
    let first = Piping::start(&components);
    write(&broker, "t", 0..1000, "");
    first.wait_for_lines(1000);
    let mut second = Piping::start(&components);
    let mut number = 1000;
    // Both have partitions when each has got something.
    wait(
        || {
            write(&broker, "t", number..number + 50, "");
            number += 50;
            !second.lines().is_empty()
        },
        || second.log(),
    );
    common::send(&second.program, Signal::TERM);
    let (code, log) = second.end();
    assert_eq!(code, 0, "{log}");
    write(&broker, "t", number..number + 500, "");
    number += 500;
    let all = || [first.lines(), second.lines()].concat();
    let distinct = || all().into_iter().collect::<BTreeSet<_>>().len();
    wait(
        || distinct() >= number as usize,
        || format!("{} of {number}\n{}", distinct(), first.log()),
    );
    each_once(all(), 0..number);
    assert_eq!(first.stop().0, 0);
}

#[test]
fn a_killed_member_loses_nothing() {
    let broker = Broker::with(&[("t", 4)]);
    write(&broker, "t", 0..4000, "");
    // Each line takes a while, so that much is under way.
    let slow = "function() os.execute('sleep 0.002') end,";
    let components = broker.source("t", "") + slow + STDOUT;
    let both = [Piping::start(&components), Piping::start(&components)];
    wait(|| both.iter().any(|it| it.lines().len() > 300), || both[0].log());
    let [mut first, mut second] = both;
    if second.lines().len() > first.lines().len() {
        std::mem::swap(&mut first, &mut second);
    }
    common::send(&first.program, Signal::KILL);
    let _ = first.end();
    let killed = first.lines();
    let all = || [killed.clone(), second.lines()].concat();
    let distinct = || all().into_iter().collect::<BTreeSet<_>>().len();
    wait(|| distinct() == 4000, || format!("{} of 4000\n{}", distinct(), second.log()));
    // What comes twice had not been committed: no more than was under way or came within the
    // interval of commits. The second one has none twice by itself.
    let twice = counted(second.lines()).into_values().filter(|count| *count > 1).count();
    assert_eq!(twice, 0, "{}", second.log());
    let (code, log) = second.stop();
    assert_eq!(code, 0, "{log}");
}

#[test]
fn a_message_that_is_too_large_is_a_dead_letter() {
    let broker = Broker::with(&[("t", 1)]);
    let components = "gopiper.loadComponent('generate_component.so', { count = 3 }),
      function(message)
        if message.data == '1' then message.data = string.rep('x', 2000000) end
      end,"
        .to_owned()
        + &broker.sink("t", "");
    let home = common::Home::new(&text(&components));
    let mut piping = Piping::at(home, &[]);
    let (code, log) = piping.end();
    assert_eq!(code, 0, "{log}");
    let listed = common::stdout(&piping.home.run(&["dlq", "list"], b""));
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert!(listed.contains("larger than message.max.bytes"), "{listed}");
    let piping = Piping::start(&(broker.source("t", "") + STDOUT));
    piping.wait_for_lines(2);
    assert_eq!(piping.lines(), ["0", "2"]);
}

#[test]
fn it_waits_for_a_broker_that_is_not_there_yet() {
    let broker = Broker::with(&[("t", 1)]);
    write(&broker, "t", 0..3, "");
    // Its name leads to it later; the broker itself is there, with its topic.
    let later = broker::free_port();
    let source = broker.source("t", "").replace(&broker.port.to_string(), &later.to_string());
    let source = source.replace("connection = {", "connection = { timeout_ms = 500,");
    let piping = Piping::start(&(source + STDOUT));
    piping.wait_for_log("no connection to 127.0.0.1");
    broker.forward(later);
    piping.wait_for_lines(3);
    assert_eq!(piping.stop().0, 0);
}

#[test]
fn a_topic_that_is_missing_is_named() {
    let broker = Broker::with(&[("t", 1)]);
    let (code, log) = Piping::start(&(broker.source("absent", "") + STDOUT)).end();
    assert_ne!(code, 0, "{log}");
    assert!(log.contains("has no topic 'absent': create it, or correct the name"), "{log}");
    let generate = "gopiper.loadComponent('generate_component.so', { count = 3 }),".to_owned();
    let (code, log) = Piping::start(&(generate + &broker.sink("absent", ""))).end();
    assert_ne!(code, 0, "{log}");
    assert!(log.contains("has no topic 'absent': create it, or correct the name"), "{log}");
}

#[test]
fn a_user_who_is_not_known_is_refused_at_the_start() {
    let broker = Broker::closed();
    let log_in = "connection = { sasl = { user = 'u', password = 'secret word' },";
    for component in [broker.source("t", ""), broker.sink("t", "")] {
        let component = component.replace("connection = {", log_in);
        let components = match component.contains("kafka_sink") {
            true => "gopiper.loadComponent('generate_component.so', {}),".to_owned() + &component,
            false => component + STDOUT,
        };
        let (code, log) = Piping::start(&components).end();
        assert_eq!(code, 78, "{log}");
        assert!(log.contains("attribute connection.sasl"), "{log}");
        assert!(log.contains("does not accept who connects"), "{log}");
        // Below it, the line of the file is shown as the operator wrote it.
        let said = log.split("\n -->").next().unwrap_or_default();
        assert!(!said.contains("secret word"), "{log}");
    }
}

#[test]
fn a_broker_without_the_groups_protocol_is_named() {
    let broker = Broker::with(&[("t", 1)]);
    let components = format!(
        "gopiper.loadComponent('kafka_source_component.so', {{ topics = {{ 't' }}, group = 'g',
           group_protocol = 'consumer', assignment_timeout_ms = 3000, {} }}),",
        broker.connection()
    );
    let (code, log) = Piping::start(&(components + STDOUT)).end();
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("no assignment of the group 'g' after 3 seconds"), "{log}");
    assert!(log.contains("set 'classic'"), "{log}");
}

#[test]
fn a_file_has_each_message_once_after_kills() {
    let broker = Broker::with(&[("t", 2)]);
    write(&broker, "t", 0..6000, "");
    let file_sink = "gopiper.loadComponent('file_sink_component.so',
      { path = 'out', exactly_once = true, sync = 'batch' }),";
    let slow = "function() os.execute('sleep 0.001') end,";
    let components = broker.source("t", "") + slow + file_sink;
    let home = common::Home::new(&text(&components));
    let check = common::stdout(&home.run(&["check"], b""));
    assert!(check.contains("exactly once at the sink"), "{check}");
    let out = home.folder.path().join("out");
    let lines =
        || fs::read_to_string(&out).unwrap_or_default().lines().map(str::to_owned).collect();
    let run = || {
        let mut command = home.gopiper(&["run"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
    };
    let count = || Vec::<String>::len(&lines());
    for kill in 1..=3 {
        let mut program = run();
        wait(|| count() > kill * 700, || format!("{} lines", count()));
        program.kill().expect("it is there");
        program.wait().expect("a child");
    }
    let program = run();
    wait(|| count() >= 6000, || format!("{} lines", count()));
    each_once(lines(), 0..6000);
    common::send(&program, Signal::TERM);
    assert!(program.wait_with_output().expect("a child").status.success());
}

/// A member that `verify` kills stays in the group for its session: another one waits for that.
#[test]
fn verify_finds_no_fault_in_both() {
    let broker = Broker::with(&[("t", 2)]);
    let connection = format!(
        r#""connection": {{"brokers": ["127.0.0.1:{}"], "timeout_ms": 1000, "properties": PROPERTIES}}"#,
        broker.port
    );
    let source = connection.replace("PROPERTIES", r#"{"session.timeout.ms": "6000"}"#);
    let source = format!(r#"{{{source}, "topics": ["t"], "group": "g"}}"#);
    let sink = format!(r#"{{{}, "topic": "t"}}"#, connection.replace("PROPERTIES", "{}"));
    for (name, attributes) in [("kafka_source", source), ("kafka_sink", sink)] {
        let file = common::plugins().join(format!("{name}_component.so"));
        let mut command = common::gopiper();
        command.arg("verify").arg(file).args(["--attributes", &attributes]);
        let output = command.args(["--patience", "30", "--timeout", "60"]).output();
        let output = output.expect("it runs");
        let said = common::stdout(&output) + &common::stderr(&output);
        assert!(output.status.success(), "{said}");
    }
}
