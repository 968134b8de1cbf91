//! Messages into files of a folder.
mod crashes;
mod once;

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use gopiper_abi::{
    Level, Message, Value,
    testing::{HandledMessage, Harness},
};

use crate::{FileSinkFactory, place};

const SECOND: i64 = 1_000_000_000;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn try_sink(
        &self,
        path: &str,
        attributes: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<Harness, String> {
        let path = ("path", self.path(path).display().to_string().into());
        let attributes = [path].into_iter().chain(attributes);
        Harness::sink::<FileSinkFactory>(attributes).map_err(|error| error.to_string())
    }

    fn sink(&self, path: &str) -> Harness {
        self.try_sink(path, []).unwrap()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// All files with their contents, sorted.
    fn files(&self) -> Vec<(String, String)> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let names = entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
        let mut files: Vec<_> = names.map(|name| (name.clone(), self.read(&name))).collect();
        files.sort();
        files
    }
}

fn statuses(handled: &[HandledMessage]) -> Vec<i32> {
    handled.iter().map(|handled| handled.status).collect()
}

fn of(host: &str, data: &str) -> Message {
    let mut message = Message::new(data.to_owned());
    message.set_attribute("host", host);
    message
}

fn without_delimiter(data: &str) -> Message {
    let mut message = Message::new(data.to_owned());
    message.set_lacks_delimiter(true);
    message
}

fn warnings(sink: &mut Harness) -> Vec<String> {
    let logged = sink.logged().into_iter();
    logged.filter(|(level, _)| *level <= Level::WARN).map(|(_, text)| text).collect()
}

#[test]
fn lines_are_appended() {
    let folder = Folder::new();
    for _ in 0..2 {
        let mut sink = folder.sink("deep/down/a");
        assert_eq!(statuses(&sink.handle(["1", "", "2"])), [0, 0, 0]);
        assert!(folder.path("deep/down/.a.gopiper").exists(), "while it is open");
        sink.end().unwrap();
    }
    assert_eq!(folder.read("deep/down/a"), "1\n\n2\n1\n\n2\n");
    assert_eq!(fs::read_dir(folder.path("deep/down")).unwrap().count(), 1);
}

#[test]
fn each_goes_to_its_place_and_fails_without_one() {
    let folder = Folder::new();
    let mut sink = folder.try_sink("{host}.log", [("max_open_files", 1i64.into())]).unwrap();
    let handled = sink.handle([
        of("a", "1"),
        of("a", "2"),
        of("b", "3"),
        of("..", "4"),
        Message::new("5"),
        of("a", "6"),
    ]);
    assert_eq!(statuses(&handled), [0, 0, 0, 202, 202, 0]);
    assert!(handled[3].description.contains("'host' ('..') begins with a dot"));
    assert_eq!(handled[4].description, "it has no attribute 'host', which the path needs");
    sink.end().unwrap();
    let expected = [("a.log", "1\n2\n6\n"), ("b.log", "3\n")];
    assert_eq!(folder.files(), expected.map(|(name, text)| (name.into(), text.into())));
}

#[test]
fn a_large_file_makes_room_for_a_new_one() {
    let folder = Folder::new();
    let mut sink = folder.try_sink("a", [("rotate_bytes", 6i64.into())]).unwrap();
    sink.handle(["1", "2", "3", "4", "a long one", "5"]);
    sink.handle(["6", "7"]);
    sink.end().unwrap();
    let files = folder.files();
    let (names, texts): (Vec<_>, Vec<_>) = files.into_iter().unzip();
    assert_eq!(texts, ["5\n6\n7\n", "1\n2\n3\n", "4\n", "a long one\n"]);
    assert!(names[1].starts_with("a.19700101-") && names[2] == names[1].clone() + ".1");
}

#[test]
fn an_old_file_makes_room_for_a_new_one() {
    let folder = Folder::new();
    let mut sink = folder.try_sink("a", [("rotate_every", 10.0.into())]).unwrap();
    sink.handle(["1"]);
    sink.advance(9 * SECOND).unwrap();
    sink.handle(["2"]);
    sink.advance(SECOND).unwrap();
    sink.handle(["3"]);
    sink.end().unwrap();
    let texts: Vec<_> = folder.files().into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["3\n", "1\n2\n"]);
}

#[test]
fn two_do_not_write_one_file() {
    let folder = Folder::new();
    let mut first = folder.sink("a");
    let refused = folder.try_sink("a", []).unwrap_err();
    assert!(refused.starts_with("attribute path: cannot write "), "{refused}");
    let held = format!("another file_sink has it open (process {})", std::process::id());
    assert!(refused.contains(&held), "{refused}");
    first.end().unwrap();
    folder.sink("a");
}

#[test]
fn a_line_without_a_delimiter_does_not_swallow_the_next_one() {
    let piece = |data: &str, number, continues| {
        let mut message = Message::new(data.to_owned());
        message.set_piece(number, continues);
        message
    };
    let folder = Folder::new();
    fs::write(folder.path("a"), "of others").unwrap();
    let mut sink = folder.sink("a");
    sink.handle([without_delimiter("1"), without_delimiter("2")]);
    sink.handle([Message::new("3"), piece("4", 7, true), piece("5", 8, true)]);
    sink.handle([piece("6", 9, false), piece("7", 20, true), piece("8", 23, false)]);
    sink.handle([without_delimiter("9")]);
    sink.end().unwrap();
    assert_eq!(folder.read("a"), "of others\n1\n2\n3\n456\n7\n8\n9");
    File::options().write(true).open(folder.path("a")).unwrap().set_len(10).unwrap();
    let mut sink = folder.sink("a");
    sink.handle([without_delimiter("1")]);
    sink.handle(["2"]);
    File::options().append(true).open(folder.path("a")).unwrap().write_all(b"others").unwrap();
    sink.handle(["3"]);
    assert_eq!(folder.read("a"), "of others\n1\n2\nothers\n3\n");
}

#[test]
fn a_file_renamed_or_removed_by_others_is_created_again() {
    let folder = Folder::new();
    let mut sink = folder.sink("logs/a");
    sink.handle(["1"]);
    fs::rename(folder.path("logs/a"), folder.path("logs/a.1")).unwrap();
    sink.handle(["2"]);
    assert_eq!((folder.read("logs/a.1"), folder.read("logs/a")), ("1\n".into(), "2\n".into()));
    fs::remove_dir_all(folder.path("logs")).unwrap();
    sink.handle(["3"]);
    assert_eq!(folder.read("logs/a"), "3\n");
}

#[test]
fn a_length_changed_by_others_is_noticed() {
    let folder = Folder::new();
    let mut sink = folder.try_sink("a", [("rotate_bytes", 7i64.into())]).unwrap();
    let length = |length| {
        File::options().write(true).open(folder.path("a")).unwrap().set_len(length).unwrap();
    };
    sink.handle(["1", "2"]);
    length(0);
    sink.handle(["3", "4"]);
    assert_eq!(folder.read("a"), "3\n4\n");
    // The mark of a message without a delimiter cannot be written: that message is taken back, and
    // nothing else.
    fs::create_dir(folder.path(".a.gopiper-new")).unwrap();
    for there in [2, 6] {
        length(there);
        let before = folder.read("a");
        assert_eq!(statuses(&sink.handle([without_delimiter("")])), [101]);
        assert_eq!(folder.read("a"), before);
        fs::remove_dir(folder.path(".a.gopiper-new")).unwrap();
        assert_eq!(statuses(&sink.handle([without_delimiter("")])), [0]);
        fs::create_dir(folder.path(".a.gopiper-new")).unwrap();
    }
}

#[test]
fn failed_writes_are_tried_again() {
    let folder = Folder::new();
    let mut sink = folder.sink("logs/a");
    sink.handle(["1"]);
    fs::remove_dir_all(folder.path("logs")).unwrap();
    fs::write(folder.path("logs"), "").unwrap();
    let handled = sink.handle(["2", "3"]);
    assert_eq!(statuses(&handled), [101, 101]);
    assert!(handled[0].description.starts_with("cannot write "), "{handled:?}");
    fs::remove_file(folder.path("logs")).unwrap();
    assert_eq!(statuses(&sink.handle(["2", "3"])), [0, 0]);
    assert_eq!(folder.read("logs/a"), "2\n3\n");
    assert_eq!(sink.stopped(), None);
}

#[test]
fn irregular_files_are_only_written_to() {
    let null = [("path", "/dev/null".into()), ("rotate_bytes", 1i64.into())];
    let mut sinks = [(); 2].map(|()| Harness::sink::<FileSinkFactory>(null.clone()).unwrap());
    for sink in &mut sinks {
        assert_eq!(statuses(&sink.handle(["1", "2"])), [0, 0]);
        sink.end().unwrap();
    }
    let mut full = Harness::sink::<FileSinkFactory>([("path", "/dev/full".into())]).unwrap();
    let handled = full.handle(["1"]);
    assert_eq!(statuses(&handled), [101]);
    assert!(handled[0].description.contains("No space left on device"), "{handled:?}");
}

#[test]
fn a_folder_is_not_a_file() {
    let folder = Folder::new();
    fs::create_dir(folder.path("a")).unwrap();
    assert!(folder.try_sink("a", []).unwrap_err().contains("Is a directory"));
}

#[test]
fn wrong_attributes_are_refused() {
    let folder = Folder::new();
    for (name, value) in [
        ("max_open_files", Value::from(0i64)),
        ("rotate_bytes", 0i64.into()),
        ("rotate_every", 0.0.into()),
        ("sync_interval", (-1.0).into()),
        ("sync", "sometimes".into()),
    ] {
        let refused = folder.try_sink("a", [(name, value)]).unwrap_err();
        assert!(refused.starts_with(&format!("attribute {name}: ")), "{refused}");
    }
}

#[test]
fn with_an_interval_it_syncs_by_the_clock() {
    let folder = Folder::new();
    let mut sink = folder.try_sink("a", [("sync", "interval".into())]).unwrap();
    sink.handle(["1"]);
    sink.advance(SECOND).unwrap();
    sink.handle(["2"]);
    sink.advance(SECOND).unwrap();
    sink.end().unwrap();
    assert_eq!(folder.read("a"), "1\n2\n");
}

#[test]
fn before_it_is_opened_it_is_known_which_file_it_is_and_whether_it_can_be_written() {
    let folder = Folder::new();
    fs::create_dir(folder.path("there")).unwrap();
    std::os::unix::fs::symlink("there", folder.path("link")).unwrap();
    let real = fs::canonicalize(folder.path("there")).unwrap().join("new/a");
    for name in ["there/new/a", "link/new/a", "there/../link/new/a"] {
        assert_eq!(place::of_one(&folder.path(name)), Some(real.clone()), "{name}");
        place::check(&folder.path(name)).unwrap();
    }
    assert_eq!(place::of_one(Path::new("/dev/null")), None);
    fs::write(folder.path("file"), "").unwrap();
    place::check(&folder.path("file")).unwrap();
    for (name, refused) in
        [("file/new/a", ErrorKind::NotADirectory), ("there", ErrorKind::IsADirectory)]
    {
        assert_eq!(place::check(&folder.path(name)).unwrap_err().kind(), refused);
        let error = folder.try_sink(name, []).err().unwrap();
        assert!(error.contains("cannot write"), "{error}");
    }
    assert_eq!(folder.files().len(), 3, "looking leaves no trace");
}
