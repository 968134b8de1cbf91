//! `nats_sink`: what is published, and what happens when that does not work.
use std::{fs, io::Write, process::Stdio};

use async_nats::{
    HeaderMap,
    jetstream::stream::{Config, DiscardPolicy},
};

use rustix::process::Signal;

use super::{
    common::{Home, send, stderr, stdout},
    piping::{Piping, counted, each_once, text},
    server::{Looking, Server, wait},
    source,
};

/// A sink to this subject.
fn sink(server: &Server, subject: &str, more: &str) -> String {
    format!(
        "gopiper.loadComponent('nats_sink_component.so', {{ {}, subject = '{subject}', {more} }}),",
        server.connection()
    )
}

/// A source of numbers in a file, each with itself as id.
fn numbers(home: &Home, count: u32) -> String {
    let file = home.folder.path().join("numbers");
    let lines: String = (0..count).map(|number| format!("{number}\n")).collect();
    fs::write(&file, lines).expect("written");
    format!(
        "gopiper.loadComponent('file_source_component.so', {{ paths = {{ '{}' }} }}),
         function(message) message.attributes.number = message.data end,",
        file.display()
    )
}

/// A pipeline of numbers into this sink.
fn from_numbers(count: u32, sink: &str) -> Home {
    let home = Home::new("");
    home.write(&text(&(numbers(&home, count) + sink)));
    home
}

fn texts(look: &Looking, stream: &str) -> Vec<String> {
    look.stored(stream).into_iter().map(|stored| stored.text).collect()
}

#[test]
fn headers_ids_and_subjects_come_back() {
    let server = Server::start();
    let look = server.client();
    look.stream("from", &["from.>"]);
    look.stream("to", &["to.>"]);
    let mut headers = HeaderMap::new();
    headers.append("Nats-Msg-Id", "first");
    headers.append("Kind", "a: b");
    headers.append("Several", "1");
    headers.append("Several", "2");
    look.publish_with("from.x.y", "text", headers);
    let piping = Piping::start(
        &(source(&server, "from", "copy", "create = {}")
            + "function(message)
                 message.attributes.last = message.attributes.subject:match('[^.]+$')
                 message.attributes['header.Count'] = 7
               end,"
            + &sink(&server, "to.{last}", "stream = 'to', id_attribute = 'header.Nats-Msg-Id'")),
    );
    wait(|| look.count("to") == 1, || piping.log());
    let stored = look.stored("to").remove(0);
    assert_eq!((&*stored.subject, &*stored.text, stored.id()), ("to.y", "text", "first"));
    assert_eq!((stored.header("Kind"), stored.header("Count")), ("a: b", "7"));
    let several: Vec<_> = stored.headers.get_all("Several").map(|it| it.as_str()).collect();
    assert_eq!(several, ["1", "2"]);
    assert_eq!(piping.stop().0, 0);
}

/// The server is killed in the middle, and comes back. Nothing is lost; messages that come twice
/// have the ids of others.
#[test]
fn nothing_is_lost_when_the_server_is_killed() {
    let mut server = Server::start();
    let look = server.client();
    look.stream("from", &["from"]);
    look.stream("to", &["to"]);
    look.publish_numbers("from", 0..3000);
    let more = "create = { ack_wait_ms = 2000 }, max_in_flight = 200";
    let piping = Piping::start(
        &(source(&server, "from", "copy", more)
            + "function() if math.random() < 0.01 then os.execute('sleep 0.02') end end,"
            + &sink(&server, "to", "confirm_ms = 1000")),
    );
    let mut look = look;
    for part in [300, 900] {
        wait(|| look.count("to") >= part, || piping.log());
        server.kill();
        piping.wait_for_log("the connection to the server is lost");
        server.begin();
        look = server.client();
    }
    look.wait_until_empty("from", "copy");
    let stored = look.stored("to");
    each_once(stored.iter().map(|it| it.text.clone()), 0..3000);
    let ids = counted(stored.iter().map(|it| it.id().to_owned()));
    assert_eq!(ids.len(), 3000, "each message has its identity as its id");
    assert!(ids.keys().all(|id| id.starts_with("nats/from/")), "{ids:?}");
    // The server remembers ids that it has stored, so nothing is there twice.
    assert_eq!(stored.len(), 3000);
    let (code, log) = piping.stop();
    assert_eq!(code, 0, "{log}");
}

#[test]
fn a_full_stream_is_waited_for() {
    let server = Server::start();
    let look = server.client();
    look.stream_of(Config {
        name: "to".into(),
        subjects: vec!["to".into()],
        max_messages: 10,
        discard: DiscardPolicy::New,
        ..Config::default()
    });
    let mut piping = Piping::at(from_numbers(25, &sink(&server, "to", "")), &[]);
    piping.wait_for_log("cannot publish: maximum messages exceeded (10077)");
    let mut all = Vec::new();
    while all.len() < 25 {
        wait(|| look.count("to") > 0, || piping.log());
        // Only what the sink has published after the stream was full.
        wait(
            || look.count("to") == 10 || look.count("to") as usize + all.len() == 25,
            || piping.log(),
        );
        all.extend(texts(&look, "to"));
        let purge = async {
            let stream = look.jetstream.get_stream("to").await.expect("it is there");
            stream.purge().await.expect("purged");
        };
        look.runtime.block_on(purge);
    }
    each_once(all, 0..25);
    let (code, log) = piping.end();
    assert_eq!(code, 0, "{log}");
}

#[test]
fn a_message_that_is_too_large_is_a_dead_letter() {
    let server = Server::with("max_payload: 1000");
    let look = server.client();
    look.stream_of(Config {
        name: "to".into(),
        subjects: vec!["to".into()],
        max_message_size: 300,
        ..Config::default()
    });
    let home = Home::new("");
    let file = home.folder.path().join("lines");
    fs::write(&file, format!("a\n{}\n{}\nb\n", "x".repeat(400), "y".repeat(2000)))
        .expect("written");
    let source = format!(
        "gopiper.loadComponent('file_source_component.so', {{ paths = {{ '{}' }} }}),",
        file.display()
    );
    home.write(&text(&(source + &sink(&server, "to", ""))));
    let mut piping = Piping::at(home, &[]);
    let (code, log) = piping.end();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("with its headers it is larger than the server takes"), "{log}");
    let letters = piping.home.gopiper(&["dlq", "list"]).output().expect("it starts");
    let letters = stdout(&letters);
    assert_eq!(letters.lines().count(), 2, "{letters}");
    assert!(letters.contains("message size exceeds maximum allowed (10054)"), "{letters}");
    assert_eq!(texts(&look, "to"), ["a", "b"]);
}

#[test]
fn the_order_is_kept_across_a_restart() {
    let mut server = Server::start();
    let look = server.client();
    look.stream("to", &["to"]);
    let sink = sink(&server, "to", "in_order = true, confirm_ms = 300");
    let mut piping = Piping::at(from_numbers(4000, &sink), &[]);
    let mut look = look;
    for part in [200, 1000] {
        wait(|| look.count("to") >= part, || piping.log());
        server.kill();
        piping.wait_for_log("the connection to the server is lost");
        server.begin();
        look = server.client();
    }
    let (code, log) = piping.end();
    assert_eq!(code, 0, "{log}");
    let stored: Vec<u32> =
        texts(&look, "to").iter().map(|it| it.parse().expect("a number")).collect();
    assert_eq!(stored, (0..4000).collect::<Vec<_>>());
}

/// What the sink could not publish before the limit goes back, and comes at the next start.
#[test]
fn it_ends_while_the_server_is_away() {
    let mut server = Server::start();
    let look = server.client();
    look.stream("to", &["to"]);
    let sink = sink(&server, "to", "");
    let slow = "function() os.execute('sleep 0.01') end,";
    let mut piping =
        Piping::at(from_numbers(600, &(slow.to_owned() + &sink)), &["--shutdown-timeout", "1"]);
    wait(|| look.count("to") > 0, || piping.log());
    server.kill();
    piping.wait_for_log("cannot publish: ");
    send(&piping.program, Signal::TERM);
    let (code, log) = piping.end();
    assert_eq!(code, 1, "messages were left: {log}");
    server.begin();
    let again = piping.home.gopiper(&["run"]).output().expect("it starts");
    assert!(again.status.success(), "{}", stderr(&again));
    let look = server.client();
    each_once(texts(&look, "to"), 0..600);
}

#[test]
fn a_stream_that_is_missing_or_deleted_is_named() {
    let server = Server::start();
    let look = server.client();
    let missing = "the server has no stream 'to': create it (nats stream add)";
    let home = || from_numbers(3, &sink(&server, "to", "stream = 'to'"));
    let (code, log) = Piping::at(home(), &[]).end();
    assert_ne!(code, 0);
    assert!(log.contains(missing), "{log}");
    look.stream("to", &["to"]);
    look.stream("from", &["from"]);
    look.publish_numbers("from", 0..1);
    let mut piping = Piping::start(
        &(source(&server, "from", "copy", "create = {}") + &sink(&server, "to", "stream = 'to'")),
    );
    wait(|| look.count("to") == 1, || piping.log());
    look.delete_stream("to");
    look.publish_numbers("from", 1..3);
    let (code, log) = piping.end();
    assert_eq!(code, 1, "{log}");
    assert!(log.contains(missing), "{log}");
    // They went back, and are sent when the stream is there again.
    look.stream("to", &["to"]);
    let piping = Piping::start(
        &(source(&server, "from", "copy", "create = {}") + &sink(&server, "to", "stream = 'to'")),
    );
    wait(|| look.count("to") == 2, || piping.log());
    assert_eq!(texts(&look, "to"), ["1", "2"]);
}

#[test]
fn it_can_give_up() {
    let mut server = Server::start();
    let look = server.client();
    look.stream("to", &["to"]);
    let sink = sink(&server, "to", "give_up_ms = 200, confirm_ms = 100");
    let sink = sink.replace("}),", "}, { retry = { max_attempts = 2 } }),");
    let home = Home::new("");
    home.write(&text(&format!("gopiper.loadComponent('stdin_component.so', {{}}),\n{sink}")));
    let mut command = home.gopiper(&["run"]);
    let mut program = command.stdin(Stdio::piped()).spawn().expect("it starts");
    let mut input = program.stdin.take().expect("a pipe");
    writeln!(input, "1").expect("taken");
    wait(|| look.count("to") == 1, || "not published".into());
    server.kill();
    writeln!(input, "2").expect("taken");
    drop(input);
    let output = program.wait_with_output().expect("it ends");
    let log = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert!(log.contains("not published: "), "{log}");
    let letters = home.gopiper(&["dlq", "list"]).output().expect("it starts");
    assert!(stdout(&letters).contains("2 attempts"), "{}", stdout(&letters));
}

#[test]
fn what_debians_server_can_do() {
    let mut server = Server::old();
    let look = server.client();
    look.stream("from", &["from.>"]);
    look.stream("to", &["to"]);
    look.publish_numbers("from.a", 0..500);
    let several = "create = { filter_subjects = { 'from.a', 'from.b' } }";
    let (code, log) =
        Piping::start(&(source(&server, "from", "copy", several) + &sink(&server, "to", ""))).end();
    assert_ne!(code, 0);
    assert!(log.contains("too old for this setting"), "{log}");
    let more = "create = { filter_subjects = { 'from.a' }, ack_wait_ms = 2000 }, double_ack = true";
    let discards = "gopiper.transform(function(message)
        if message.data == '7' then return gopiper.FAIL, 7, 'gone' end
      end, { name = 'first', on_fail = 'discard' }),";
    let components = source(&server, "from", "copy", more)
        + discards
        + &sink(&server, "to", "stream = 'to', confirm_ms = 1000");
    let piping = Piping::start(&components);
    wait(|| look.count("to") >= 499, || piping.log());
    server.kill();
    piping.wait_for_log("the connection to the server is lost");
    server.begin();
    let look = server.client();
    look.publish_numbers("from.a", 500..1000);
    look.wait_until_empty("from", "copy");
    let (code, log) = piping.stop();
    assert_eq!(code, 1, "a message was discarded: {log}");
    each_once(texts(&look, "to").into_iter().chain(["7".into()]), 0..1000);
}
