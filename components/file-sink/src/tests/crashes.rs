//! A process that dies in the middle: only the part of a line is removed.
use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::{disk::Inode, mark::Mark};

/// Dies after it has written this part of a batch.
fn crash(folder: &Folder, sink: Harness, torn: &str) {
    let mark = fs::read(folder.path(".a.gopiper")).unwrap();
    drop(sink);
    fs::write(folder.path(".a.gopiper"), mark).unwrap();
    let mut file = File::options().append(true).open(folder.path("a")).unwrap();
    file.write_all(torn.as_bytes()).unwrap();
}

#[test]
fn a_part_of_a_line_goes() {
    let folder = Folder::new();
    let mut sink = folder.sink("a");
    sink.handle(["1", "2"]);
    crash(&folder, sink, "3\n4");
    let mut sink = folder.sink("a");
    assert!(warnings(&mut sink)[0].contains("removed its last 1 bytes"));
    sink.handle(["3", "4"]);
    sink.end().unwrap();
    assert_eq!(folder.read("a"), "1\n2\n3\n3\n4\n", "at least once");
}

#[test]
fn a_last_line_without_a_delimiter_stays() {
    let folder = Folder::new();
    let mut sink = folder.sink("a");
    sink.handle([Message::new("1"), without_delimiter("par")]);
    crash(&folder, sink, "torn");
    let mut sink = folder.sink("a");
    assert!(warnings(&mut sink)[0].contains("its last 4 bytes"));
    sink.handle(["t"]);
    crash(&folder, sink, "");
    let mut sink = folder.sink("a");
    sink.end().unwrap();
    assert_eq!(folder.read("a"), "1\npar\nt\n");
    assert_eq!(warnings(&mut sink), [""; 0]);
}

#[test]
fn earlier_content_stays() {
    let folder = Folder::new();
    fs::write(folder.path("a"), "of others").unwrap();
    let sink = folder.sink("a");
    crash(&folder, sink, " torn");
    folder.sink("a").end().unwrap();
    assert_eq!(folder.read("a"), "of others");
    // Closed: bytes appended by others remain.
    fs::write(folder.path("a"), "of others\nmore").unwrap();
    folder.sink("a").end().unwrap();
    assert_eq!(folder.read("a"), "of others\nmore");
}

#[test]
fn a_part_of_a_line_goes_from_a_file_that_others_have_cut() {
    let folder = Folder::new();
    fs::write(folder.path("a"), "of others\n").unwrap();
    let mut sink = folder.sink("a");
    File::options().write(true).open(folder.path("a")).unwrap().set_len(0).unwrap();
    sink.handle(["1"]);
    crash(&folder, sink, "torn");
    folder.sink("a").end().unwrap();
    assert_eq!(folder.read("a"), "1\n");
}

#[test]
fn the_mark_of_another_file_means_nothing() {
    let folder = Folder::new();
    crash(&folder, folder.sink("a"), "");
    fs::rename(folder.path("a"), folder.path("a.1")).unwrap();
    fs::write(folder.path("a"), "new").unwrap();
    folder.sink("a").end().unwrap();
    assert_eq!(folder.read("a"), "new");
    let mark = folder.path(".a.gopiper");
    fs::write(&mark, "no mark").unwrap();
    folder.sink("a").end().unwrap();
    assert_eq!(folder.read("a"), "new");
    assert!(!mark.exists());
}

#[test]
fn an_unreadable_mark_is_not_taken_for_a_missing_one() {
    let folder = Folder::new();
    fs::write(folder.path("a"), "").unwrap();
    let inode = Inode::from(&fs::metadata(folder.path("a")).unwrap());
    let left = || Mark::left_at(&folder.path("a"), inode);
    assert_eq!(left().unwrap(), None);
    fs::create_dir(folder.path(".a.gopiper")).unwrap();
    assert!(left().is_err());
}

fn batches() -> impl Strategy<Value = Vec<Vec<(String, bool)>>> {
    let message = ("[a-z-]{0,5}", prop::bool::weighted(0.3));
    prop::collection::vec(prop::collection::vec(message, 1..5), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn what_was_done_is_there_and_no_part_of_what_was_not(
        batches in batches(),
        crashes in prop::collection::vec("[a-z]{0,70}", 8),
        long in prop::bool::weighted(0.1),
        delimiter in prop_oneof![Just("\n"), Just("=="), Just("-\n-")],
    ) {
        let folder = Folder::new();
        let attributes = || [("delimiter", delimiter.into()), ("sync", "never".into())];
        let sink = || folder.try_sink("a", attributes()).unwrap();
        let mut expected = String::new();
        for (batch, torn) in batches.into_iter().zip(crashes) {
            let mut sink = sink();
            let messages = batch.iter().map(|(text, lacks)| {
                let mut message = Message::new(text.clone());
                message.set_lacks_delimiter(*lacks);
                message
            });
            prop_assert!(sink.handle(messages.collect::<Vec<_>>()).iter().all(|h| h.status == 0));
            let mut is_open = !expected.is_empty() && !expected.ends_with(delimiter);
            for (text, lacks) in &batch {
                expected += if is_open { delimiter } else { "" };
                expected += text;
                expected += if *lacks { "" } else { delimiter };
                is_open = *lacks && !text.ends_with(delimiter);
            }
            let torn = if long { torn.repeat(3000) } else { torn };
            crash(&folder, sink, &torn);
        }
        sink().end().unwrap();
        prop_assert_eq!(folder.read("a"), expected);
    }
}
