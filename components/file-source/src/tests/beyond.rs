//! What has gone through out of order does not come again, also when the source is made anew.
use super::*;

/// What it sends in a run of its own. The lines that hold this text come back, the others are delivered.
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
fn only_what_came_back_comes_again() {
    let folder = Folder::new();
    folder.write("a", lines(1000..3000));
    let small = || folder.try_source("a", [("block_size", 300i64.into())]).unwrap();
    assert_eq!(run_but(&mut small(), "55").len(), 2000);
    let expected: Vec<_> = lines(1000..3000).lines().map(str::to_owned).collect();
    let expected: Vec<_> = expected.into_iter().filter(|line| line.contains("55")).collect();
    assert_eq!(run_but(&mut small(), "55"), expected);
    // What has come since is read as well, and what was done then is not forgotten.
    folder.append("a", "line 4000\nline 4055\n");
    assert_eq!(run_but(&mut small(), "1255").len(), expected.len() + 2);
    assert_eq!(run_but(&mut small(), "nothing"), ["line 1255"]);
    assert_eq!(run_but(&mut small(), "nothing"), [""; 0]);
}

#[test]
fn a_file_that_was_written_anew_behind_the_offset_comes_whole() {
    let folder = Folder::new();
    folder.write("a", lines(1000..2000));
    assert_eq!(run_but(&mut folder.source("a"), "1500").len(), 1000);
    folder.write("a", lines(1000..1600) + &lines(2600..3000));
    let again = run_but(&mut folder.source("a"), "nothing");
    assert_eq!((again.len(), &again[0][..]), (500, "line 1500"));
}

#[test]
fn a_compressed_file_is_told_too() {
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
