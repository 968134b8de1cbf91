//! The contents of the state directory, and the processes that may use it.
mod common;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::Path,
};

use common::{Home, gopiper, run, stderr, stdout};

const BUFFERED: &str = "local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.buffer({ max_bytes = 1000000, when_full = 'block' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
";

const FAILING: &str = "local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  function(message) error('no') end,
  gopiper.loadComponent('stdout_component.so', {}),
})
";

fn written(folder: &Path, text: &str) -> std::path::PathBuf {
    let file = folder.join("p.lua");
    fs::write(&file, text).expect("written");
    file
}

#[test]
fn two_processes_of_a_pipeline_with_state_need_two_directories() {
    let home = Home::new(BUFFERED);
    let mut first = home.gopiper(&["run"]);
    let mut first = first.stdin(std::process::Stdio::piped()).spawn().expect("it starts");
    let mut input = first.stdin.take().expect("a pipe");
    let mut output = BufReader::new(first.stdout.take().expect("a pipe"));
    let mut line = String::new();
    writeln!(input, "one").expect("taken");
    output.read_line(&mut line).expect("a line");
    assert_eq!(line, "one\n", "it is at work");

    let output = home.run(&["run"], b"two\n");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains(&format!("in use by process {}", first.id())), "{said}");
    assert!(said.contains("another --state-dir"), "{said}");
    let another = home.folder.path().join("another");
    let mut second = home.gopiper(&["run"]);
    let output = run(second.env("GOPIPER_STATE_DIR", another), b"two\n");
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"two\n"[..]));
    drop(input);
    assert!(first.wait().expect("it ends").success());
}

#[test]
fn one_pipeline_without_state_may_stand_twice_in_a_pipe() {
    let between = "gopiper.loadComponent('faults_component.so', {}),";
    let home = Home::new(&common::pipeline_text(between, "{}"));
    // Both have a failure to keep: each in a segment of its own.
    let program = gopiper().get_program().to_owned();
    let one = format!("{} run {}", Path::new(&program).display(), home.file.display());
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &format!("({one}; echo fail) | {one}")]);
    shell.env("GOPIPER_STATE_DIR", &home.state);
    shell.env("GOPIPER_COMPONENT_PATH", common::plugins());
    shell.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let output = run(&mut shell, b"done\nfail\n");
    assert_eq!(output.stdout, b"done\n", "{}", stderr(&output));
    let listed = home.run(&["dlq", "list"], b"");
    assert_eq!(stdout(&listed).lines().count(), 2);
    assert_eq!(fs::read_dir(home.state.join("dead-letters")).expect("it is there").count(), 2);
}

/// A buffer that was renamed, or whose pipeline was, is a new and empty one.
#[test]
fn messages_in_a_buffer_that_the_file_does_not_have_any_more_are_reported() {
    let buffered = |pipeline: &str, buffer: &str, function: &str| {
        format!(
            "local gopiper = require('gopiper')
gopiper.createPipeline({{
  gopiper.loadComponent('stdin_component.so', {{}}),
  gopiper.buffer({{ name = '{buffer}' }}),
  gopiper.transform(function(message) {function} end, {{ on_fail = 'stop' }}),
  gopiper.loadComponent('stdout_component.so', {{}}),
}}, {{ name = '{pipeline}' }})
"
        )
    };
    let home = Home::new(&buffered("main", "one", "error('no')"));
    let gopiper = |text: &str, arguments: &[&str]| {
        home.write(text);
        home.run(arguments, b"")
    };
    let said = stderr(&home.run(&["run"], b"a\nb\n"));
    assert!(said.contains("on_fail = 'stop'"), "{said}");
    let left = format!(
        "warning: the buffer 'one' holds 2 messages of an earlier run, and pipeline main does not \
         have it any more: give a buffer that name to deliver them, or remove {}",
        home.state.join("pipelines/main/one").display()
    );
    for text in [buffered("main", "two", ""), buffered("other", "one", "")] {
        for (arguments, code) in
            [(&["check"][..], 0), (&["check", "--deny-warnings"], 78), (&["run"], 0)]
        {
            let output = gopiper(&text, arguments);
            assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
            assert_eq!(stderr(&output).lines().next(), Some(&*left), "{arguments:?}");
        }
    }
    let output = gopiper(&buffered("main", "one", ""), &["run"]);
    let said = stderr(&output);
    assert_eq!((&output.stdout[..], said.contains("warning")), (&b"a\nb\n"[..], false), "{said}");
    let said = stderr(&gopiper(&buffered("main", "two", ""), &["check"]));
    assert_eq!(said, "", "an empty one may stay");
}

#[test]
fn a_buffer_of_a_later_gopiper_is_refused() {
    let home = Home::new(BUFFERED);
    fs::create_dir(&home.state).expect("made");
    fs::write(home.state.join("version"), "4\n").expect("written");
    let output = home.run(&["run"], b"one\n");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("has version 4, and this gopiper supports version 3"), "{said}");
    for what in ["list", "purge"] {
        let output = home.run(&["dlq", what], b"");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(78), 0), "{what}");
        assert!(stderr(&output).contains("has version 4"), "{}", stderr(&output));
    }
}

/// The operator has not chosen this directory, but the dead letters need it: without it, the run
/// would discard them.
#[test]
fn a_default_state_of_another_version_is_refused_where_it_is_needed() {
    let folder = tempfile::tempdir().expect("a folder");
    let states = folder.path().join("xdg");
    let file = written(folder.path(), FAILING);
    let run_it = |what: &str| {
        let mut command = gopiper();
        run(command.arg(what).arg(&file).env("XDG_STATE_HOME", &states), b"one\n")
    };
    assert!(run_it("run").status.success());
    let made = fs::read_dir(states.join("gopiper")).expect("there").next();
    let version = made.expect("one").expect("a folder").path().join("version");
    let junk = "does not contain a version";
    let versions: [(&[u8], &str); 4] =
        [(b"4\n", "has version 4"), (b"junk", junk), (b"", junk), (b"\xff\0", junk)];
    for (text, expected) in versions {
        fs::write(&version, text).expect("written");
        for what in ["run", "check"] {
            let (output, said) = (run_it(what), stderr(&run_it(what)));
            assert_eq!((output.status.code(), &output.stdout[..]), (Some(78), &b""[..]), "{said}");
            assert!(said.contains(expected) && !said.contains("only counted"), "{said}");
        }
        assert_eq!(fs::read(&version).expect("there"), text, "it is left as it is");
    }
    let stateless = "local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}, { on_fail = 'discard' }),
  gopiper.loadComponent('stdout_component.so', {}, { on_fail = 'discard' }),
})
";
    fs::write(&file, stateless).expect("written");
    let output = run_it("run");
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"one\n"[..]));
}

/// The default directory was not asked for, so a pipeline that can do without it runs.
#[test]
fn a_default_state_that_cannot_be_made_is_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = written(folder.path(), &FAILING.replace("error('no')", ""));
    let mut command = gopiper();
    let output = run(command.arg("run").arg(&file).env("XDG_STATE_HOME", "/proc"), b"one\n");
    let said = stderr(&output);
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"one\n"[..]), "{said}");
    assert!(said.contains("failed messages are only counted"), "{said}");
}

/// Root may write anywhere: so this is run as the user nobody if root runs the tests.
#[test]
fn a_state_directory_that_is_read_only_is_refused() {
    const NOBODY: u32 = 65534;
    let home = Home::new(BUFFERED);
    fs::create_dir(&home.state).expect("made");
    for (path, mode) in [(home.folder.path(), 0o755), (&home.file, 0o644), (&home.state, 0o555)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    }
    let mut command = home.gopiper(&["run"]);
    if fs::metadata("/proc/self").expect("proc").uid() == 0 {
        let program = Path::new(command.get_program());
        let visible = program
            .ancestors()
            .skip(1)
            .chain(common::plugins().ancestors())
            .all(|path| fs::metadata(path).is_ok_and(|there| there.mode() & 0o005 == 0o005));
        if !visible {
            eprintln!("the user nobody cannot run the program here: skipped");
            return;
        }
        command.uid(NOBODY);
    }
    let output = run(&mut command, b"one\n");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("cannot be written to"), "{said}");
    assert_eq!(output.stdout, b"");
}

/// `/proc` is writable, but nothing can be created there.
#[test]
fn a_state_directory_that_cannot_be_made_is_refused_before_anything_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = common::pipeline("", "{}");
    for command in ["check", "run"] {
        let mut program = gopiper();
        program.current_dir(&folder).arg(command).arg(file.path());
        let output = run(program.args(["--state-dir", "/proc/gopiper"]), b"a line\n");
        let said = stderr(&output);
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(78), &b""[..]), "{said}");
        assert!(said.contains("state directory /proc/gopiper cannot be used"), "{said}");
    }
}

/// The default state of a file is in a folder of its own, named after the file's full path.
#[test]
fn two_files_of_one_name_share_no_state() {
    let folder = tempfile::tempdir().expect("a folder");
    let run_in = |name: &str, arguments: &[&str], input: &[u8]| {
        let file = folder.path().join(name).join("p.lua");
        let mut command = gopiper();
        command.args(arguments).arg(file).env_remove("GOPIPER_STATE_DIR");
        run(command.env("XDG_STATE_HOME", folder.path().join("xdg")), input)
    };
    for name in ["a", "b"] {
        fs::create_dir(folder.path().join(name)).expect("made");
        written(&folder.path().join(name), FAILING);
    }
    run_in("a", &["run"], b"of a\n");
    let listed = |name| stdout(&run_in(name, &["dlq", "list"], b""));
    assert_eq!((listed("a").lines().count(), listed("b").lines().count()), (1, 0));
    run_in("b", &["dlq", "purge", "--all"], b"");
    assert_eq!(listed("a").lines().count(), 1, "what b removes is not a's");
}

#[test]
fn state_of_an_older_gopiper_is_taken_over_once_and_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = written(folder.path(), FAILING);
    let state_home = folder.path().join("xdg");
    let old = state_home.join("gopiper/p");
    let run_it = |arguments: &[&str]| {
        let mut command = gopiper();
        // Empty variables count as unset.
        command.args(arguments).arg(&file).env("GOPIPER_STATE_DIR", "").env("GOPIPER_QUIET", "");
        run(command.env("XDG_STATE_HOME", &state_home), b"one\n")
    };
    fs::create_dir_all(old.join("dead-letters")).expect("made");
    fs::write(old.join("version"), "1\n").expect("written");
    for path in [&old, &old.join("dead-letters"), &old.join("version")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("it is ours");
    }
    let checked = run_it(&["check"]);
    assert!(checked.status.success() && old.is_dir(), "looking changes nothing");
    let said = stderr(&run_it(&["run"]));
    assert!(said.contains("the state of an older gopiper was moved"), "{said}");
    assert!(!old.exists());
    let said = stderr(&run_it(&["run"]));
    assert!(!said.contains("older gopiper"), "{said}");
    let folders: Vec<_> = fs::read_dir(state_home.join("gopiper")).expect("there").collect();
    let [Ok(new)] = &folders[..] else { panic!("{folders:?}") };
    let letters = new.path().join("dead-letters");
    let modes = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((modes(&letters), modes(&new.path())), (0o700, 0o700));
    assert_eq!(modes(&new.path().join("version")), 0o600);
    for letter in fs::read_dir(letters).expect("there") {
        assert_eq!(modes(&letter.expect("a file").path()), 0o600);
    }
}

/// A deployment that moves a link on keeps its state, wherever the program is started from.
#[test]
fn a_file_behind_a_link_has_one_state() {
    let folder = tempfile::tempdir().expect("a folder");
    let (version, current) = (folder.path().join("v1"), folder.path().join("current"));
    fs::create_dir(&version).expect("made");
    std::os::unix::fs::symlink(&version, &current).expect("linked");
    written(&version, FAILING);
    let states = folder.path().join("xdg");
    for (start, file) in
        [(folder.path(), "current/p.lua"), (&current, "p.lua"), (&current, "./p.lua")]
    {
        let mut command = gopiper();
        command.args(["run", file]).current_dir(start).env("PWD", start);
        assert!(run(command.env("XDG_STATE_HOME", &states), b"one\n").status.success());
    }
    assert_eq!(fs::read_dir(states.join("gopiper")).expect("there").count(), 1);
}

#[test]
fn a_missing_state_has_no_dead_letters_and_that_is_reported() {
    let output = Home::new(FAILING).run(&["dlq", "list"], b"");
    assert!(output.status.success() && output.stdout.is_empty());
    assert!(stderr(&output).contains("there are no dead letters: "), "{}", stderr(&output));
}
