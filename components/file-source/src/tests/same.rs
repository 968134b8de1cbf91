//! Recognizes a file that was read before.
use std::os::unix::fs::PermissionsExt;

use flate2::{Compression, write::GzEncoder};

use super::*;
use crate::progress::checkpoint::{Entry, Store};

/// More than the part of its beginning by which a file is recognized.
fn header() -> String {
    "column,".repeat(200) + "\n"
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The messages of this file in a run of its own.
fn run(folder: &Folder, glob: &str) -> Vec<String> {
    let mut source = folder.source(glob);
    while source.produce(512).unwrap() == Produced::MORE {}
    source.end().unwrap();
    let sent = texts(source.sent());
    source.tell_settled();
    sent
}

/// The entries of the checkpoint, after this was done to each.
fn change(folder: &Folder, act: impl Fn(&mut serde_json::Map<String, serde_json::Value>)) {
    let (store, entries) = Store::open(folder.state()).unwrap();
    let entries = entries.unwrap().into_iter().map(|entry| {
        let mut fields = serde_json::to_value(entry).unwrap();
        act(fields.as_object_mut().unwrap());
        serde_json::from_value::<Entry>(fields).unwrap()
    });
    store.save(&entries.collect::<Vec<_>>()).unwrap();
}

#[test]
fn another_content_with_the_same_beginning_is_read_from_its_beginning() {
    let folder = Folder::new();
    folder.write("a", header() + "day1,1\nday1,2\n");
    assert_eq!(run(&folder, "a").len(), 3);
    folder.write("a", header() + "day2,1\nday2,2\nday2,3\n");
    assert_eq!(run(&folder, "a")[1..], ["day2,1", "day2,2", "day2,3"]);
    folder.append("a", "day2,4\n");
    assert_eq!(run(&folder, "a"), ["day2,4"]);
}

#[test]
fn another_content_with_the_same_beginning_is_seen_while_it_is_followed() {
    let folder = Folder::new();
    folder.write("a", header() + "day1,1\n");
    let mut source = folder.follow("a");
    assert_eq!(now(&mut source).len(), 2);
    folder.write("a", header() + "day2,1\nday2,2\n");
    assert_eq!(now(&mut source)[1..], ["day2,1", "day2,2"]);
    assert!(warnings(&mut source)[0].contains("was truncated"));
    folder.append("a", "day2,3\n");
    assert_eq!(now(&mut source), ["day2,3"]);
}

#[test]
fn an_unfinished_line_is_not_other_content() {
    let folder = Folder::new();
    folder.write("a", header() + "1\n" + &"x".repeat(3000));
    let mut source = folder.follow("a");
    assert_eq!(now(&mut source).len(), 2);
    for _ in 0..3 {
        folder.append("a", "y");
        assert_eq!(now(&mut source), [""; 0]);
    }
    drop(source);
    folder.append("a", "z\n");
    assert_eq!(now(&mut folder.follow("a")), ["x".repeat(3000) + "yyyz"]);
}

#[test]
fn an_inode_that_was_given_again_is_another_file() {
    let folder = Folder::new();
    folder.write("a", "time,level\n1,ok\n");
    run(&folder, "a");
    folder.append("a", "2,ok\n");
    // As if the one that was read had been made at another time.
    change(&folder, |entry| {
        if let Some(born) = entry.get_mut("born") {
            *born = 5.into();
        }
    });
    let knows = fs::metadata(folder.path("a")).unwrap().created().is_ok();
    assert_eq!(run(&folder, "a").len(), if knows { 3 } else { 1 });
}

#[test]
fn another_number_of_the_device_does_not_matter() {
    let folder = Folder::new();
    folder.write("a", "1\n");
    run(&folder, "a");
    change(&folder, |entry| drop(entry.insert("device".into(), 77777.into())));
    folder.append("a", "2\n");
    assert_eq!(run(&folder, "*"), ["2"]);
}

#[test]
fn an_older_checkpoint_is_understood() {
    let folder = Folder::new();
    folder.write("a", "1\n");
    run(&folder, "a");
    change(&folder, |entry| {
        for new in ["born", "mark", "length", "real", "ended"] {
            entry.remove(new);
        }
    });
    folder.append("a", "2\n");
    assert_eq!(run(&folder, "a"), ["2"]);
}

#[test]
fn only_the_owner_may_read_the_checkpoint() {
    let folder = Folder::new();
    folder.write("a", "1\n");
    run(&folder, "a");
    let mode = fs::metadata(folder.state().join("checkpoint")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_compressed_file_is_recognized_too() {
    let folder = Folder::new();
    folder.write("a", gzip((header() + "day1,1\n").as_bytes()));
    assert_eq!(run(&folder, "a").len(), 2);
    let whole = gzip((header() + "day1,1\n").as_bytes());
    folder.write("a", [whole.clone(), gzip(b"day1,2\n")].concat());
    assert_eq!(run(&folder, "a"), ["day1,2"]);
    // The same first bytes, as the header of its only block says the same length.
    folder.write("a", gzip((header() + "day2,1\n").as_bytes()));
    assert_eq!(run(&folder, "a").len(), 2);
    folder.write("a", &whole[..whole.len() - 12]);
    assert_eq!(fs::read(folder.path("a")).unwrap()[..1024], whole[..1024]);
}

#[test]
fn zeros_between_and_after_compressed_members_are_padding() {
    let folder = Folder::new();
    let zeros = vec![0; 10_000];
    folder.write("a", [gzip(b"1\n"), zeros.clone(), gzip(b"2\n"), zeros.clone()].concat());
    assert_eq!(run(&folder, "a"), ["1", "2"]);
    folder.append("a", gzip(b"3\n"));
    assert_eq!(run(&folder, "a"), ["3"]);
    folder.write("b", [gzip(b"1\n"), b"no member".to_vec()].concat());
    let mut source = folder.source("b");
    let ended = loop {
        match source.produce(512) {
            Ok(Produced::MORE) => {}
            ended => break ended,
        }
    };
    assert!(ended.is_err());
    assert_eq!(texts(source.sent()), ["1"]);
}

#[test]
fn files_that_the_system_generates_are_read_each_time() {
    let paths = || ("paths", vec![Value::from("/proc/self/mounts")].into());
    let expected = fs::read_to_string("/proc/self/mounts").unwrap();
    let folder = Folder::new();
    for _ in 0..2 {
        let mut source =
            Harness::source_in::<crate::FileSourceFactory>(folder.state(), [paths()]).unwrap();
        while source.produce(512).unwrap() == Produced::MORE {}
        source.end().unwrap();
        assert_eq!(texts(source.sent()).len(), expected.lines().count());
        source.tell_settled();
    }
    // Its content differs each time.
    let changing = ("paths", vec![Value::from("/proc/self/stat")].into());
    let mut source = Harness::source_in::<crate::FileSourceFactory>(
        folder.state(),
        [changing, ("follow", true.into())],
    )
    .unwrap();
    assert_eq!(now(&mut source).len(), 1);
    assert_eq!(now(&mut source).len(), 0);
}

/// The identities of what is there now, without the part that is the file's own.
fn numbers(source: &mut Harness) -> (Vec<String>, Vec<u64>) {
    while source.produce(512).unwrap() == Produced::MORE {}
    let ids = source.sent_with_ids().into_iter().map(|(_, id)| id.expect("an identity"));
    ids.map(|id| (id.origin().to_owned(), id.number())).unzip()
}

#[test]
fn a_line_has_the_same_identity_each_time_until_its_file_has_other_content() {
    let folder = Folder::new();
    folder.write("a.log", "one\ntwo\n");
    let mut source = folder.source("*.log");
    let (origins, starts) = numbers(&mut source);
    assert_eq!(starts, [4, 8], "where the lines end");
    assert!(origins[0].starts_with("test/") && origins[0] == origins[1], "{origins:?}");
    // Nothing was settled, as after a kill; and the file has another name.
    drop(source);
    folder.rename("a.log", "b.log");
    let mut source = folder.source("*.log");
    assert_eq!(numbers(&mut source), (origins.clone(), vec![4, 8]));
    source.tell_settled();
    drop(source);
    folder.write("b.log", "new\n");
    let (other, starts) = numbers(&mut folder.source("*.log"));
    assert_eq!((&*other[0], &*starts), (&*format!("{}-1", origins[0]), &[4][..]));
    // It is replaced before a line of it has gone through: that is a third content.
    folder.write("b.log", "x\n");
    let (third, _) = numbers(&mut folder.source("*.log"));
    assert_eq!(third[0], format!("{}-2", origins[0]));
}

#[test]
fn lines_without_a_checkpoint_have_no_identity() {
    let folder = Folder::new();
    folder.write("a.log", "one\n");
    let mut source = folder.try_source("*.log", [("checkpoint", false.into())]).unwrap();
    while source.produce(512).unwrap() == Produced::MORE {}
    assert_eq!(source.sent_with_ids(), [(b"one".to_vec(), None)]);
}

#[test]
fn an_unfinished_line_that_has_grown_is_another_message() {
    let folder = Folder::new();
    folder.write("a.log", "abc");
    let mut source = folder.source("*.log");
    let (_, before) = numbers(&mut source);
    drop(source);
    folder.append("a.log", "def\n");
    let mut source = folder.source("*.log");
    let (_, after) = numbers(&mut source);
    assert_eq!((before, after), (vec![3], vec![7]));
}

#[test]
fn lines_are_new_ones_when_the_checkpoint_was_removed() {
    let folder = Folder::new();
    folder.write("a.log", "one\n");
    let origin = || {
        let mut source = folder.source("*.log");
        let origin = numbers(&mut source).0.remove(0);
        source.tell_settled();
        origin
    };
    let first = origin();
    fs::remove_file(folder.state().join("checkpoint")).unwrap();
    let second = origin();
    assert_eq!(second, first.replacen("test/", "test.2/", 1));
}
