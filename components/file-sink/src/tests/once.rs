//! With `exactly_once`, a process that dies at any moment leaves each message once.
use proptest::prelude::*;

use super::*;

impl Folder {
    fn state(&self) -> PathBuf {
        let state = self.path("state");
        fs::create_dir_all(&state).unwrap();
        state
    }

    fn once(&self, path: &str) -> Harness {
        let path = ("path", self.path(path).display().to_string().into());
        let attributes = [path, ("exactly_once", true.into())];
        Harness::sink_in::<FileSinkFactory>(self.state(), attributes).unwrap()
    }

    fn journal(&self) -> PathBuf {
        self.state().join("written")
    }

    /// Dies, with these bytes at the end of the file that no entry of the journal covers.
    fn kill(&self, sink: Harness, torn: &str) {
        let journal = fs::read(self.journal()).unwrap();
        let mark = fs::read(self.path(".a.gopiper")).unwrap();
        drop(sink);
        fs::write(self.journal(), journal).unwrap();
        fs::write(self.path(".a.gopiper"), mark).unwrap();
        let mut file = File::options().append(true).open(self.path("a")).unwrap();
        file.write_all(torn.as_bytes()).unwrap();
    }
}

#[test]
fn what_comes_again_is_left_out_and_what_was_not_done_is_written_again() {
    let folder = Folder::new();
    let mut sink = folder.once("a");
    sink.handle(["1", "2"]);
    sink.handle(["3"]);
    folder.kill(sink, "4\n5\npar");
    let mut sink = folder.once("a");
    assert_eq!(folder.read("a"), "1\n2\n3\n");
    sink.number_from(2);
    assert_eq!(statuses(&sink.handle(["2", "3", "4", "5", "6"])), [0; 5]);
    assert_eq!(sink.metric("messages_already_written_total"), 2.0);
    sink.end().unwrap();
    assert_eq!(folder.read("a"), "1\n2\n3\n4\n5\n6\n");
}

#[test]
fn a_message_that_its_source_had_settled_is_written_if_it_comes_all_the_same() {
    let folder = Folder::new();
    let mut sink = folder.once("a");
    sink.handle(["1", "2", "3"]);
    drop(sink);
    let mut sink = folder.once("a");
    // A dead letter, which is replayed later.
    sink.set_settled("test", 3);
    sink.number_from(2);
    sink.handle(["2", "3"]);
    assert_eq!(folder.read("a"), "1\n2\n3\n2\n");
}

#[test]
fn what_others_append_to_a_closed_file_stays() {
    let folder = Folder::new();
    let mut sink = folder.once("a");
    sink.handle(["1"]);
    sink.end().unwrap();
    drop(sink);
    fs::write(folder.path("a"), "1\nof others\n").unwrap();
    folder.once("a").end().unwrap();
    assert_eq!(folder.read("a"), "1\nof others\n");
}

#[test]
fn what_a_run_without_the_journal_has_written_stays() {
    let folder = Folder::new();
    let mut sink = folder.once("a");
    sink.handle(["1"]);
    folder.kill(sink, "");
    let mut without = folder.sink("a");
    without.handle(["of another run"]);
    drop(without);
    folder.once("a").end().unwrap();
    assert_eq!(folder.read("a"), "1\nof another run\n");
}

#[test]
fn other_bytes_with_a_known_identity_are_written() {
    let folder = Folder::new();
    let mut sink = folder.once("a");
    sink.handle(["1", "2"]);
    folder.kill(sink, "");
    let mut sink = folder.once("a");
    sink.number_from(1);
    sink.handle(["1", "changed"]);
    assert_eq!(sink.metric("messages_changed_total"), 1.0);
    assert!(warnings(&mut sink)[0].contains("other bytes"));
    // Also of what comes twice in one run.
    sink.number_from(1);
    sink.handle(["1", "changed", "3"]);
    assert_eq!(folder.read("a"), "1\n2\nchanged\n3\n");
}

#[test]
fn a_component_in_the_place_of_a_stuck_one_waits_for_it() {
    let folder = Folder::new();
    let stuck = folder.once("a");
    let path = ("path", folder.path("a").display().to_string().into());
    let attributes = [path, ("exactly_once", true.into())];
    let again = Harness::sink_in::<FileSinkFactory>(folder.state(), attributes);
    let error = again.err().unwrap();
    assert!(error.is_temporary() && error.to_string().contains("stuck"), "{error}");
    drop(stuck);
    folder.once("a");
}

#[test]
fn a_file_that_was_renamed_after_the_crash_is_cut_too() {
    let folder = Folder::new();
    let mut sink = folder.once("a");
    sink.handle(["1"]);
    folder.kill(sink, "2\n");
    fs::rename(folder.path("a"), folder.path("a.1")).unwrap();
    let mut sink = folder.once("a");
    sink.number_from(2);
    sink.handle(["2"]);
    assert_eq!((&*folder.read("a.1"), &*folder.read("a")), ("1\n", "2\n"));
}

#[test]
fn the_journal_forgets_what_does_not_come_again() {
    let folder = Folder::new();
    let mut sink = folder.once("a");
    let lines: Vec<String> = (0..10_000).map(|n| format!("{n}")).collect();
    for round in 0..120u64 {
        // The numbers are far apart, as in long lines, so that they take more bytes.
        sink.number_from(round << 40);
        sink.handle(lines.iter().map(|line| &**line));
        sink.set_settled("test", round << 40);
    }
    let length = fs::metadata(folder.journal()).unwrap().len();
    assert!(length < 1 << 20, "{length} bytes for 1,200,000 messages");
    folder.kill(sink, "");
    let mut sink = folder.once("a");
    sink.number_from(119 << 40);
    sink.handle(lines.iter().map(|line| &**line));
    assert_eq!(sink.metric("messages_already_written_total"), 10_000.0);
    assert_eq!(folder.read("a").lines().count(), 1_200_000);
}

#[test]
fn a_damaged_journal_is_not_believed() {
    let folder = Folder::new();
    let mut sink = folder.once("a");
    sink.handle(["1"]);
    drop(sink);
    let mut journal = fs::read(folder.journal()).unwrap();
    let path = ("path", folder.path("a").display().to_string().into());
    let attributes = [path, ("exactly_once", true.into())];
    let again = || Harness::sink_in::<FileSinkFactory>(folder.state(), attributes.clone());
    // Not in its last entry, which may have been torn.
    journal[30] ^= 1;
    fs::write(folder.journal(), journal).unwrap();
    let error = again().err().unwrap().to_string();
    assert!(error.contains("it is damaged at byte 8; remove it"), "{error}");
    fs::write(folder.journal(), "GPON").unwrap();
    let error = again().err().unwrap().to_string();
    assert!(error.contains("it is not a journal") && error.contains("remove it"), "{error}");
}

#[test]
fn wrong_attributes_are_refused() {
    let folder = Folder::new();
    let error = folder.try_sink("a", [("exactly_once", true.into()), ("sync", "never".into())]);
    assert!(error.err().unwrap().contains("needs sync = 'batch'"));
    let error = folder.try_sink("a", [("exactly_once", true.into())]);
    assert!(error.err().unwrap().contains("no state directory"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// A source sends lines, settles some of them, and dies: then all that it had not settled come
    /// again, cut into other batches.
    #[test]
    fn each_line_is_there_once(
        kills in prop::collection::vec((prop::collection::vec(1..6u64, 0..6), "[a-z\\n]{0,9}", 0..4u64), 1..8),
        rotates in any::<bool>(),
    ) {
        let folder = Folder::new();
        let (mut settled, mut most) = (1, 1);
        let start = || {
            let path = ("path", folder.path("a").display().to_string().into());
            let mut attributes = vec![path, ("exactly_once", Value::from(true))];
            if rotates {
                attributes.push(("rotate_bytes", Value::from(8i64)));
            }
            Harness::sink_in::<FileSinkFactory>(folder.state(), attributes).unwrap()
        };
        for (batches, torn, settles) in kills {
            let mut sink = start();
            sink.set_settled("test", settled);
            sink.number_from(settled);
            let mut next = settled;
            for batch in batches {
                let lines: Vec<_> = (next..next + batch).map(|n| n.to_string()).collect();
                let handled = sink.handle(lines.iter().map(|line| &**line));
                prop_assert!(handled.iter().all(|handled| handled.status == 0));
                next += batch;
            }
            most = most.max(next);
            settled = (settled + settles).min(next);
            folder.kill(sink, &torn);
        }
        let mut sink = start();
        sink.number_from(settled);
        let lines: Vec<_> = (settled..most + 1).map(|n| n.to_string()).collect();
        sink.handle(lines.iter().map(|line| &**line));
        sink.end().unwrap();
        let files = folder.files().into_iter().filter(|(name, _)| name.starts_with('a'));
        let mut lines: Vec<u64> = Vec::new();
        for (_, text) in files {
            prop_assert!(text.ends_with('\n'), "{:?}", text);
            lines.extend(text.lines().map(|line| line.parse::<u64>().unwrap()));
        }
        lines.sort_unstable();
        prop_assert_eq!(lines, (1..most + 1).collect::<Vec<_>>());
    }
}
