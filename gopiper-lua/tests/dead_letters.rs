//! Dead letters, as an operator meets them.
mod common;

use std::{fs, io::Read, path::Path, thread, time::Duration};

use common::{gopiper, run, stderr};

fn write_pipeline(file: &Path, middle: &str) {
    let text = format!(
        "local gopiper = require('gopiper')
gopiper.createPipeline({{
  gopiper.loadComponent('stdin_component.so', {{}}),
  {middle},
  gopiper.loadComponent('stdout_component.so', {{}}),
}})
"
    );
    fs::write(file, text).expect("written");
}

#[test]
fn dead_letters_are_listed_shown_replayed_and_purged() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, state) = (folder.path().join("p.lua"), folder.path().join("state"));
    let both = |arguments: &[&str]| {
        let mut command = gopiper();
        command.arg("dlq").args(arguments).arg(&file).env("GOPIPER_STATE_DIR", &state);
        let output = run(&mut command, b"");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{said}");
        (String::from_utf8(output.stdout).expect("text"), said)
    };
    let dlq = |arguments: &[&str]| both(arguments).0;
    write_pipeline(&file, "gopiper.loadComponent('faults_component.so', {})");
    assert_eq!(dlq(&["list"]), "");
    let mut command = gopiper();
    command.arg("run").arg(&file).env("GOPIPER_STATE_DIR", &state);
    let output = run(&mut command, b"done\nfail\npanic\ndone\n");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "kept, so nothing is lost: {said}");
    assert_eq!(output.stdout, b"done\ndone\n");
    let see = format!("gopiper dlq list --state-dir {} {}", state.display(), file.display());
    assert!(said.contains(&see), "{said}");

    let listed = dlq(&["list"]);
    let lines: Vec<_> = listed.lines().collect();
    assert_eq!(lines.len(), 2, "{listed}");
    assert!(lines[0].contains("main/faults  204 as told  1 attempt  4 bytes"), "{listed}");
    let id = lines[0].split("  ").next().expect("the id comes first");
    assert_eq!(dlq(&["show", "--payload", id]), "fail");
    assert!(dlq(&["show", id]).contains("\"description\": \"as told\""));
    assert!(dlq(&["list", "--json"]).lines().all(|line| line.starts_with("{\"")));
    assert_eq!(dlq(&["purge"]), "0 dead letters removed, 2 left\n");

    // The operator repairs it.
    write_pipeline(&file, "gopiper.loadComponent('pass_component.so', {}, { name = 'faults' })");
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
        let folder = tempfile::tempdir().expect("a folder");
        let (file, state) = (folder.path().join("p.lua"), folder.path().join("state"));
        let text = format!(
            "local gopiper = require('gopiper')
gopiper.createPipeline({{
  gopiper.loadComponent('file_source_component.so', {{ paths = {{ '{a}', '{b}' }}, checkpoint = {checkpoint} }}),
  gopiper.loadComponent('faults_component.so', {{}}),
  gopiper.loadComponent('stdout_component.so', {{}}),
}})
"
        );
        fs::write(&file, text).expect("written");
        let mut command = gopiper();
        let output = run(command.arg("run").arg(&file).env("GOPIPER_STATE_DIR", &state), b"");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{said}");
        // The second failure has the reason of the first one.
        assert!(said.contains(&wanted[0]), "{said}");
        let mut command = gopiper();
        command.args(["dlq", "list", "--json"]).arg(&file).env("GOPIPER_STATE_DIR", &state);
        let listed = String::from_utf8(run(&mut command, b"").stdout).expect("text");
        let found: Vec<_> =
            listed.lines().map(|line| wanted.each_ref().map(|one| line.contains(&**one))).collect();
        assert_eq!(found, [[true, false], [false, true]], "{listed}");
    }
}

#[test]
fn a_state_directory_that_can_not_be_used_is_refused_before_anything_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, no_folder) = (folder.path().join("p.lua"), folder.path().join("file"));
    write_pipeline(&file, "gopiper.loadComponent('pass_component.so', {})");
    fs::write(&no_folder, "").expect("written");
    let state = no_folder.join("state");
    let mut command = gopiper();
    let output = run(command.arg("run").arg(&file).env("GOPIPER_STATE_DIR", &state), b"one\n");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("is not a directory"), "{said}");
    assert_eq!(output.stdout, b"");
    // The operator has not asked for the default one: without it, failed messages are only counted.
    let mut command = gopiper();
    let output = run(command.arg("run").arg(&file).env("XDG_STATE_HOME", &state), b"one\n");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("failed messages are only counted"), "{said}");
    assert_eq!(output.stdout, b"one\n");
}

#[test]
fn a_component_that_no_pipeline_has_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("p.lua");
    write_pipeline(&file, "gopiper.loadComponent('pass_component.so', {})");
    let replay = |component| {
        let mut command = gopiper();
        command.args(["dlq", "replay", "--component", component]).arg(&file);
        run(command.env("GOPIPER_STATE_DIR", folder.path().join("state")), b"")
    };
    assert_eq!(replay("pass").status.code(), Some(0));
    let output = replay("pas");
    assert_eq!(output.status.code(), Some(78));
    let said = stderr(&output);
    assert!(said.contains("has a component 'pas'") && !said.contains("to replay"), "{said}");
}

#[test]
fn a_killed_replay_continues_where_it_was() {
    const LETTERS: usize = 400;
    let folder = tempfile::tempdir().expect("a folder");
    let (file, state) = (folder.path().join("p.lua"), folder.path().join("state"));
    write_pipeline(&file, "gopiper.loadComponent('faults_component.so', { first_word = true })");
    // More than may be under way: so some are not begun when it is killed.
    let padding = "x".repeat(16 << 10);
    let line = |n| format!("fail {n:03} {padding}\n");
    let mut command = gopiper();
    command.arg("run").arg(&file).env("GOPIPER_STATE_DIR", &state);
    run(&mut command, (0..LETTERS).map(line).collect::<String>().as_bytes());

    write_pipeline(
        &file,
        "gopiper.loadComponent('pass_component.so', {}, { name = 'faults', channel_size = 8 })",
    );
    let replay = || {
        let mut command = gopiper();
        command.args(["dlq", "replay"]).arg(&file).env("GOPIPER_STATE_DIR", &state);
        command
    };
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
        let files = fs::read_dir(state.join("dead-letters")).expect("it is there").flatten();
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
    let folder = tempfile::tempdir().expect("a folder");
    let (file, state) = (folder.path().join("p.lua"), folder.path().join("state"));
    let list = || {
        let mut command = gopiper();
        run(command.args(["dlq", "list"]).arg(&file).env("GOPIPER_STATE_DIR", &state), b"")
    };
    let output = list();
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr(&output).contains("name the pipeline's file"), "{}", stderr(&output));
    fs::write(&state, "").expect("written");
    let output = list();
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr(&output).contains("state is not a directory"), "{}", stderr(&output));
}

#[test]
fn the_reader_of_a_list_may_stop_early() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, state) = (folder.path().join("p.lua"), folder.path().join("state"));
    write_pipeline(&file, "gopiper.loadComponent('faults_component.so', {})");
    let mut command = gopiper();
    command.arg("run").arg(&file).env("GOPIPER_STATE_DIR", &state);
    run(&mut command, b"fail\n");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = gopiper();
    command.args(["dlq", "list"]).arg(&file).env("GOPIPER_STATE_DIR", &state).stdout(writer);
    let output = command.spawn().expect("it starts").wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn the_beginning_of_a_line_that_was_too_long_is_replayed_as_a_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, state) = (folder.path().join("p.lua"), folder.path().join("state"));
    let text = "local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', { max_length = 3, too_long = 'fail' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
";
    fs::write(&file, text).expect("written");
    let gopiper = |arguments: &[&str], input| {
        let mut command = gopiper();
        run(command.args(arguments).arg(&file).env("GOPIPER_STATE_DIR", &state), input).stdout
    };
    assert_eq!(gopiper(&["run"], b"abcd\nx\nefgh\n"), b"x\n");
    assert_eq!(gopiper(&["dlq", "replay"], b""), b"abc\nefg\n");
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
    let folder = tempfile::tempdir().expect("a folder");
    let (file, state) = (folder.path().join("p.lua"), folder.path().join("state"));
    write_pipeline(&file, "gopiper.loadComponent('faults_component.so', {})");
    let in_state = |arguments: &[&str]| {
        let mut command = gopiper();
        command.args(arguments).arg(&file).env("GOPIPER_STATE_DIR", &state);
        command
    };
    run(&mut in_state(&["run"]), b"fail\n");
    let listed = run(&mut in_state(&["dlq", "list"]), b"").stdout;
    let listed = String::from_utf8(listed).expect("text");
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
            let command = in_state(arguments);
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
