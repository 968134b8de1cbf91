//! Files that are read to their end.
use std::{
    os::unix::ffi::OsStrExt,
    time::{Duration, SystemTime},
};

use flate2::{Compression, write::GzEncoder};

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Reads to the end; returns the last error, if there is one.
fn all(source: &mut Harness) -> (Vec<String>, Result<(), String>) {
    let ended = loop {
        match source.produce(512) {
            Ok(Produced::MORE) => {}
            Ok(produced) => {
                assert_eq!(produced, Produced::FINISHED);
                break Ok(());
            }
            Err(error) => break Err(error.to_string()),
        }
    };
    source.end().unwrap();
    let sent = texts(source.sent());
    source.tell_settled();
    (sent, ended)
}

fn whole(source: &mut Harness) -> Vec<String> {
    let (sent, ended) = all(source);
    ended.unwrap();
    sent
}

#[test]
fn the_oldest_first() {
    let folder = Folder::new();
    folder.write("a.log", "new\n");
    folder.write("b.log", "old\n");
    folder.write(".c.log", "hidden\n");
    fs::create_dir(folder.path("d.log")).unwrap();
    fs::hard_link(folder.path("a.log"), folder.path("e.log")).unwrap();
    let file = File::options().write(true).open(folder.path("b.log")).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(100)).unwrap();
    assert_eq!(whole(&mut folder.source("*.log")), ["old", "new"]);
}

#[test]
fn of_files_of_one_moment_the_one_without_a_suffix_is_the_newest() {
    let folder = Folder::new();
    folder.write("a.log.1", "old\n");
    folder.write("a.log", "new\n");
    let moment = SystemTime::now();
    for name in ["a.log", "a.log.1"] {
        let file = File::options().write(true).open(folder.path(name)).unwrap();
        file.set_modified(moment).unwrap();
    }
    assert_eq!(whole(&mut folder.source("a.log*")), ["old", "new"]);
}

#[test]
fn finished_lines_do_not_come_again() {
    let folder = Folder::new();
    folder.write("a", "1\n2\n3\n");
    let mut source = folder.source("a");
    assert_eq!(source.produce(512).unwrap(), Produced::MORE);
    assert_eq!(texts(source.sent_as(Outcome::RETURNED)), ["1", "2", "3"]);
    source.tell_settled();
    drop(source);
    assert_eq!(whole(&mut folder.source("a")), ["1", "2", "3"], "nothing had ended");
    assert_eq!(whole(&mut folder.source("a")), [""; 0]);
    folder.append("a", "4\nwithout an end");
    assert_eq!(whole(&mut folder.source("a")), ["4", "without an end"]);
    folder.append("a", ", and its rest\n");
    assert_eq!(whole(&mut folder.source("a")), [", and its rest"]);
}

#[test]
fn failed_messages_count_as_finished_too() {
    let folder = Folder::new();
    folder.write("a", "1\n2\n");
    let mut source = folder.source("a");
    while source.produce(512).unwrap() == Produced::MORE {}
    source.end().unwrap();
    assert_eq!(source.sent_as(Outcome::DEAD_LETTERED).len(), 2);
    source.tell_settled();
    drop(source);
    assert_eq!(whole(&mut folder.source("a")), [""; 0]);
}

#[test]
fn without_a_checkpoint_the_state_is_not_touched() {
    let folder = Folder::new();
    folder.write("a", "1\n");
    for _ in 0..2 {
        let mut source = folder.try_source("a", [("checkpoint", false.into())]).unwrap();
        assert_eq!(whole(&mut source), ["1"]);
    }
    assert_eq!(fs::read_dir(folder.state()).unwrap().count(), 0);
}

#[test]
fn without_a_state_directory_it_gives_advice() {
    let folder = Folder::new();
    folder.write("a", "1\n");
    let paths = vec![Value::from(folder.path("a").display().to_string())];
    let refused = Harness::source::<FileSourceFactory>([("paths", paths.into())]);
    let refused = refused.unwrap_err().to_string();
    assert!(refused.starts_with("cannot open the checkpoint: "), "{refused}");
}

#[test]
fn wrong_attributes_are_refused() {
    let folder = Folder::new();
    let refused = |glob: &str, attributes: &[(&'static str, Value)]| {
        folder.try_source(glob, attributes.iter().cloned()).unwrap_err()
    };
    let nothing = format!("attribute paths[1]: no file matches '{}'", folder.path("a").display());
    assert_eq!(refused("a", &[]), nothing);
    assert!(refused("a***", &[]).starts_with("attribute paths[1]: "));
    std::fs::create_dir(folder.path("logs")).unwrap();
    let is_folder = refused("logs", &[]);
    assert!(is_folder.contains("logs' is a folder; write '"), "{is_folder}");
    assert!(is_folder.ends_with("/logs/*'"), "{is_folder}");
    folder.write("a", "");
    assert!(refused("a", &[("max_length", 0i64.into())]).starts_with("attribute max_length: "));
    let interval = [("checkpoint_interval", (-1.0).into())];
    assert!(refused("a", &interval).starts_with("attribute checkpoint_interval: "));
    let unused = [("checkpoint", false.into()), ("checkpoint_interval", 0.5.into())];
    assert!(refused("a", &unused).contains("has no effect without checkpoint = true"));
}

#[test]
fn a_damaged_checkpoint_is_not_believed() {
    let folder = Folder::new();
    folder.write("a", "1\n");
    whole(&mut folder.source("a"));
    let checkpoint = folder.state().join("checkpoint");
    let mut bytes = fs::read(&checkpoint).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&checkpoint, bytes).unwrap();
    let refused = folder.try_source("a", []).unwrap_err();
    assert!(refused.contains("is damaged") && refused.contains("remove it"), "{refused}");
    fs::remove_file(checkpoint).unwrap();
    assert_eq!(whole(&mut folder.source("a")), ["1"]);
}

#[test]
fn a_gzip_file_is_read_whole() {
    let folder = Folder::new();
    let members = [gzip(b"1\n2"), gzip(b"3\n4\n")].concat();
    folder.write("a", &members);
    assert_eq!(whole(&mut folder.source("a")), ["1", "23", "4"]);
    assert_eq!(whole(&mut folder.source("a")), [""; 0]);
    folder.append("a", gzip(b"5\n"));
    assert_eq!(whole(&mut folder.source("a")), ["5"], "by what is decompressed");
}

#[test]
fn a_gzip_file_is_resumed_in_its_middle() {
    let folder = Folder::new();
    let lines: Vec<_> = (0..10_000).map(|n| format!("line {n}")).collect();
    folder.write("a", gzip((lines.join("\n") + "\n").as_bytes()));
    let mut source = folder.try_source("a", [("block_size", 5000i64.into())]).unwrap();
    for _ in 0..7 {
        source.produce(512).unwrap();
    }
    let first = texts(source.sent());
    source.tell_settled();
    source.produce(512).unwrap();
    drop(source);
    let rest = whole(&mut folder.source("a"));
    assert!(first.len() > 1000 && rest.len() > 1000);
    assert!([first, rest].concat() == lines);
}

#[test]
fn a_damaged_gzip_file_is_named_and_the_others_are_read() {
    let folder = Folder::new();
    let lines: Vec<_> = (0..2000).map(|n| format!("line {n}\n")).collect();
    let whole = gzip(lines.concat().as_bytes());
    folder.write("a", &whole[..whole.len() / 2]);
    folder.write("b", "b\n");
    let mut source = folder.source("*");
    let (sent, ended) = all(&mut source);
    let ended = ended.unwrap_err();
    assert_eq!(ended, format!("{} could not be read to its end", folder.path("a").display()));
    let said = warnings(&mut source);
    assert!(said[0].contains("is damaged: cannot decompress beyond byte"), "{said:?}");
    let read = sent.join("\n").len();
    assert!(sent.len() > 500 && lines.concat().starts_with(&sent[..sent.len() - 2].join("\n")));
    assert_eq!(sent.last().unwrap(), "b");
    assert!(read > 0);
}

#[test]
fn unreadable_paths_are_named_and_the_others_are_read() {
    let folder = Folder::new();
    std::os::unix::fs::symlink("loop", folder.path("loop")).unwrap();
    let refused = folder.try_source("loop", []).unwrap_err();
    assert!(refused.contains("(cannot access ") && refused.contains("loop: "), "{refused}");
    folder.write("z", "1\n");
    let mut source = folder.source("*");
    let (sent, ended) = all(&mut source);
    assert_eq!(sent, ["1"]);
    assert!(ended.unwrap_err().ends_with("/loop could not be read to its end"));
    assert!(warnings(&mut source)[0].starts_with("cannot access "));
    drop(source);

    let mut source = folder.follow("*");
    now(&mut source);
    now(&mut source);
    assert_eq!(warnings(&mut source).len(), 1, "said once");
}

#[test]
fn a_name_need_not_be_text() {
    let folder = Folder::new();
    folder.write("a.log", "1\n");
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.log");
    fs::write(folder.path("").join(name), "2\n").unwrap();
    let file = File::options().write(true).open(folder.path("a.log")).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(100)).unwrap();
    assert_eq!(whole(&mut folder.source("*.log")), ["1", "2"]);
    assert_eq!(whole(&mut folder.source("*.log")), [""; 0]);
}

#[test]
fn globs_are_a_shells() {
    let folder = Folder::new();
    for name in ["a", "b1", ".a", "d/a", "d/.a", "d/e/a", ".d/a"] {
        fs::create_dir_all(folder.path(name).parent().unwrap()).unwrap();
        folder.write(name, format!("{name}\n"));
    }
    let found = |glob: &str| {
        let mut source = folder.try_source(glob, [("checkpoint", false.into())]).unwrap();
        let mut found = whole(&mut source);
        found.sort();
        found.join(" ")
    };
    assert_eq!(found("*"), "a b1");
    assert_eq!(found("[ab]*"), "a b1");
    assert_eq!(found("?1"), "b1");
    assert_eq!(found(".*"), ".a");
    assert_eq!(found("*/a"), "d/a");
    assert_eq!(found(".d/*"), ".d/a");
    assert_eq!(found("**/a"), "a d/a d/e/a");
    assert_eq!(found("d/../*"), "a b1");
    assert_eq!(found("**/e/../*"), "d/a");
    assert!(folder.try_source("**", []).unwrap_err().contains("no file matches"), "folders");
}

#[test]
fn a_message_says_its_path_if_asked_to() {
    let folder = Folder::new();
    folder.write("a", "1\nlonger\n");
    let attributes = [
        ("path_attribute", "file".into()),
        ("max_length", 3i64.into()),
        ("too_long", "fail".into()),
    ];
    let mut source = folder.try_source("a", attributes).unwrap();
    while source.produce(512).unwrap() == Produced::MORE {}
    let path = folder.path("a").display().to_string();
    let sent = source.sent_messages();
    let said = |m: &gopiper_abi::Message| m.attribute("file").unwrap().as_str().unwrap().to_owned();
    assert_eq!(sent.iter().map(said).collect::<Vec<_>>(), [path.clone(), path]);
    assert!(sent[1].description().contains("longer than max_length (3 bytes)"));
}

#[test]
fn a_file_that_was_renamed_meanwhile_is_read_on() {
    let folder = Folder::new();
    folder.write("a", "1\n");
    assert_eq!(whole(&mut folder.source("a")), ["1"]);
    folder.append("a", "2\n");
    folder.rename("a", "a.1");
    folder.write("a", "3\n");
    assert_eq!(whole(&mut folder.source("a")), ["2", "3"]);
}

#[test]
fn a_file_that_was_renamed_while_others_were_read_is_read_too() {
    let folder = Folder::new();
    folder.write("a", "1\n");
    folder.write("b", "2\n");
    let file = File::options().write(true).open(folder.path("a")).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(100)).unwrap();
    let mut source = folder.source("[ab]");
    assert_eq!(source.produce(512).unwrap(), Produced::MORE);
    folder.rename("b", "b.1");
    folder.write("b", "3\n");
    assert_eq!(whole(&mut source), ["1", "2", "3"]);
}

#[test]
fn a_file_that_was_overwritten_meanwhile_is_read_from_its_beginning() {
    let folder = Folder::new();
    folder.write("a", "1\n2\n");
    whole(&mut folder.source("a"));
    folder.write("a", "other\n");
    let mut source = folder.source("a");
    assert_eq!(whole(&mut source), ["other"]);
    assert!(warnings(&mut source)[0].contains("was truncated or replaced"));
    drop(source);
    folder.write("a", "o\n");
    assert_eq!(whole(&mut folder.source("a")), ["o"], "shorter");
}
