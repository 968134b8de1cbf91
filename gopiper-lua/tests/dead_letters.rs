//! Dead letters, as an operator meets them.
mod common;

use std::{fs, io::Read, thread, time::Duration};

use common::{Home, gopiper, pipeline_text, run, stderr, stdout};

const FAULTS: &str = "gopiper.loadComponent('faults_component.so', {}),";
const PASS: &str = "gopiper.loadComponent('pass_component.so', {}),";

/// With a pipeline of these components between standard input and output.
fn home(between: &str) -> Home {
    Home::new(&pipeline_text(between, "{}"))
}

#[test]
fn dead_letters_are_listed_shown_replayed_and_purged() {
    let home = home(FAULTS);
    let both = |arguments: &[&str]| {
        let output = home.run(&[&["dlq"][..], arguments].concat(), b"");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        (stdout(&output), stderr(&output))
    };
    let dlq = |arguments: &[&str]| both(arguments).0;
    assert_eq!(dlq(&["list"]), "");
    let output = home.run(&["run"], b"done\nfail\npanic\ndone\n");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "kept, so nothing is lost: {said}");
    assert_eq!(output.stdout, b"done\ndone\n");
    let (state, file) = (home.state.display(), home.file.display());
    let see = format!("gopiper dlq list --state-dir {state} {file}");
    assert!(said.contains(&see), "{said}");

    let listed = dlq(&["list"]);
    let lines: Vec<_> = listed.lines().collect();
    assert_eq!(lines.len(), 2, "{listed}");
    assert!(lines[0].contains("main/faults  204 as told  1 attempt  4 bytes"), "{listed}");
    let id = lines[0].split("  ").next().expect("the id comes first");
    assert_eq!(dlq(&["show", "--payload", id]), "fail");
    assert!(dlq(&["show", id]).contains("\"description\": \"as told\""));
    assert!(dlq(&["list", "--json"]).lines().all(|line| line.starts_with("{\"")));
    let purged = dlq(&["purge"]);
    assert!(
        purged.starts_with("0 dead letters removed, 2 left\n2 of them are in a file"),
        "{purged}"
    );

    // The operator repairs it.
    let repaired = "gopiper.loadComponent('pass_component.so', {}, { name = 'faults' }),";
    home.write(&pipeline_text(repaired, "{}"));
    let (replayed, said) = both(&["replay"]);
    assert_eq!(replayed, "fail\npanic\n", "what the pipeline writes, and nothing else");
    let sums = "main/faults: 2 delivered, 0 dropped, 0 failed again, 0 left";
    assert!(said.contains(sums), "{said}");
    let (nothing, said) = both(&["replay"]);
    assert_eq!(nothing, "");
    assert!(said.contains("there are no dead letters to replay"), "{said}");
    assert!(dlq(&["list"]).lines().all(|line| line.ends_with("replayed")));
    assert_eq!(dlq(&["purge"]), "2 dead letters removed, 0 left\n");
    assert_eq!(dlq(&["list"]), "");
}

#[test]
fn a_failure_names_where_its_message_came_from() {
    let files = tempfile::tempdir().expect("a folder");
    let [a, b] = ["a", "b"].map(|name| files.path().join(name));
    fs::write(&a, "done\nfail\n").expect("written");
    fs::write(&b, "fail\n").expect("written");
    let (a, b) = (a.display(), b.display());
    for (checkpoint, wanted) in [
        (true, [format!("{a}, byte 5"), format!("{b}, byte 0")]),
        // Its messages are counted, because nothing looks for their beginnings.
        (false, [format!("{a}, message 2"), format!("{b}, message 1")]),
    ] {
        let home = Home::new(&format!(
            "local gopiper = require('gopiper')
gopiper.createPipeline({{
  gopiper.loadComponent('file_source_component.so', {{ paths = {{ '{a}', '{b}' }}, checkpoint = {checkpoint} }}),
  gopiper.loadComponent('faults_component.so', {{}}),
  gopiper.loadComponent('stdout_component.so', {{}}),
}})
"
        ));
        let output = home.run(&["run"], b"");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{said}");
        // The second failure has the reason of the first one.
        assert!(said.contains(&wanted[0]), "{said}");
        let listed = stdout(&home.run(&["dlq", "list", "--json"], b""));
        let found: Vec<_> =
            listed.lines().map(|line| wanted.each_ref().map(|one| line.contains(&**one))).collect();
        assert_eq!(found, [[true, false], [false, true]], "{listed}");
    }
}

#[test]
fn a_state_directory_that_can_not_be_used_is_refused_before_anything_is_read() {
    let mut home = home(PASS);
    // It is below a file.
    home.state = home.file.join("state");
    let output = home.run(&["run"], b"one\n");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("is not a directory"), "{said}");
    assert_eq!(output.stdout, b"");
    // The operator has not asked for the default one: without it, failed messages are only counted.
    let mut command = home.gopiper(&["run"]);
    command.env_remove("GOPIPER_STATE_DIR").env("XDG_STATE_HOME", &home.state);
    let output = run(&mut command, b"one\n");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("failed messages are only counted"), "{said}");
    assert_eq!(output.stdout, b"one\n");
}

#[test]
fn a_component_that_no_pipeline_has_is_refused() {
    let home = home(PASS);
    let replay = |component| home.run(&["dlq", "replay", "--component", component], b"");
    assert_eq!(replay("pass").status.code(), Some(0));
    let output = replay("pas");
    assert_eq!(output.status.code(), Some(78));
    let said = stderr(&output);
    assert!(said.contains("has a component 'pas'") && !said.contains("to replay"), "{said}");
}

#[test]
fn a_killed_replay_continues_where_it_was() {
    const LETTERS: usize = 400;
    let home = home("gopiper.loadComponent('faults_component.so', { first_word = true }),");
    // More than may be under way: so some are not begun when it is killed.
    let padding = "x".repeat(16 << 10);
    let line = |n| format!("fail {n:03} {padding}\n");
    home.run(&["run"], (0..LETTERS).map(line).collect::<String>().as_bytes());

    let options = "{ name = 'faults', channel_size = 8 }";
    let repaired = format!("gopiper.loadComponent('pass_component.so', {{}}, {options}),");
    home.write(&pipeline_text(&repaired, "{}"));
    let replay = || home.gopiper(&["dlq", "replay"]);
    let numbers = |output: &[u8]| -> Vec<usize> {
        let text = String::from_utf8_lossy(output).into_owned();
        let whole = text.lines().filter(|line| line.len() == "fail 000 ".len() + padding.len());
        whole.filter_map(|line| line[5..8].parse().ok()).collect()
    };
    let mut killed = replay().spawn().expect("it starts");
    let mut some = vec![0; 100 * line(0).len()];
    killed.stdout.take().expect("a pipe").read_exact(&mut some).expect("they come");
    // A letter counts as finished when it is marked, not when its output was read.
    let marks = || {
        let files = fs::read_dir(home.state.join("dead-letters")).expect("it is there").flatten();
        let files = files.map(|entry| entry.path());
        files.filter(|path| path.extension().is_some_and(|end| end == "done")).collect::<Vec<_>>()
    };
    while marks().iter().all(|path| fs::metadata(path).map_or(0, |file| file.len()) == 0) {
        thread::sleep(Duration::from_millis(1));
    }
    killed.kill().expect("killed");
    killed.wait().expect("it ends");
    let first = numbers(&some);
    assert_eq!(first, (0..100).collect::<Vec<_>>());

    let output = run(&mut replay(), b"");
    let second = numbers(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    // The pipe holds the letters between the last one read and the last one marked.
    assert!(second[0] > 0, "finished letters do not come again");
    assert_eq!(second, (second[0]..LETTERS).collect::<Vec<_>>(), "all others do, in order");
    let output = run(&mut replay(), b"");
    assert_eq!(output.stdout, b"");
    assert!(stderr(&output).contains("there are no dead letters"), "{}", stderr(&output));
}

#[test]
fn a_pipeline_that_is_not_there_has_no_empty_list() {
    let home = home(PASS);
    fs::remove_file(&home.file).expect("removed");
    let list = || home.run(&["dlq", "list"], b"");
    let output = list();
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr(&output).contains("name the pipeline's file"), "{}", stderr(&output));
    fs::write(&home.state, "").expect("written");
    let output = list();
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr(&output).contains("state is not a directory"), "{}", stderr(&output));
}

#[test]
fn the_reader_of_a_list_may_stop_early() {
    let home = home(FAULTS);
    home.run(&["run"], b"fail\n");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = home.gopiper(&["dlq", "list"]);
    let output =
        command.stdout(writer).spawn().expect("it starts").wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn the_beginning_of_a_line_that_was_too_long_is_replayed_as_a_line() {
    let home = Home::new(&pipeline_text("", "{ max_length = 3, too_long = 'fail' }"));
    assert_eq!(home.run(&["run"], b"abcd\nx\nefgh\n").stdout, b"x\n");
    assert_eq!(home.run(&["dlq", "replay"], b"").stdout, b"abc\nefg\n");
}

/// Otherwise files of the working directory would be taken for it.
#[test]
fn without_a_state_directory_nothing_is_listed_or_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("dead-letters")).expect("made");
    fs::write(folder.path().join("dead-letters/a.letters"), "another one's").expect("written");
    fs::write(folder.path().join("p.lua"), "").expect("written");
    for arguments in [&["list"][..], &["purge", "--all"], &["show", "a"]] {
        let mut command = gopiper();
        command.arg("dlq").args(arguments).arg("p.lua").current_dir(folder.path());
        let output = run(&mut command, b"");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains("no state directory") && said.contains("--state-dir"), "{said}");
    }
    assert!(folder.path().join("dead-letters/a.letters").is_file());
}

/// A script that saves a letter and then removes it must learn that it was not saved.
#[test]
fn a_failed_write_to_standard_output_is_a_failure() {
    let home = home(FAULTS);
    home.run(&["run"], b"fail\n");
    let listed = stdout(&home.run(&["dlq", "list"], b""));
    let id = listed.split("  ").next().expect("the id comes first");
    let commands: [&[&str]; 5] = [
        &["dlq", "show", "--payload", id],
        &["dlq", "show", id],
        &["dlq", "list"],
        &["dlq", "purge"],
        &["graph"],
    ];
    for arguments in commands {
        for into in ["> /dev/full", ">&-"] {
            let command = home.gopiper(arguments);
            let mut shell = std::process::Command::new("sh");
            shell.args(["-c", &format!("exec \"$@\" {into}"), "sh"]);
            shell.arg(command.get_program()).args(command.get_args()).env_clear();
            shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
            let output = shell.stderr(std::process::Stdio::piped()).output().expect("it ran");
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{arguments:?} {into}: {said}");
            assert!(
                said.contains("cannot write to standard output"),
                "{arguments:?} {into}: {said}"
            );
        }
    }
}
