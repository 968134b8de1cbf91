//! Files that grow, come, go, and change their names.
use super::*;

#[test]
fn written_lines_come() {
    let folder = Folder::new();
    let mut source = folder.follow("*.log");
    assert_eq!(now(&mut source), [""; 0], "nothing is there yet");
    folder.append("a.log", "1\n2");
    assert_eq!(now(&mut source), ["1"]);
    folder.append("a.log", "3\n");
    folder.append("b.log", "b\n");
    let mut sent = now(&mut source);
    sent.sort();
    assert_eq!(sent, ["23", "b"]);
    assert_eq!(now(&mut source), [""; 0]);
}

#[test]
fn operators_see_how_much_is_not_read_yet() {
    let folder = Folder::new();
    let line = "x".repeat(999) + "\n";
    folder.append("a", line.repeat(3000));
    let mut source = folder.follow("a");
    source.produce(1).unwrap();
    source.produce(1).unwrap();
    let lag = source.metric("lag_bytes");
    assert!(lag > 1e6 && lag < 3e6, "{lag}");
    assert_eq!(now(&mut source).len(), 3000);
    assert_eq!(source.metric("lag_bytes"), 0.0);
}

#[test]
fn a_watched_folder_wakes_it() {
    let folder = Folder::new();
    folder.append("a", "1\n");
    let mut source = folder.follow("a");
    assert_eq!(now(&mut source), ["1"]);
    folder.append("a", "2\n");
    // The clock does not move: only the events of the watch wake it.
    let mut sent = Vec::new();
    while sent.is_empty() {
        std::thread::yield_now();
        source.advance(0).unwrap();
        sent = source.sent();
    }
    assert_eq!(texts(sent), ["2"]);
}

#[test]
fn an_unfinished_line_waits_and_comes_again() {
    let folder = Folder::new();
    folder.append("a", "1\nbeg");
    let mut source = folder.follow("a");
    assert_eq!(now(&mut source), ["1"]);
    source.stop();
    source.end().unwrap();
    assert_eq!(source.sent(), [b""; 0]);
    drop(source);
    folder.append("a", "un\n");
    assert_eq!(now(&mut folder.follow("a")), ["begun"]);
}

#[test]
fn a_long_beginning_stays_in_memory() {
    let folder = Folder::new();
    folder.append("a", "x".repeat(100_000));
    let mut source = folder.follow("a");
    assert_eq!(now(&mut source), [""; 0]);
    folder.append("a", "y\nz\n");
    assert_eq!(now(&mut source), ["x".repeat(100_000) + "y", "z".into()]);
}

#[test]
fn a_line_that_is_skipped_is_reported_once() {
    let folder = Folder::new();
    let attributes =
        [("follow", true.into()), ("max_length", 3i64.into()), ("too_long", "drop".into())];
    let mut source = folder.try_source("a", attributes).unwrap();
    folder.append("a", "1\nabcdef");
    assert_eq!(now(&mut source), ["1", "abc"]);
    folder.append("a", "ghi");
    assert_eq!(now(&mut source), [""; 0]);
    folder.append("a", "jkl\n2\n");
    assert_eq!(now(&mut source), ["2"]);
}

#[test]
fn a_renamed_file_is_read_to_its_end_and_the_new_one_from_its_beginning() {
    let folder = Folder::new();
    folder.append("a", "1\n");
    let mut source = folder.follow("a");
    assert_eq!(now(&mut source), ["1"]);
    folder.append("a", "2\n");
    folder.rename("a", "a.1");
    folder.append("a.1", "3\n");
    folder.append("a", "new\n");
    let mut sent = now(&mut source);
    sent.sort();
    assert_eq!(sent, ["2", "3", "new"]);
    folder.append("a.1", "4\nwithout an end");
    assert_eq!(now(&mut source), ["4"], "it is written to for a while");
    source.advance(61 * SECOND).unwrap();
    assert_eq!(now(&mut source), ["without an end"], "then it has ended");
    folder.append("a.1", "5\n");
    assert_eq!(now(&mut source), [""; 0]);
    assert_eq!(warnings(&mut source), [""; 0]);
}

#[test]
fn a_file_whose_folder_can_not_be_looked_at_has_not_ended() {
    let folder = Folder::new();
    folder.append("a", "1\nbeg");
    let mut source = folder.follow("*");
    assert_eq!(now(&mut source), ["1"]);
    let (there, away) = (folder.path(""), folder.state().join("log"));
    fs::rename(&there, &away).unwrap();
    // It leads to itself.
    let there = there.parent().unwrap().join("log");
    std::os::unix::fs::symlink("log", &there).unwrap();
    for _ in 0..3 {
        source.advance(61 * SECOND).unwrap();
        assert_eq!(now(&mut source), [""; 0]);
    }
    assert_eq!(warnings(&mut source).len(), 1);
    fs::remove_file(&there).unwrap();
    fs::rename(&away, &there).unwrap();
    folder.append("a", "un\n");
    assert_eq!(now(&mut source), ["begun"]);
}

#[test]
fn a_renamed_file_that_still_matches_is_the_same() {
    let folder = Folder::new();
    folder.append("a", "1\n");
    let mut source = folder.follow("*");
    assert_eq!(now(&mut source), ["1"]);
    folder.rename("a", "b");
    folder.append("b", "2\n");
    assert_eq!(now(&mut source), ["2"]);
    source.advance(100 * SECOND).unwrap();
    folder.append("b", "3\n");
    assert_eq!(now(&mut source), ["3"]);
}

#[test]
fn a_truncated_file_is_read_from_its_beginning() {
    let folder = Folder::new();
    folder.append("a", "first\nsecond\nbeg");
    let mut source = folder.follow("a");
    assert_eq!(now(&mut source), ["first", "second"]);
    folder.write("a", "x\n");
    assert_eq!(now(&mut source), ["x"]);
    assert!(warnings(&mut source)[0].contains("(3 bytes of an unfinished line are lost)"));
    // As long as before, and longer: detected by its beginning.
    folder.write("a", "y\n");
    assert_eq!(now(&mut source), [""; 0], "not yet: nothing was added");
    folder.append("a", "z\n");
    assert_eq!(now(&mut source), ["y", "z"]);
    let said = warnings(&mut source);
    assert!(said[0].ends_with("reading it from the beginning"), "{said:?}");
    drop(source);
    assert_eq!(now(&mut folder.follow("a")), [""; 0], "what was overwritten has no say");
}

#[test]
fn from_the_end_and_later_ones_from_their_beginning() {
    let folder = Folder::new();
    folder.append("a", "old\n");
    let attributes = || [("follow", true.into()), ("from", "end".into())];
    let mut source = folder.try_source("*", attributes()).unwrap();
    assert_eq!(now(&mut source), [""; 0]);
    folder.append("b", "b\n");
    assert_eq!(now(&mut source), ["b"]);
    drop(source);
    folder.append("a", "new\n");
    folder.append("c", "c\n");
    let mut sent = now(&mut folder.try_source("*", attributes()).unwrap());
    sent.sort();
    assert_eq!(sent, ["c", "new"]);
}

#[test]
fn a_gzip_file_may_come_in_parts() {
    let folder = Folder::new();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let lines: Vec<_> = (0..5000).map(|n| format!("line {n}")).collect();
    encoder.write_all((lines.join("\n") + "\n").as_bytes()).unwrap();
    let whole = encoder.finish().unwrap();
    let mut source = folder.follow("a");
    let mut sent = Vec::new();
    for part in whole.chunks(whole.len() / 3) {
        folder.append("a", part);
        sent.extend(now(&mut source));
    }
    assert!(sent == lines);
    assert_eq!(warnings(&mut source), [""; 0]);
}

#[test]
fn a_gzip_file_may_grow_just_when_it_was_read() {
    let gzip = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    for (first, second) in [(gzip("1\n"), gzip("2\n")), {
        let whole = gzip("1\n2\n");
        let (first, second) = whole.split_at(whole.len() - 6);
        (first.to_owned(), second.to_owned())
    }] {
        let folder = Folder::new();
        folder.append("a", first);
        let mut source = folder.follow("a");
        assert_eq!(source.produce(512).unwrap(), Produced::MORE);
        folder.append("a", second);
        let mut sent = texts(source.sent());
        (0..2).for_each(|_| sent.extend(now(&mut source)));
        assert_eq!(sent, ["1", "2"]);
    }
}

#[test]
fn the_checkpoint_is_written_at_intervals() {
    let folder = Folder::new();
    folder.append("a", "1\n2\n");
    let mut source = folder.follow("a");
    now(&mut source);
    now(&mut source);
    let state = folder.state();
    let copy = tempfile::tempdir().unwrap();
    fs::copy(state.join("checkpoint"), copy.path().join("checkpoint")).unwrap();
    folder.append("a", "3\n");
    let paths = vec![Value::from(folder.path("a").display().to_string())];
    let mut other =
        Harness::source_in::<FileSourceFactory>(copy.path(), [("paths", paths.into())]).unwrap();
    assert_eq!(now(&mut other), ["3"], "as after a kill");
}
