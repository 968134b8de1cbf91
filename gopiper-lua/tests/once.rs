//! Each message is written once, also when the program is killed.
mod common;

use std::{collections::BTreeMap, fs, path::Path, process::Command, thread, time::Duration};

use common::{Home, run, stderr, stdout};

const LINES: usize = 20_000;

/// A pipeline from `in.log` to this sink, with these components between.
fn home(between: &str, sink: &str) -> Home {
    let home = Home::new("");
    let folder = home.folder.path().display();
    home.write(&format!(
        "local gopiper = require('gopiper')
gopiper.createPipeline({{
  gopiper.loadComponent('file_source_component.so', {{
    paths = {{ '{folder}/in.log' }}, checkpoint_interval = 0.01,
  }}),
  {between}
  {sink}
}})
"
    ));
    let lines: String = (0..LINES).map(|number| format!("line {number}\n")).collect();
    fs::write(home.folder.path().join("in.log"), lines).expect("written");
    home
}

fn file_sink(home: &str) -> String {
    format!(
        "gopiper.loadComponent('file_sink_component.so', {{ path = '{home}', exactly_once = true }}, \
         {{ channel_size = 256 }}),"
    )
}

/// Kills it again and again, and lets it come to its end.
fn run_with_kills(home: &Home) {
    let mut kills = 0;
    for moment in (0..).map(|round| Duration::from_millis(20 + 7 * round)) {
        let mut child = home.gopiper(&["run"]).spawn().expect("it starts");
        thread::sleep(moment);
        if child.try_wait().expect("a child").is_some() {
            break;
        }
        child.kill().expect("it is there");
        child.wait().expect("it ends");
        kills += 1;
    }
    assert!(kills > 0, "it was too fast to be killed");
    let output = home.run(&["run"], b"");
    assert!(output.status.success(), "{}", stderr(&output));
}

fn counted<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    lines.for_each(|line| *counts.entry(line).or_default() += 1);
    counts
}

fn check_says(home: &Home) -> String {
    stdout(&home.run(&["check"], b""))
}

#[test]
fn a_file_has_each_line_once_in_spite_of_kills() {
    // Three messages of each line, of which one is dropped later.
    let between = "function(message)
    message:emit(message.data .. ' a'); message:emit('no'); message:emit(message.data .. ' b')
  end,
  function(message) if message.data == 'no' then return gopiper.DROP end end,";
    let home = home(between, &file_sink("OUT"));
    let out = home.folder.path().join("out.log");
    let text = fs::read_to_string(&home.file).expect("text");
    home.write(&text.replace("OUT", &out.display().to_string()));
    assert!(check_says(&home).contains(": exactly once at the sink"), "{}", check_says(&home));
    run_with_kills(&home);
    let written = fs::read_to_string(&out).expect("text");
    let counts = counted(written.lines());
    assert_eq!(counts.len(), 2 * LINES);
    assert!(counts.values().all(|count| *count == 1));
    assert!(counts.contains_key("line 0 a") && counts.contains_key("line 19999 b"));
}

/// The number of rows in a database, and that of different texts in them.
fn rows(database: &Path) -> String {
    let query = "import sqlite3, sys
print(*sqlite3.connect(sys.argv[1]).execute('SELECT count(*), count(DISTINCT data) FROM messages').fetchone())";
    let output =
        Command::new("python3").args(["-c", query]).arg(database).output().expect("it runs");
    stdout(&output).trim().to_owned()
}

#[test]
fn a_table_with_a_unique_key_has_each_line_once_in_spite_of_kills() {
    for between in ["", "gopiper.buffer(),"] {
        let home = home(between, "gopiper.loadComponent('sqlite_component.so', { path = 'DB' }),");
        let database = home.folder.path().join("messages.db");
        let text = fs::read_to_string(&home.file).expect("text");
        home.write(&text.replace("DB", &database.display().to_string()));
        let promise = match between {
            "" => "exactly once at the sink",
            // The buffer may send its messages again; the key still holds.
            _ => "at least once",
        };
        assert!(check_says(&home).contains(promise), "{}", check_says(&home));
        run_with_kills(&home);
        assert_eq!(rows(&database), format!("{LINES} {LINES}"), "{between}");
    }
}

#[test]
fn check_says_what_keeps_a_way_from_it() {
    let sink = file_sink("/dev/null").replace("/dev/null", "FOLDER/out.log");
    let of = |between: &str, sink: &str| {
        let home = home(between, &sink.replace("FOLDER", "/tmp"));
        check_says(&home)
    };
    let not_there = sink.replace("exactly_once = true", "exactly_once = false");
    assert_eq!(
        of("", &not_there),
        "main: file_source → file_sink: at least once
  may come twice: file_sink does not write each message once (exactly_once = false)
"
    );
    assert_eq!(
        of("gopiper.buffer(),", &sink),
        "main: file_source → buffer → buffer.out → file_sink: at least once
  may come twice: buffer may send messages again after a crash
"
    );
    let window = "gopiper.transform(function() return gopiper.CONTINUE end,
    { every = 1, flush = function() end }),";
    assert_eq!(
        of(window, &sink),
        "main: file_source → lua → file_sink: at least once
  may come twice: lua sends messages that have no identity (a window makes messages from several)
"
    );
    let late = sink.replace("channel_size = 256", "timeout = 5");
    assert!(of("", &late).contains("file_sink may write a message although its time was over"));
    let stdout = "gopiper.loadComponent('stdout_component.so', {}),";
    let best_effort = of("", stdout);
    assert!(best_effort.contains("best effort") && !best_effort.contains("twice"), "{best_effort}");
}

#[test]
fn a_function_reads_the_identity_and_a_line_its_place() {
    let home = home(
        "function(message)
    local id, offset = message:id(), message.attributes.offset
    local ends = offset + #message.data + 1
    assert(id:match('^%x+/%x+%-%x+:' .. ends .. '$'), id)
    message:emit(id); message:emit(id)
  end,
  function(message) assert(message:id():match('%.[01]$')) end,",
        "gopiper.loadComponent('stdout_component.so', {}),",
    );
    let text = fs::read_to_string(&home.file).expect("text");
    let with = "checkpoint_interval = 0.01, offset_attribute = 'offset',";
    home.write(&text.replace("checkpoint_interval = 0.01,", with));
    let output = home.run(&["run"], b"");
    assert!(output.status.success(), "{}", stderr(&output));
    let ids = stdout(&output);
    assert_eq!(ids.lines().count(), 2 * LINES);
    assert_eq!(counted(ids.lines()).len(), LINES);
    // What comes from standard input has none.
    let file =
        common::pipeline("function(message) return message:id() and gopiper.DROP end,", "{}");
    let output = run(common::gopiper().arg("run").arg(file.path()), b"a\n");
    assert_eq!(stdout(&output), "a\n");
}

#[test]
fn the_log_and_a_dead_letter_name_the_identity() {
    let home = home(
        "gopiper.loadComponent('faults_component.so', {}),",
        "gopiper.loadComponent('null_component.so', {}),",
    );
    fs::write(home.folder.path().join("in.log"), "done\nfail\n").expect("written");
    let output = home.run(&["run"], b"");
    let log = stderr(&output);
    let (_, after) = log.split_once(" identity=\"").expect("it names it");
    let (identity, _) = after.split_once('"').expect("its end");
    assert!(identity.ends_with(":10"), "{log}");
    let list = stdout(&home.run(&["dlq", "list", "--json"], b""));
    assert!(list.contains(&format!("\"identity\":\"{identity}\"")), "{list}");
}
