//! Lines that were finished out of order do not come again, even when the source is recreated.
use super::*;

/// The messages that it sends in a run of its own. The lines that hold this text come back, the
/// others are delivered.
fn run_but(source: &mut Harness, held: &str) -> Vec<String> {
    source.advance(SECOND).unwrap();
    while source.produce(512).unwrap() == Produced::MORE {}
    let sent = texts(source.sent_as(Outcome::DELIVERED));
    let mut lines = sent.iter();
    for mut settled in source.settled() {
        for place in settled.first..settled.first + settled.count {
            let is_held = lines.next().unwrap().contains(held);
            let outcome = if is_held { Outcome::RETURNED } else { Outcome::DELIVERED };
            (settled.first, settled.count, settled.outcome) = (place, 1, outcome);
            source.tell(&settled);
        }
    }
    source.end().unwrap();
    sent
}

fn lines(numbers: std::ops::Range<u32>) -> String {
    numbers.map(|number| format!("line {number}\n")).collect()
}

#[test]
fn only_returned_lines_come_again() {
    let folder = Folder::new();
    folder.write("a", lines(1000..3000));
    let small = || folder.try_source("a", [("block_size", 300i64.into())]).unwrap();
    assert_eq!(run_but(&mut small(), "55").len(), 2000);
    let expected: Vec<_> = lines(1000..3000).lines().map(str::to_owned).collect();
    let expected: Vec<_> = expected.into_iter().filter(|line| line.contains("55")).collect();
    assert_eq!(run_but(&mut small(), "55"), expected);
    // Lines added since are read as well, and the outcomes from then are not forgotten.
    folder.append("a", "line 4000\nline 4055\n");
    assert_eq!(run_but(&mut small(), "1255").len(), expected.len() + 2);
    assert_eq!(run_but(&mut small(), "nothing"), ["line 1255"]);
    assert_eq!(run_but(&mut small(), "nothing"), [""; 0]);
}

#[test]
fn a_file_that_was_rewritten_after_the_offset_comes_whole() {
    let folder = Folder::new();
    folder.write("a", lines(1000..2000));
    assert_eq!(run_but(&mut folder.source("a"), "1500").len(), 1000);
    folder.write("a", lines(1000..1600) + &lines(2600..3000));
    let again = run_but(&mut folder.source("a"), "nothing");
    assert_eq!((again.len(), &again[0][..]), (500, "line 1500"));
}

#[test]
fn a_compressed_file_is_recognized() {
    let folder = Folder::new();
    folder.write("a.gz", same::gzip(lines(1000..2000).as_bytes()));
    assert_eq!(run_but(&mut folder.source("a.gz"), "1500").len(), 1000);
    assert_eq!(run_but(&mut folder.source("a.gz"), "nothing"), ["line 1500"]);
}

#[test]
fn a_line_whose_end_was_not_there_yet_is_whole_when_it_comes_again() {
    let folder = Folder::new();
    folder.write("a", "one\ntwo\nthr");
    assert_eq!(run_but(&mut folder.follow("a"), "one"), ["one", "two"]);
    folder.append("a", "ee\n");
    assert_eq!(run_but(&mut folder.follow("a"), "nothing"), ["one", "three"]);
}

/// It is refused before its end is seen: the start of the next message is unknown then.
#[test]
fn a_line_that_was_too_long_and_came_back_comes_again() {
    let refusing = |folder: &Folder, block_size: i64| {
        let attributes = [
            ("block_size", block_size.into()),
            ("max_length", 100i64.into()),
            ("too_long", "fail".into()),
        ];
        folder.try_source("a", attributes).unwrap()
    };
    let head: String = (0..390).map(|number| format!("line {number:04}\n")).collect();
    for (first, second) in [(300, 1 << 16), (4096, 4096)] {
        let folder = Folder::new();
        folder.write("a", format!("{head}{}\ntwo\nthree\n", "x".repeat(2000)));
        assert_eq!(run_but(&mut refusing(&folder, first), "xxx").len(), 393);
        let again = run_but(&mut refusing(&folder, second), "nothing");
        assert!(again[0].starts_with("xxx") && again.len() <= 2, "{again:?}");
        assert_eq!(run_but(&mut refusing(&folder, second), "nothing"), [""; 0]);
    }
}
