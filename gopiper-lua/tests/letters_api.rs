//! What the HTTP server's page asks for: the graph, events, dead letters, replay and purge.
mod common;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use common::{
    Home, run, send,
    served::{AtWork, PATIENCE, request},
    stderr, stdout,
};
use rustix::process::Signal;
use serde_json::Value;

const TOKEN: &str = "0123456789abcdef";
const RIGHT: &str = "Authorization: Bearer 0123456789abcdef\r\n";
const JSON: &str = "Content-Type: application/json\r\nContent-Length: 2\r\n";

/// A pipeline that fails with some lines, and ends in this sink.
fn failing(function: &str, sink: &str) -> String {
    format!(
        "local gopiper = require('gopiper')
gopiper.createPipeline({{
  gopiper.loadComponent('stdin_component.so', {{}}),
  gopiper.transform({function}, {{ name = 'parse' }}),
  {sink},
}})
"
    )
}

const FAILS: &str = "function(message)
    message.attributes.length = #message.data
    if message:find('bad') then return gopiper.FAIL, 7, 'a bad line' end
  end";
const PASSES: &str = "function() end";
const NULL: &str = "gopiper.loadComponent('null_component.so', {})";

fn at_work(text: &str) -> AtWork {
    let home = Home::new(text);
    let token = home.folder.path().join("token");
    fs::write(&token, TOKEN).expect("written");
    let token = token.to_str().expect("text");
    AtWork::at(home, &["--shutdown-timeout", "1", "--http-token-file", token])
}

/// The object that a request with the token gets.
fn get(at_work: &AtWork, path: &str) -> Value {
    let (status, text) = at_work.ask(&request("GET", path, "localhost", RIGHT));
    assert_eq!(status, 200, "{text}");
    body(&text)
}

fn body(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

fn post(at_work: &AtWork, path: &str, more: &str) -> (u16, String) {
    let request = request("POST", path, "localhost", more) + "{}";
    at_work.ask(&request)
}

/// Asks until it is so.
fn await_value(at_work: &AtWork, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let value = get(at_work, path);
        if is_so(&value) {
            return value;
        }
        assert!(Instant::now() < until, "{path}: {value}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Replays over HTTP, and returns the state at the end.
fn replayed(at_work: &AtWork) -> Value {
    let (status, text) = post(at_work, "/api/v1/dead-letters/replay", &format!("{RIGHT}{JSON}"));
    assert_eq!(status, 202, "{text}");
    await_value(at_work, "/api/v1/dead-letters/replay", |it| it["state"] == "ended")
}

#[test]
fn dead_letters_are_listed_shown_replayed_and_purged() {
    let home = Home::new(&failing(FAILS, NULL));
    let output = home.run(&["run"], b"one\nan older bad line\n");
    assert!(output.status.success(), "{}", stderr(&output));
    let token = home.folder.path().join("token");
    fs::write(&token, TOKEN).expect("written");
    let mut at_work = AtWork::at(home, &["--http-token-file", token.to_str().expect("text")]);
    at_work.input.write_all(b"one\nbad \xff\na bad line\n").expect("taken");
    let listed = await_value(&at_work, "/api/v1/dead-letters", |it| it["count"] == 3);
    assert_eq!(listed["replayed"], 0);
    let letters = listed["letters"].as_array().expect("a list");
    let about = |letter: &Value| {
        [&letter["bytes"], &letter["component"], &letter["status"]].map(Value::to_string)
    };
    assert_eq!(about(&letters[0]), ["10", "\"parse\"", "207"], "the newest first");
    assert_eq!(about(&letters[2]), ["17", "\"parse\"", "207"]);
    assert!(letters[0].get("data").is_none());

    let of =
        |letter: &Value| format!("/api/v1/dead-letters/{}", letter["id"].as_str().expect("an id"));
    let newest = get(&at_work, &of(&letters[0]));
    assert_eq!((&newest["data"], &newest["is_cut"]), (&"a bad line".into(), &false.into()));
    assert_eq!(newest["position"], "standard input, message 3");
    assert_eq!(get(&at_work, &of(&letters[1]))["data_base64"], "YmFkIP8=");
    let (status, text) =
        at_work.ask(&request("GET", "/api/v1/dead-letters/none", "localhost", RIGHT));
    assert!(status == 404 && text.contains("there is no dead letter 'none'"), "{text}");

    at_work.home.write(&failing(PASSES, NULL));
    let ended = replayed(&at_work);
    assert_eq!(ended["is_success"], true, "{ended}");
    let lines = ended["lines"].to_string();
    assert!(
        lines.contains("main/parse: 3 delivered, 0 dropped, 0 failed again, 0 left"),
        "{lines}"
    );
    assert_eq!(get(&at_work, "/api/v1/dead-letters")["replayed"], 3);

    let (status, text) = post(&at_work, "/api/v1/dead-letters/purge", &format!("{RIGHT}{JSON}"));
    assert_eq!(status, 200, "{text}");
    assert_eq!(body(&text), serde_json::json!({ "removed": 1, "left": 0, "in_use": 2 }));
    assert_eq!(get(&at_work, "/api/v1/dead-letters")["count"], 2);
}

/// It would write into what the running process writes.
#[test]
fn a_replay_is_refused_what_only_one_process_may_have() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out.log");
    let file = format!(
        "gopiper.loadComponent('file_sink_component.so', {{ path = '{}' }})",
        out.display()
    );
    let buffer = format!("gopiper.buffer({{}}), {NULL}");
    let stdout = "gopiper.loadComponent('stdout_component.so', {})";
    for (sink, why) in [
        (stdout, "standard output is only open for reading"),
        (&*file, "another file_sink has it open"),
        (&*buffer, "in use by"),
    ] {
        let mut at_work = at_work(&failing(FAILS, sink));
        at_work.input.write_all(b"one\na bad line\n").expect("taken");
        await_value(&at_work, "/api/v1/dead-letters", |it| it["count"] == 1);
        at_work.home.write(&failing(PASSES, sink));
        let ended = replayed(&at_work);
        assert_eq!(ended["is_success"], false, "{ended}");
        assert!(ended["lines"].to_string().contains(why), "{ended}");
        let letters = get(&at_work, "/api/v1/dead-letters");
        assert_eq!(
            (&letters["count"], &letters["replayed"]),
            (&1.into(), &0.into()),
            "nothing was read"
        );
    }
}

/// The number of the process that replays for this one.
fn child_of(parent: u32) -> Option<u32> {
    let children = fs::read_dir(format!("/proc/{parent}/task")).ok()?;
    let numbers = children.flatten().filter_map(|task| {
        let numbers = fs::read_to_string(task.path().join("children")).ok()?;
        numbers.split_whitespace().next()?.parse().ok()
    });
    numbers.into_iter().next()
}

#[test]
fn one_replay_runs_at_a_time_and_ends_with_the_process() {
    let mut at_work = at_work(&failing(FAILS, NULL));
    at_work.input.write_all(b"a bad line\n").expect("taken");
    await_value(&at_work, "/api/v1/dead-letters", |it| it["count"] == 1);
    at_work.home.write(
        &failing("function() while true do end end", NULL)
            .replace("name = 'parse'", "name = 'parse', timeout = 300"),
    );
    let start = || post(&at_work, "/api/v1/dead-letters/replay", &format!("{RIGHT}{JSON}"));
    assert_eq!(start().0, 202);
    let (status, text) = start();
    assert!(status == 409 && text.contains("a replay runs already"), "{text}");
    let until = Instant::now() + PATIENCE;
    let parent = at_work.program.id();
    let child = loop {
        if let Some(child) = child_of(parent) {
            break child;
        }
        assert!(Instant::now() < until, "no process replays");
        thread::sleep(Duration::from_millis(10));
    };
    send(&at_work.program, Signal::KILL);
    // It stops as after a signal, and drains for a second.
    let status = format!("/proc/{child}/status");
    let runs = || fs::read_to_string(&status).is_ok_and(|text| !text.contains("State:\tZ"));
    while runs() {
        assert!(Instant::now() < until, "the replay goes on");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn changes_and_contents_need_the_token_and_the_right_headers() {
    let at_work = at_work(&failing(FAILS, NULL));
    at_work.await_answer("/ready", |status, _| status == 200);
    for path in ["/api/v1/dead-letters", "/api/v1/dead-letters/1", "/api/v1/dead-letters/replay"] {
        assert_eq!(at_work.get(path).0, 401, "{path}");
    }
    let here = format!("Origin: http://{}\r\n", at_work.address);
    for path in ["/api/v1/dead-letters/purge", "/api/v1/dead-letters/replay"] {
        let posted = |more: &str| post(&at_work, path, more).0;
        assert_eq!(posted(JSON), 401, "{path}");
        let form = format!("{RIGHT}Content-Type: text/plain\r\nContent-Length: 2\r\n");
        assert_eq!(posted(&form), 415, "{path}");
        assert_eq!(posted(&format!("{RIGHT}{JSON}Origin: http://example.test\r\n")), 403, "{path}");
        assert_eq!(posted(&format!("{RIGHT}{JSON}Origin: null\r\n")), 403, "{path}");
    }
    let request = request(
        "POST",
        "/api/v1/dead-letters/purge",
        &at_work.address,
        &format!("{RIGHT}{JSON}{here}"),
    );
    assert_eq!(at_work.ask(&(request + "{}")).0, 200, "the page itself may");
    assert_eq!(get_status(&at_work, "/api/v1/dead-letters/purge"), 405);
    assert_eq!(post(&at_work, "/api/v1/dead-letters", &format!("{RIGHT}{JSON}")).0, 405);
}

fn get_status(at_work: &AtWork, path: &str) -> u16 {
    at_work.ask(&request("GET", path, "localhost", RIGHT)).0
}

#[test]
fn the_page_and_the_graph_are_served_without_a_token() {
    let at_work = at_work(&failing(
        FAILS,
        "gopiper.buffer({}), gopiper.loadComponent('null_component.so', {})",
    ));
    at_work.await_answer("/ready", |status, _| status == 200);
    let (status, text) = at_work.get("/");
    assert!(status == 200 && text.contains("content-type: text/html"), "{text}");
    assert!(text.contains("default-src 'none'; script-src 'self'"), "{text}");
    assert_eq!(at_work.ask(&request("GET", "/", "example.test", "")).0, 403);
    let graph = body(&at_work.get("/api/v1/graph").1);
    assert_eq!(graph["has_token"], true);
    let edges = graph["pipelines"][0]["right"]["edges"].as_array().expect("edges");
    let names: Vec<_> = edges
        .iter()
        .map(|edge| format!("{}>{}", edge["from"], edge["to"]).replace('"', ""))
        .collect();
    assert_eq!(names, ["stdin>parse", "parse>buffer", "buffer>buffer.out", "buffer.out>null"]);
}

/// Numbers alone: a reason of a failure is a text out of a message.
#[test]
fn events_are_numbers_once_a_second() {
    let mut at_work = at_work(&failing(FAILS, NULL));
    at_work.input.write_all(b"one\na bad line\n").expect("taken");
    await_value(&at_work, "/api/v1/dead-letters", |it| it["count"] == 1);
    let mut stream = TcpStream::connect(&at_work.address).expect("it listens");
    stream.write_all(request("GET", "/api/v1/events", "localhost", "").as_bytes()).expect("sent");
    let lines = BufReader::new(stream).lines().map(|line| line.expect("text"));
    let events = lines.filter_map(|line| line.strip_prefix("data: ").map(str::to_owned));
    let events: Vec<_> = events.take(2).collect();
    assert!(!events.concat().contains("a bad line"), "{events:?}");
    let [first, second] =
        [0, 1].map(|at| serde_json::from_str::<Value>(&events[at]).expect("JSON"));
    assert!(first["rates"].as_array().is_some_and(Vec::is_empty), "{first}");
    let rates = second["rates"].as_array().expect("a list");
    let names: Vec<_> = rates.iter().map(|rate| rate["id"].as_str().expect("a name")).collect();
    assert_eq!(names, ["stdin", "parse", "null", "dead_letters"]);
    assert_eq!(second["pipelines"][0]["components"][1]["failed_messages"], 1);
    // Each listener has a place; the one after the last is refused.
    let mut listeners = Vec::new();
    let refused = loop {
        let mut stream = TcpStream::connect(&at_work.address).expect("it listens");
        stream
            .write_all(request("GET", "/api/v1/events", "localhost", "").as_bytes())
            .expect("sent");
        let mut status = String::new();
        BufReader::new(&stream).read_line(&mut status).expect("text");
        if !status.contains(" 200 ") {
            break status;
        }
        listeners.push(stream);
    };
    // The first one has gone, but may still have its place.
    assert!(refused.contains(" 400 ") && [15, 16].contains(&listeners.len()), "{refused}");
}

/// The lists of the command and of the server are the same.
#[test]
fn the_command_and_the_server_list_the_same_letters() {
    let home = Home::new(&failing(FAILS, NULL));
    let output = run(&mut home.gopiper(&["run"]), b"a bad line\n");
    assert!(output.status.success(), "{}", stderr(&output));
    let listed = stdout(&home.run(&["dlq", "list", "--json"], b""));
    let listed: Value = serde_json::from_str(&listed).expect("an object");
    let token = home.folder.path().join("token");
    fs::write(&token, TOKEN).expect("written");
    let at_work = AtWork::at(home, &["--http-token-file", token.to_str().expect("text")]);
    let answer = await_value(&at_work, "/api/v1/dead-letters", |it| it["count"] == 1);
    for name in ["id", "position", "component", "status", "description", "attempts", "bytes"] {
        assert_eq!(answer["letters"][0][name], listed[name], "{name}");
    }
}
