//! A terminal receives no control characters from a message, or from the name of a file.
mod common;

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Read,
    os::unix::ffi::OsStrExt,
    path::Path,
    process::Command,
};

use rustix::{
    fs::{Mode, OFlags, open},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};

use common::{Home, gopiper, run, stderr, stdout};

/// Clears the screen, in two forms, and sets the title.
const NASTY: &str = "\u{1b}[2J\u{9b}2J\u{1b}]0;title\u{7}";

/// The text that the program writes to a terminal, on both of its outputs.
fn on_a_terminal(mut command: Command) -> String {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&ours).expect("granted");
    unlockpt(&ours).expect("unlocked");
    let name = ptsname(&ours, Vec::new()).expect("a name");
    let theirs = open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("its other end");
    let theirs = File::from(theirs);
    let mut child = command
        .stdout(theirs.try_clone().expect("a copy"))
        .stderr(theirs)
        .spawn()
        .expect("it starts");
    drop(command);
    let mut text = Vec::new();
    // The end of a terminal is an error.
    let _ = File::from(ours).read_to_end(&mut text);
    child.wait().expect("it ends");
    String::from_utf8_lossy(&text).replace("\r\n", "\n")
}

fn is_harmless(text: &str) -> bool {
    text.chars().all(|letter| !letter.is_control() || matches!(letter, '\n' | '\t'))
}

#[test]
fn a_dead_letter_does_not_reach_the_terminal_as_it_is() {
    let fails = format!(
        "function(message)
            message.attributes['key{NASTY}'] = '{NASTY}'
            error('text {NASTY}')
        end,"
    );
    let home = Home::new(&common::pipeline_text(&fails, "{}"));
    let input = format!("bytes {NASTY}\tend\n");
    let output = home.run(&["run"], input.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let listed = stdout(&home.run(&["dlq", "list"], b""));
    let id = listed.split("  ").next().expect("the id comes first");
    let escaped = r"\u001b[2J\u009b2J\u001b]0;title\u0007";
    for arguments in [&["dlq", "show", id][..], &["dlq", "show", "--payload", id]] {
        let shown = on_a_terminal(home.gopiper(arguments));
        assert!(shown.contains(&format!("bytes {escaped}\tend")), "{shown:?}");
        assert!(is_harmless(&shown), "{shown:?}");
        let piped = stdout(&home.run(arguments, b""));
        assert!(piped.contains(input.trim_end()), "{piped:?}");
    }
    for arguments in [&["dlq", "list"][..], &["dlq", "list", "--json"]] {
        let shown = on_a_terminal(home.gopiper(arguments));
        assert!(shown.contains("text ") && is_harmless(&shown), "{shown:?}");
        let is_json = serde_json::from_str::<serde_json::Value>(&shown).is_ok();
        assert_eq!(is_json, arguments.contains(&"--json"), "{shown:?}");
    }
}

#[test]
fn the_help_has_styles_of_its_own_and_no_values_of_variables() {
    let mut help = gopiper();
    help.args(["run", "--help"]).env("TERM", "xterm").env("GOPIPER_STATE_DIR", NASTY);
    let shown = on_a_terminal(help);
    assert!(shown.contains("\u{1b}[") && shown.contains("GOPIPER_STATE_DIR"), "{shown:?}");
    assert!(!shown.contains("[2J") && !shown.contains("title"), "{shown:?}");
}

#[test]
fn the_name_of_a_file_does_not_reach_the_terminal_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = format!("{NASTY}_component.so");
    fs::copy(common::plugins().join("pass_component.so"), folder.path().join(&name))
        .expect("copied");
    fs::write(folder.path().join(format!("{NASTY}.so")), "no component").expect("written");
    let wrong = format!("{NASTY}.lua");
    fs::write(folder.path().join(&wrong), format!("error('text {NASTY}')")).expect("written");
    let bytes = OsStr::from_bytes(b"\x9b2J.so");
    fs::write(folder.path().join(bytes), "").expect("written");
    let nasty = format!("{NASTY}.so");
    for arguments in [
        &["list".as_ref()][..],
        &["list".as_ref(), OsStr::new("--json")],
        &["inspect".as_ref(), OsStr::new(&name)],
        &["inspect".as_ref(), OsStr::new(&nasty)],
        &["inspect".as_ref(), bytes],
        &["verify".as_ref(), OsStr::new(&nasty)],
        &["check".as_ref(), OsStr::new(&wrong)],
        &["run".as_ref(), OsStr::new(&nasty)],
        &[OsStr::new(&nasty)],
    ] {
        let mut command = gopiper();
        command.current_dir(folder.path()).env("GOPIPER_COMPONENT_PATH", Path::new("."));
        let shown = on_a_terminal({
            command.args(arguments);
            command
        });
        assert!(!shown.is_empty() && is_harmless(&shown), "{arguments:?}: {shown:?}");
    }
    let mut piped = gopiper();
    piped.current_dir(folder.path()).env("GOPIPER_COMPONENT_PATH", ".").arg("list");
    let piped = stdout(&run(&mut piped, b""));
    assert!(piped.contains(&name), "a pipe receives it as it is: {piped:?}");
}
