//! Files by other names: links, names that change, patterns.
use std::os::unix::fs::symlink;

use super::*;

/// As kubelet has them: a link, and its target in another folder.
fn linked() -> Folder {
    let folder = Folder::new();
    fs::create_dir(folder.path("pod")).unwrap();
    folder.write("pod/0.log", "1\n");
    symlink("pod/0.log", folder.path("web.log")).unwrap();
    folder
}

#[test]
fn the_target_of_a_link_may_be_rotated_while_gopiper_is_stopped() {
    let folder = linked();
    assert_eq!(now(&mut folder.follow("*.log")), ["1"]);
    folder.append("pod/0.log", "2\n");
    folder.rename("pod/0.log", "pod/0.log.1");
    folder.append("pod/0.log", "3\n");
    assert_eq!(now(&mut folder.follow("*.log")), ["2", "3"]);
    // The link leads elsewhere now.
    folder.append("pod/0.log", "4\n");
    folder.append("pod/1.log", "5\n");
    fs::remove_file(folder.path("web.log")).unwrap();
    symlink("pod/1.log", folder.path("web.log")).unwrap();
    let mut source = folder.follow("*.log");
    assert_eq!(now(&mut source), ["4", "5"]);
    assert_eq!(warnings(&mut source), [""; 0]);
}

#[test]
fn the_target_of_a_link_may_be_rotated_quickly() {
    let folder = linked();
    let mut source = folder.follow("*.log");
    assert_eq!(now(&mut source), ["1"]);
    for number in 2..6 {
        // Removed at once: it is read through its descriptor.
        folder.append("pod/0.log", format!("{number}\n"));
        fs::remove_file(folder.path("pod/0.log")).unwrap();
        folder.append("pod/0.log", format!("{number}, of the next one\n"));
        assert_eq!(now(&mut source), [format!("{number}"), format!("{number}, of the next one")]);
    }
}

#[test]
fn a_missing_file_is_reported_once_with_its_unread_bytes() {
    let folder = Folder::new();
    folder.write("a", "1\n2\n".repeat(100));
    folder.write("b", "b\n");
    let mut source = folder.try_source("a", [("block_size", 100i64.into())]).unwrap();
    source.produce(512).unwrap();
    source.sent();
    source.tell_settled();
    source.end().unwrap();
    drop(source);
    fs::remove_file(folder.path("a")).unwrap();
    let mut source = folder.source("b");
    now_all(&mut source);
    let said = warnings(&mut source);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("/a no longer exists; it had been read up to byte 100"), "{said:?}");
    assert!(said[0].contains("at least 300 bytes"), "{said:?}");
    drop(source);
    let mut source = folder.source("b");
    now_all(&mut source);
    assert_eq!(warnings(&mut source), [""; 0]);
}

fn now_all(source: &mut Harness) {
    while source.produce(512).unwrap() == Produced::MORE {}
    source.end().unwrap();
    source.sent();
    source.tell_settled();
}

#[test]
fn a_file_that_is_no_longer_asked_for_is_not_read() {
    let folder = Folder::new();
    folder.write("a", "a1\n");
    folder.write("b", "b1\n");
    now_all(&mut folder.source("[ab]"));
    folder.append("a", "a2\n");
    folder.append("b", "b2\n");
    let mut source = folder.follow("a");
    assert_eq!(now(&mut source), ["a2"]);
    assert_eq!(warnings(&mut source), [""; 0]);
}

#[test]
fn a_file_waits_for_its_predecessor() {
    let folder = Folder::new();
    let lines =
        |from: usize, to: usize| (from..to).map(|n| format!("{n:06}\n")).collect::<String>();
    folder.append("a.log", lines(0, 10));
    let attributes = || [("follow", true.into()), ("block_size", 500i64.into())];
    let mut source = folder.try_source("a.log*", attributes()).unwrap();
    let mut sent = now(&mut source);
    folder.append("a.log", lines(10, 5000));
    folder.rename("a.log", "a.log.1");
    folder.append("a.log", lines(5000, 5100));
    sent.extend(now(&mut source));
    assert!(sent.is_sorted() && sent.len() == 5100, "{}", sent.len());
    // Twice, while no source reads.
    drop(source);
    folder.append("a.log", lines(5100, 9000));
    folder.rename("a.log.1", "a.log.2");
    folder.rename("a.log", "a.log.1");
    folder.append("a.log", lines(9000, 9100));
    let mut source = folder.try_source("a.log*", attributes()).unwrap();
    sent.extend(now(&mut source));
    assert!(sent.is_sorted() && sent.len() == 9100, "{}", sent.len());
}

#[test]
fn links_that_lead_back_end() {
    let folder = Folder::new();
    fs::create_dir_all(folder.path("a/b")).unwrap();
    folder.write("a/b/x.log", "1\n");
    for link in ["a/up", "a/b/up", "a/b/also-up"] {
        symlink(folder.path(""), folder.path(link)).unwrap();
    }
    symlink("b", folder.path("a/c")).unwrap();
    let source = || folder.try_source("**/*.log", [("checkpoint", false.into())]);
    let mut source = source().unwrap();
    while source.produce(512).unwrap() == Produced::MORE {}
    assert_eq!(texts(source.sent()), ["1"]);
}

#[test]
fn the_written_file_may_be_among_those_read() {
    let folder = Folder::new();
    let reads = |pattern: &str, name: &str| {
        let pattern = folder.path(pattern).display().to_string();
        crate::files::found::reads(&[pattern], &folder.path(name))
    };
    assert!(reads("*.log", "all.log"), "not there yet");
    assert!(!reads("*.log", "all.txt"));
    assert!(!reads("*.log", "new/all.log"));
    assert!(reads("*/{all,some}.log", "new/all.log"), "nor is its folder");
    assert!(reads("**/*.log", "new/all.log"));
    assert!(!reads("[ab].log", "\u{f8ff}\u{f8fe}.log"), "not every name is one letter");
    assert!(reads("*.log", "\u{f8ff}\u{f8fe}.log"));
    fs::create_dir(folder.path("real")).unwrap();
    symlink("real", folder.path("link")).unwrap();
    assert!(reads("real/*", "link/x") && reads("link/*", "real/x") && reads("l*/x", "real/x"));
    folder.write("other", "");
    symlink("other", folder.path("a.log")).unwrap();
    assert!(reads("*.log", "other"), "by its link");
}

#[test]
fn a_pattern_that_matches_nothing_is_said_and_waited_for() {
    let folder = Folder::new();
    let mut source = folder.follow("{a,b}.log");
    assert_eq!(now(&mut source), [""; 0]);
    let said = warnings(&mut source);
    assert!(
        said[0].starts_with("attribute paths[1]: no file matches ")
            && said[0].ends_with("waiting for it to appear"),
        "{said:?}"
    );
    folder.append("b.log", "b\n");
    folder.append("c.log", "c\n");
    assert_eq!(now(&mut source), ["b"]);
    assert_eq!(warnings(&mut source), [""; 0]);
}

#[test]
fn a_mark_at_the_beginning_is_left_out_of_each_file() {
    let folder = Folder::new();
    folder.write("a", "\u{feff}1\n");
    folder.write("b", "\u{feff}2\n");
    for (bom, expected) in
        [("keep", ["\u{feff}1", "\u{feff}2", "\u{feff}3"]), ("strip", ["1", "2", "\u{feff}3"])]
    {
        for checkpoint in [false, true] {
            let attributes =
                [("follow", true.into()), ("bom", bom.into()), ("checkpoint", checkpoint.into())];
            let mut source = folder.try_source("[ab]", attributes).unwrap();
            let mut sent = now(&mut source);
            folder.append("b", "\u{feff}3\n");
            sent.extend(now(&mut source));
            sent.sort();
            let mut expected = expected.to_vec();
            expected.sort_unstable();
            assert_eq!(sent, expected, "{bom}");
            folder.write("b", "\u{feff}2\n");
            fs::remove_file(folder.state().join("checkpoint")).ok();
            drop(source);
            fs::remove_file(folder.state().join("checkpoint")).ok();
        }
    }
}
