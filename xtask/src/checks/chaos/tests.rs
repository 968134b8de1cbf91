use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::LazyLock;

use tempfile::TempDir;

use super::disk::{Control, Disk, Syncs, compile_shim};

const SCRIPT: &str = "CHAOS_SCRIPT";

/// No test, but the program that the others run under the shim: this one, again.
#[test]
fn scribe() {
    let Ok(script) = env::var(SCRIPT) else { return };
    env::set_current_dir(env::var("CHAOS_DISK").unwrap()).unwrap();
    let mut open = Vec::new();
    for line in script.lines() {
        match *line.split(' ').collect::<Vec<_>>() {
            ["create", path] => open.push(File::create(path).unwrap()),
            ["append", path] => open.push(File::options().append(true).open(path).unwrap()),
            ["write", text] => open.last_mut().unwrap().write_all(text.as_bytes()).unwrap(),
            ["at", offset, text] => {
                open.last()
                    .unwrap()
                    .write_all_at(text.as_bytes(), offset.parse().unwrap())
                    .unwrap();
            }
            ["cut", length] => open.last().unwrap().set_len(length.parse().unwrap()).unwrap(),
            ["sync"] => open.last().unwrap().sync_data().unwrap(),
            ["sync", folder] => File::open(folder).unwrap().sync_all().unwrap(),
            ["rename", from, to] => fs::rename(from, to).unwrap(),
            ["copy", from, to] => _ = fs::copy(from, to).unwrap(),
            ["remove", path] => fs::remove_file(path).unwrap(),
            ["mkdir", path] => fs::create_dir(path).unwrap(),
            ["rmdir", path] => fs::remove_dir(path).unwrap(),
            ["unseen", path] => {
                let mut command = Command::new("sh");
                command.args(["-c", "echo unseen >> $0", path]).env_remove("LD_PRELOAD");
                assert!(command.status().unwrap().success());
            }
            _ => panic!("no such line: {line}"),
        }
    }
}

struct Machine {
    _folder: TempDir,
    disk: Disk,
}

impl Machine {
    fn new() -> Machine {
        static SHIM: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
            let folder = tempfile::tempdir().unwrap();
            let shim = compile_shim(folder.path()).unwrap();
            (folder, shim)
        });
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(folder.path(), &SHIM.1).unwrap();
        Machine { _folder: folder, disk }
    }

    /// With these files on its disk.
    fn with(files: &[(&str, &str)]) -> Machine {
        let mut machine = Machine::new();
        for (name, text) in files {
            fs::write(machine.disk.folder().join(name), text).unwrap();
        }
        machine.disk.begin().unwrap();
        machine
    }

    fn command(&self, script: &str, leave_out: Option<&str>, die_at: Option<u64>) -> Command {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", "checks::chaos::tests::scribe", "--nocapture"])
            .env(SCRIPT, script);
        self.disk.used_by(&mut command, leave_out, die_at);
        command
    }

    fn run(&self, script: &str) {
        let output = self.command(script, None, None).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        self.disk.check().unwrap();
    }

    /// The content of each file after the power was lost.
    fn after(&self, count: Syncs) -> Vec<(String, String)> {
        self.disk.lose_power(count, |_| false).unwrap();
        contents(self.disk.folder())
    }
}

/// Files with their text; folders end in '/'.
fn contents(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            let inside = contents(&path);
            found.extend(inside.into_iter().map(|(file, text)| (format!("{name}/{file}"), text)));
            found.push((name + "/", String::new()));
        } else {
            found.push((name, fs::read_to_string(path).unwrap()));
        }
    }
    found.sort();
    found
}

fn files(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect()
}

/// The remaining files after a script and the loss of power.
fn left(before: &[(&str, &str)], script: &str) -> Vec<(String, String)> {
    let machine = Machine::with(before);
    machine.run(script);
    let left = machine.after(Syncs::Done);
    assert_eq!(machine.after(Syncs::Done), left, "taken back again, it is the same");
    left
}

#[test]
fn bytes_stay_when_their_file_was_synced() {
    let old = [("a", "old")];
    assert_eq!(left(&old, "append a\nwrite +new"), files(&old));
    assert_eq!(left(&old, "append a\nwrite +new\nsync"), files(&[("a", "old+new")]));
    assert_eq!(left(&old, "append a\nwrite +1\nsync\nwrite +2"), files(&[("a", "old+1")]));
    assert_eq!(left(&old, "append a\ncut 1"), files(&old));
    assert_eq!(left(&old, "append a\ncut 1\nwrite new\nwrite er"), files(&old));
    assert_eq!(left(&old, "append a\ncut 1\nsync\nwrite new"), files(&[("a", "o")]));
    assert_eq!(left(&old, "create a\nwrite new"), files(&old));
    assert_eq!(left(&old, "create a\nat 1 new\nsync"), files(&[("a", "\0new")]));
    let two = [("a", "old"), ("b", "old")];
    let script = "append a\nwrite 1\nappend b\nwrite 2\nsync\nappend a\nwrite 3";
    assert_eq!(left(&two, script), files(&[("a", "old"), ("b", "old2")]));
}

#[test]
fn names_stay_when_their_folder_was_synced() {
    let old = [("a", "old")];
    assert_eq!(left(&[], "create a\nwrite new\nsync"), files(&[]));
    assert_eq!(left(&[], "create a\nwrite new\nsync\nsync ."), files(&[("a", "new")]));
    assert_eq!(left(&[], "create a\nwrite new\nsync ."), files(&[("a", "")]));
    assert_eq!(left(&old, "remove a"), files(&old));
    assert_eq!(left(&old, "remove a\nsync ."), files(&[]));
    assert_eq!(left(&old, "rename a b"), files(&old));
    assert_eq!(left(&old, "rename a b\nsync ."), files(&[("b", "old")]));
    assert_eq!(left(&old, "append a\nwrite er\nsync\nrename a b"), files(&[("a", "older")]));
    assert_eq!(left(&old, "remove a\ncreate a\nwrite new\nsync"), files(&old));
}

#[test]
fn a_file_is_replaced_whole_or_not_at_all() {
    let old = [("a", "old")];
    let replace = "create a.new\nwrite new\nsync\nrename a.new a";
    assert_eq!(left(&old, replace), files(&old));
    assert_eq!(left(&old, &format!("{replace}\nsync .")), files(&[("a", "new")]));
    // This is why one syncs it first.
    let hastily = "create a.new\nwrite new\nrename a.new a\nsync .";
    assert_eq!(left(&old, hastily), files(&[("a", "")]));
    let twice = format!("{replace}\nsync .\n{replace}er");
    assert_eq!(left(&old, &twice.replace("aer", "a")), files(&[("a", "new")]));
}

#[test]
fn a_folder_stays_when_the_one_that_it_is_in_was_synced() {
    let inside = "mkdir f\ncreate f/a\nwrite new\nsync\nsync f";
    assert_eq!(left(&[], inside), files(&[]));
    assert_eq!(left(&[], &format!("{inside}\nsync .")), files(&[("f/", ""), ("f/a", "new")]));
    let gone = format!("{inside}\nsync .\nremove f/a\nrmdir f");
    assert_eq!(left(&[], &gone), files(&[("f/", ""), ("f/a", "new")]));
    assert_eq!(left(&[], &format!("{gone}\nsync .")), files(&[]));
}

#[test]
fn copies_are_written_like_everything_else() {
    assert_eq!(left(&[("a", "old")], "copy a b\nsync ."), files(&[("a", "old"), ("b", "")]));
}

#[test]
fn a_sync_can_be_left_out() {
    let machine = Machine::new();
    let script = "create a-1\nwrite one\nsync\ncreate b-1\nwrite two\nsync\nsync .";
    let output = machine.command(script, Some("a-*"), None).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let synced: Vec<_> = machine.disk.synced().unwrap().into_iter().collect();
    assert_eq!(synced, ["/", "a-*", "b-*"]);
    assert_eq!(machine.after(Syncs::Said), files(&[("a-1", "one"), ("b-1", "two")]));
    assert_eq!(machine.after(Syncs::Done), files(&[("a-1", ""), ("b-1", "two")]));
    for (left_out, after) in [("/", vec![]), ("a-*", files(&[("a-1", ""), ("b-1", "two")]))] {
        let machine = Machine::new();
        let status = machine.command(script, Some(left_out), None).output().unwrap().status;
        assert!(status.success());
        assert_eq!(machine.after(Syncs::Done), after, "without {left_out}");
    }
}

#[test]
fn a_program_dies_at_the_chosen_record() {
    let ends = |die_at| -> (ExitStatus, Vec<_>) {
        let machine = Machine::new();
        let script = "create a\nwrite 12345678\nsync\nsync .\nrename a b";
        let status = machine.command(script, None, Some(die_at)).output().unwrap().status;
        machine.disk.check().unwrap();
        let written = contents(machine.disk.folder());
        machine.disk.lose_power(Syncs::Done, |_| false).unwrap();
        (status, written)
    };
    let expected = [
        vec![],
        files(&[("a", "1234")]),
        files(&[("a", "12345678")]),
        files(&[("a", "12345678")]),
        files(&[("a", "12345678")]),
        files(&[("a", "12345678")]),
    ];
    for (die_at, expected) in (1..).zip(expected) {
        let (status, written) = ends(die_at);
        assert_eq!((status.signal(), written), (Some(9), expected), "at record {die_at}");
    }
    let (status, written) = ends(7);
    assert_eq!((status.code(), written), (Some(0), files(&[("b", "12345678")])));
}

/// Two lives, and the second one lives with what the first has not synced.
#[test]
fn unsynced_writes_of_a_killed_program_can_be_lost_later() {
    let machine = Machine::with(&[("a", "0")]);
    machine.run("append a\nwrite 1\nrename a b");
    machine.run("append b\nwrite 2\nrename b c");
    assert_eq!(machine.after(Syncs::Done), files(&[("a", "0")]));
}

#[test]
fn writes_that_the_shim_missed_are_noticed() {
    for script in
        ["unseen a", "unseen b", "append a\nwrite 1\nunseen a", "unseen a\nappend a\nwrite 1"]
    {
        let machine = Machine::with(&[("a", "old")]);
        let output = machine.command(script, None, None).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let noticed = machine.disk.check().unwrap_err().to_string();
        assert!(noticed.contains("the shim missed a write"), "{script}: {noticed}");
    }
}

#[test]
fn a_disk_can_be_full_and_descriptors_run_out() {
    let machine = Machine::with(&[("a", "old"), ("b", "old")]);
    let said = |script: &str| {
        let output = machine.command(script, None, None).output().unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    machine.disk.trouble(Control::Full, Some("a*")).unwrap();
    let full = said("append b\nwrite +1\nappend a\nwrite 12345678");
    assert!(full.contains("StorageFull"), "{full}");
    assert_eq!(contents(machine.disk.folder()), files(&[("a", "old1234"), ("b", "old+1")]));
    machine.disk.trouble(Control::Full, None).unwrap();
    machine.disk.trouble(Control::NoFiles, Some("*")).unwrap();
    let none = said("append a");
    assert!(none.contains("code: 24"), "{none}");
    machine.disk.trouble(Control::NoFiles, None).unwrap();
    machine.run("append a\nwrite 9");
    let after = machine.after(Syncs::Done);
    assert_eq!(after, files(&[("a", "old"), ("b", "old")]));
}
