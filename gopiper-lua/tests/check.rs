//! The output of `gopiper check` except errors, texts that it never shows, and `gopiper list`.
mod common;

use std::{fs, path::Path, process::Output};

use common::{gopiper, plugins, run, stderr, stdout, variants};

const SECRET: &str = "s3\"cr\\et-of-a-test";

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::write(file, text).expect("written");
    }
    folder
}

/// From the folder, with a state directory in it.
fn gopiper_in(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = gopiper();
    command.current_dir(folder).args(arguments).env("GOPIPER_STATE_DIR", "state");
    run(command.env("SECRET", SECRET), input.as_bytes())
}

fn lua(between: &str) -> String {
    format!(
        "local gopiper = require('gopiper')\ngopiper.createPipeline({{\n  \
         gopiper.loadComponent('stdin_component.so', {{}}),\n{between}  \
         gopiper.loadComponent('stdout_component.so', {{}}),\n}})\n"
    )
}

#[test]
fn a_warning_is_shown_with_its_place_and_counts_if_it_is_to() {
    let text = lua("") + "local spare = gopiper.loadComponent('pass_component.so', {})\n";
    let folder = folder(&[("pipeline.lua", &text)]);
    let run = |arguments: &[&str]| gopiper_in(folder.path(), arguments, "a\n");
    let warning = "warning: pass_component.so is loaded, but in no pipeline\n \
                   --> pipeline.lua:6:15\n";
    for (arguments, code) in
        [(&["check"][..], 0), (&["check", "--deny-warnings"], 78), (&["run"], 0)]
    {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(stderr(&output).starts_with(warning), "{}", stderr(&output));
    }
    assert_eq!(stderr(&run(&["-q", "check"])), "");
    let denied = stderr(&run(&["-q", "check", "--deny-warnings"]));
    assert!(denied.starts_with(warning), "{denied}");
    assert!(denied.ends_with("gopiper: 1 warning is an error (--deny-warnings)\n"), "{denied}");
    let json = stderr(&run(&["--log-format", "json", "check"]));
    let line: serde_json::Value = serde_json::from_str(&json).expect("one object");
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["line"], 6);
    assert_eq!(line["column"], 15);
    assert_eq!(line["file"], "pipeline.lua");
}

#[test]
fn a_refused_file_is_reported_to_programs_in_its_parts() {
    let text =
        "local gopiper = require('gopiper')\nlocal part = gopiper.loadComponent('./none.so')\n";
    let folder = folder(&[("pipeline.lua", text), ("none.so", "no component")]);
    let json = stderr(&gopiper_in(folder.path(), &["--log-format", "json", "check"], ""));
    let line = json.lines().next().expect("a line");
    let line: serde_json::Value = serde_json::from_str(line).expect("an object");
    assert_eq!((&line["file"], &line["line"]), (&"pipeline.lua".into(), &2.into()), "{json}");
    for part in ["component_file", "problem", "found", "wanted", "remedy"] {
        assert!(line[part].as_str().is_some_and(|text| !text.is_empty()), "{part}: {json}");
    }
}

#[test]
fn check_refuses_components_without_a_state_directory_and_creates_none() {
    let text = "local gopiper = require('gopiper')\ngopiper.createPipeline({\n  \
                gopiper.loadComponent('file_source_component.so', { paths = { '*.lua' } }),\n  \
                gopiper.loadComponent('file_sink_component.so', { path = 'made/out' }),\n})\n";
    let folder = folder(&[("pipeline.lua", text)]);
    let count = || fs::read_dir(folder.path()).expect("the folder").count();
    for (variable, place, code) in [
        // The operator has not asked for the default one: a warning says that it cannot be used,
        // and there is none.
        ("XDG_STATE_HOME", "pipeline.lua", 78),
        ("GOPIPER_STATE_DIR", "pipeline.lua/state", 78),
        ("GOPIPER_STATE_DIR", "state", 0),
    ] {
        // XDG's has to be absolute.
        let place = match variable {
            "XDG_STATE_HOME" => folder.path().join(place),
            _ => place.into(),
        };
        let said = |verb| {
            let mut command = gopiper();
            let output =
                run(command.current_dir(folder.path()).arg(verb).env(variable, &place), b"");
            assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
            stderr(&output)
        };
        let by_check = said("check");
        assert_eq!(count(), 1, "looking at it leaves no trace");
        let by_run = said("run");
        // The warnings of `run` begin with the time.
        let lines = |said: &str| said.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(lines(&by_check), lines(&by_run), "{by_check}");
        match (variable, code) {
            ("XDG_STATE_HOME", _) => {
                assert!(by_check.contains("is not a directory; failed messages are only counted"));
                assert!(by_check.contains("no state directory: give it one"), "{by_check}");
                assert!(by_check.contains("--> pipeline.lua:3:53\n"), "{by_check}");
            }
            (_, 78) => assert!(by_check.contains("pipeline.lua is not a directory"), "{by_check}"),
            _ => assert_eq!(by_check, ""),
        }
    }
    assert_eq!(count(), 3);
}

#[test]
fn an_unusable_default_state_directory_is_a_warning() {
    let folder = folder(&[("pipeline.lua", &lua(""))]);
    let said = |arguments: &[&str], code| {
        let mut command = gopiper();
        command.current_dir(folder.path()).args(arguments);
        let output = run(command.env("XDG_STATE_HOME", folder.path().join("pipeline.lua")), b"");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        stderr(&output)
    };
    assert!(said(&["check"], 0).contains("failed messages are only counted"));
    assert_eq!(said(&["-q", "check"], 0), "");
    let denied = said(&["-q", "check", "--deny-warnings"], 78);
    assert!(denied.starts_with("warning: ") && denied.contains("only counted"), "{denied}");
    assert!(denied.ends_with("gopiper: 1 warning is an error (--deny-warnings)\n"), "{denied}");
}

#[test]
fn equal_errors_are_counted() {
    let text = "local gopiper = require('gopiper')\nfor _ = 1, 2000 do\n  \
                gopiper.loadComponent('grep_component.so', { wrod = 'x' })\nend\n\
                gopiper.loadComponent('none_component.so')\n";
    let folder = folder(&[("pipeline.lua", text)]);
    let said = stderr(&gopiper_in(folder.path(), &["check"], ""));
    let first = "error: grep_component.so: attribute wrod: ";
    assert_eq!(said.matches(first).count(), 10, "{said}");
    assert_eq!(
        said.matches("error: 1990 more like this: grep_component.so: ").count(),
        1,
        "{said}"
    );
    assert!(said.contains("none_component.so"), "another error is shown: {said}");
    let json = stderr(&gopiper_in(folder.path(), &["--log-format", "json", "check"], ""));
    assert_eq!(json.matches("attribute wrod: ").count(), 2000);
    assert!(!json.contains("more like this"));
}

#[test]
fn an_unsealed_component_is_a_warning() {
    let text = lua("  gopiper.loadComponent('./unsealed_component.so', {}),\n");
    let folder = folder(&[("pipeline.lua", &text)]);
    let unsealed = variants().join("pass.so");
    fs::copy(unsealed, folder.path().join("unsealed_component.so")).expect("copied");
    let output = gopiper_in(folder.path(), &["check", "--deny-warnings"], "");
    assert_eq!(output.status.code(), Some(78));
    let said = stderr(&output);
    assert!(said.starts_with("warning: ./unsealed_component.so is not sealed"), "{said}");
    let remedy = "(remedy: gopiper verify --seal ./unsealed_component.so; give --attributes if it needs any)";
    assert!(said.contains(remedy), "{said}");
    assert!(said.contains("--> pipeline.lua:4:25\n"), "{said}");
}

/// Nowhere in the output of the program, in any form.
fn is_not_in(secret: &str, output: &Output) {
    let said = stderr(output) + &stdout(output);
    let part = &secret[secret.len() - 8..];
    assert!(!said.contains(part), "{said}");
    assert!(said.contains("(secret)"), "{said}");
}

#[test]
fn a_secret_is_never_said() {
    let component = "  gopiper.loadComponent('faults_component.so', { first_word = false, \
                     text = 'Bearer ' .. gopiper.secret{ env = 'SECRET' } .. '!' }),\n";
    let function = "  function(message) print(os.getenv('SECRET')) if message:find('lua') then error('no') end end,\n";
    let checked = component.replace("first_word = false", "at = 'check', with_error = true");
    let wrong =
        component.replace("first_word = false", "first_word = gopiper.secret{ env = 'SECRET' }");
    let code = "print(gopiper.secret{ env = 'SECRET' })\nerror(tostring(gopiper.secret{ env = 'SECRET' }) .. os.getenv('SECRET'))\n";
    let folder = folder(&[
        ("pipeline.lua", &lua(&(component.to_owned() + function))),
        ("checked.lua", &lua(&checked)),
        ("wrong.lua", &lua(&wrong)),
        ("code.lua", &(lua("") + code)),
    ]);
    for format in ["text", "json"] {
        let run = |arguments: &[&str], input| {
            let mut all = vec!["-vv", "--log-format", format];
            all.extend(arguments);
            gopiper_in(folder.path(), &all, input)
        };
        let output = run(&["run"], "fail with the text\npanic with the text\nlua\ndone\n");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stdout(&output).ends_with("done\n"), "{}", stdout(&output));
        is_not_in(SECRET, &output);
        assert!(stderr(&output).contains("Bearer (secret)!"), "{}", stderr(&output));
        is_not_in(SECRET, &run(&["dlq", "list"], ""));
        is_not_in(SECRET, &run(&["dlq", "list", "--json"], ""));
        is_not_in(SECRET, &run(&["dlq", "replay", "pipeline.lua"], ""));
        for file in ["checked.lua", "wrong.lua", "code.lua"] {
            for verb in ["check", "run"] {
                let output = run(&[verb, file], "");
                assert_eq!(output.status.code(), Some(78), "{file}");
                is_not_in(SECRET, &output);
            }
        }
    }
    let kept = fs::read_dir(folder.path().join("state/dead-letters")).expect("dead letters");
    for file in kept {
        let bytes = fs::read(file.expect("a file").path()).expect("read");
        assert!(!String::from_utf8_lossy(&bytes).contains("et-of-a-test"));
    }
}

#[test]
fn a_secret_from_a_file_is_its_content() {
    let component = "  gopiper.loadComponent('grep_component.so', \
                     { word = gopiper.secret{ file = 'secrets/word' } }),\n  function() end,\n";
    let files = [("etc/pipeline.lua", &*lua(component)), ("etc/secrets/word", "needle in it\r\n")];
    let folder = folder(&files);
    let output =
        gopiper_in(folder.path(), &["run", "etc/pipeline.lua"], "a needle in it!\nneedle\n");
    assert_eq!(stdout(&output), "a needle in it!\n", "{}", stderr(&output));
}

#[test]
fn required_files_lie_beside_the_pipelines_wherever_it_is_run_from() {
    let text = "local gopiper = require('gopiper')\nlocal words = require('lib.words')\n\
                local own = require('own')\n\
                gopiper.createPipeline({\n  gopiper.loadComponent('stdin_component.so', {}),\n  \
                own.keep(words.first),\n  \
                function(message) message:append(words.last .. require('own').mark) end,\n  \
                gopiper.loadComponent('stdout_component.so', {}),\n})\n";
    let own = "local gopiper = require('gopiper')\nlocal own = { mark = '?' }\n\
               function own.keep(word)\n  \
               return gopiper.loadComponent('grep_component.so', { word = word })\nend\nreturn own\n";
    let folder = folder(&[
        ("etc/pipe?lines;/pipeline.lua", text),
        ("etc/pipe?lines;/own/init.lua", own),
        ("etc/pipe?lines;/lib/words.lua", "return { first = 'a', last = '!' }\n"),
        // Not beside it.
        ("lib/words.lua", "error('the wrong one')\n"),
    ]);
    let file = folder.path().join("etc/pipe?lines;/pipeline.lua");
    for (directory, file) in [
        (folder.path(), "etc/pipe?lines;/pipeline.lua"),
        (file.parent().expect("a folder"), "pipeline.lua"),
        (Path::new("/"), file.to_str().expect("text")),
    ] {
        let mut command = gopiper();
        let output = run(command.current_dir(directory).args(["run", file]), b"abc\nxyz\n");
        assert_eq!(stdout(&output), "abc!?\n", "{}", stderr(&output));
    }
}

#[test]
fn an_unknown_name_in_gopiper_fails_its_message_in_a_worker() {
    let text = lua("  function(message) return gopiper.DORP end,\n");
    let folder = folder(&[("pipeline.lua", &text)]);
    let output = gopiper_in(folder.path(), &["run"], "a\n");
    let said = stderr(&output);
    assert!(said.contains("pipeline.lua:4: gopiper has no 'DORP'; did you mean 'DROP'?"), "{said}");
    assert_eq!(stdout(&output), "");
}

#[test]
fn list_shows_found_and_refused_components() {
    let folder = folder(&[("etc/pipeline.lua", ""), ("etc/none_component.so", "#!/bin/sh\n")]);
    fs::copy(plugins().join("grep_component.so"), folder.path().join("etc/my_component.so"))
        .expect("copied");
    let lines = |arguments: &[&str]| {
        let output = gopiper_in(folder.path(), arguments, "");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let listed = lines(&["list", "etc/pipeline.lua"]);
    let line = |name: &str| {
        let mut found = listed.iter().filter(|line| line.starts_with(name));
        found.next().unwrap_or_else(|| panic!("{name}: {listed:?}")).clone()
    };
    let words = line("my_component.so");
    let words: Vec<_> = words.split_whitespace().collect();
    assert_eq!(words[1..4], ["transform", "grep", "0.1.0,"]);
    assert_eq!(words[6], "etc/my_component.so");
    assert!(line("stdin_component.so").contains(" source "));
    let refused = line("none_component.so");
    assert!(
        refused.contains("refused: it is not a gopiper component (found: a text file)"),
        "{refused}"
    );
    // The default one need not exist; a given one must.
    assert!(lines(&["list"]).iter().any(|line| line.starts_with("stdin_component.so")));
    let output = gopiper_in(folder.path(), &["list", "nope.lua"], "");
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(78), ""));
    assert!(stderr(&output).contains("there is no file nope.lua"), "{}", stderr(&output));
    let objects = lines(&["list", "--json", "etc/pipeline.lua"]);
    let objects: Vec<serde_json::Value> =
        objects.iter().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!(objects.len(), listed.len());
    let mine = objects.iter().find(|one| one["file"] == "my_component.so").expect("it is there");
    assert_eq!((&mine["name"], &mine["kind"]), (&"grep".into(), &"transform".into()));
    assert_eq!(mine["path"], "etc/my_component.so");
    assert!(objects.iter().any(|one| one["refused"].is_string()));
}
