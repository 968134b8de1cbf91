//! Trust in components by their signatures.
mod common;

use std::{fs, io::Cursor, path::Path, process::Output};

use common::{gopiper, plugins, root, stderr, stdout};
use minisign::KeyPair;

/// A folder with stdin and stdout, signed by a vendor, and the vendor's key.
fn signed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = KeyPair::generate_unencrypted_keypair().expect("keys");
    let key = keys.pk.to_box().expect("a key").to_string();
    fs::write(folder.path().join("vendor.pub"), key).expect("written");
    for name in ["stdin_component.so", "stdout_component.so"] {
        let bytes = fs::read(plugins().join(name)).expect("read");
        let signature = minisign::sign(Some(&keys.pk), &keys.sk, Cursor::new(&bytes), None, None);
        let signature = signature.expect("signed").to_string();
        fs::write(folder.path().join(name), bytes).expect("written");
        fs::write(folder.path().join(format!("{name}.minisig")), signature).expect("written");
    }
    folder
}

/// The list of keys that the operators' page shows.
fn shown() -> String {
    let page = fs::read_to_string(root().join("docs/operators/trust.md")).expect("the page");
    let (_, block) = page.split_once("```lua,trust\n").expect("the block");
    block.split("```").next().expect("its end").to_owned()
}

fn run(folder: &Path, trust: &str, arguments: &[&str]) -> Output {
    let lua = format!(
        "local gopiper = require('gopiper')\n{trust}gopiper.createPipeline({{\n  \
         gopiper.loadComponent('stdin_component.so', {{}}),\n  \
         gopiper.loadComponent('stdout_component.so', {{}}),\n}})\n"
    );
    fs::write(folder.join("pipeline.lua"), lua).expect("written");
    let mut program = gopiper();
    program.current_dir(folder).arg("run").args(arguments).arg("pipeline.lua");
    program.stdin(std::process::Stdio::null()).output().expect("it ran")
}

#[test]
fn only_files_that_the_vendor_signed_run() {
    let folder = signed();
    let output = run(folder.path(), &shown(), &[]);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    fs::remove_file(folder.path().join("stdout_component.so.minisig")).expect("removed");
    let output = run(folder.path(), &shown(), &[]);
    assert_eq!(output.status.code(), Some(78));
    let said = stderr(&output);
    assert!(said.contains("stdout_component.so is not signed by a trusted key"), "{said}");
    assert!(said.contains("pipeline.lua:5:"), "{said}");
    assert!(!said.contains("stdin_component.so is not"), "{said}");
}

#[test]
fn the_command_line_wins() {
    let folder = signed();
    fs::remove_file(folder.path().join("stdout_component.so.minisig")).expect("removed");
    let output = run(folder.path(), &shown(), &["--unsigned", "warn"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("is not signed by a trusted key"), "{}", stderr(&output));
    let output = run(folder.path(), "", &["--trusted-key", "vendor.pub"]);
    assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
    let output = run(folder.path(), "", &["--trusted-key", "nowhere.pub"]);
    assert!(
        stderr(&output).contains("'nowhere.pub' is not a minisign public key"),
        "{}",
        stderr(&output)
    );
}

/// Otherwise each component would be refused, because its key is not among those of the file.
#[test]
fn a_wrong_key_is_the_only_error() {
    let folder = signed();
    for wrong in [
        "gopiper.trust{ trusted_keys = { 'nowhere.pub' } }\n",
        "gopiper.trust{ trusted_keys = { 'nowhere.pub' }, unsigned = 'refuse' }\n",
        "gopiper.trust{ trusted_keys = { 'vendor.pub' }, unsinged = 'refuse' }\n",
        "gopiper.trust{ trusted_keys = 'vendor.pub', unsigned = 'refuse' }\n",
    ] {
        let output = run(folder.path(), wrong, &[]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(78), "{wrong}: {said}");
        assert_eq!(said.matches("error: ").count(), 1, "{wrong}: {said}");
        assert!(said.contains("--> pipeline.lua:2:"), "{wrong}: {said}");
        assert!(!said.contains("refused"), "{wrong}: {said}");
        // The command line overrides it.
        let output = run(folder.path(), wrong, &["--trusted-key", "vendor.pub"]);
        assert_eq!(stderr(&output).matches("error: ").count(), 1, "{}", stderr(&output));
    }
}

#[test]
fn a_wrong_key_does_not_hide_that_a_file_is_missing() {
    let folder = signed();
    let wrong = "gopiper.trust{ trusted_keys = { 'nowhere.pub' } }\n\
                 gopiper.loadComponent('no_component.so', {})\n";
    let said = stderr(&run(folder.path(), wrong, &[]));
    assert_eq!(said.matches("error: ").count(), 2, "{said}");
    assert!(said.contains("--> pipeline.lua:2:") && said.contains("--> pipeline.lua:3:"), "{said}");
}

#[test]
fn inspect_and_verify_say_who_signed() {
    let folder = signed();
    let said = |command: &str, key: &str| {
        let mut program = gopiper();
        program.current_dir(folder.path()).args([command, "--trusted-key", key]);
        program.arg("stdin_component.so").output().expect("it ran")
    };
    let output = said("inspect", "vendor.pub");
    let text = stdout(&output);
    assert!(text.contains("signature  by a trusted key: timestamp:"), "{text}");
    assert_eq!(said("verify", "vendor.pub").status.code(), Some(0));
    let other = KeyPair::generate_unencrypted_keypair().expect("keys").pk.to_base64();
    assert_eq!(said("verify", &other).status.code(), Some(78));
    let text = stdout(&said("inspect", &other));
    assert!(text.contains("signature  by a key that is not trusted"), "{text}");
}

/// To open it would end the process.
#[test]
fn verify_opens_no_file_that_no_trusted_key_has_signed() {
    let folder = signed();
    let mut program = gopiper();
    program.current_dir(folder.path()).args(["verify", "--trusted-key", "vendor.pub"]);
    program.arg(plugins().join("faults_component.so")).env("FAULTS", "opening");
    let output = program.output().expect("it ran");
    let (text, said) = (stdout(&output), stderr(&output));
    assert_eq!((output.status.code(), text.as_str()), (Some(78), ""), "{said}");
    assert!(said.contains("is not signed by a trusted key"), "{said}");
}

/// Each test of `verify` has a process of its own, which loads the file once more: here, a command
/// has replaced it during the first test.
#[test]
fn verify_runs_no_file_but_the_one_that_it_has_judged() {
    let folder = signed();
    let other = folder.path().join("other");
    fs::copy(plugins().join("generate_component.so"), &other).expect("copied");
    let file = folder.path().join("stdin_component.so");
    let replaces = format!("test ! -e {0} || mv {0} {1}", other.display(), file.display());
    let mut program = gopiper();
    program.current_dir(folder.path()).args(["verify", "--trusted-key", "vendor.pub"]);
    program.args(["--while", &replaces, "-j", "1", "--include", "life::", "--only-failed"]);
    let output = program.arg("stdin_component.so").output().expect("it ran");
    let text = stdout(&output);
    assert!(text.contains("CRASHED        life::stop: "), "{text}");
    assert!(text.contains("is not the file that was checked"), "{text}");
}
