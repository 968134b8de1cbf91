//! Each line comes until it is finished and then never again, after any changes to the file and the
//! source.
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Act {
    /// Writes the next numbers, each as a line, and so many bytes of the last one later.
    Write(usize, usize),
    /// Gives the file another name, and begins a new one.
    Rotate,
    /// Lets the source continue.
    Produce(usize),
    /// Reports this outcome for the messages that it sent.
    Settle(Outcome),
    /// Ends it, and begins again.
    Restart,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (1usize..300, 0usize..4).prop_map(|(lines, late)| Act::Write(lines, late)),
        1 => Just(Act::Rotate),
        4 => (1usize..5).prop_map(Act::Produce),
        3 => prop_oneof![Just(Outcome::DELIVERED), Just(Outcome::FAILED)].prop_map(Act::Settle),
        1 => Just(Act::Settle(Outcome::RETURNED)),
        1 => Just(Act::Restart),
    ];
    prop::collection::vec(act, 1..30)
}

fn run(acts: Vec<Act>) {
    let folder = Folder::new();
    let follow = || {
        let attributes = [("follow", true.into()), ("block_size", 300i64.into())];
        folder.try_source("a*", attributes).unwrap()
    };
    let (mut written, mut late, mut rotated) = (0, String::new(), 0);
    let mut next_lines = |count: usize, keep: usize, late: &mut String| {
        let lines = (written..written + count).map(|n| format!("{n:04}\n")).collect::<String>();
        written += count;
        let bytes = std::mem::take(late) + &lines;
        let (now, rest) = bytes.split_at(bytes.len() - keep);
        *late = rest.to_owned();
        now.to_owned()
    };
    let mut source = follow();
    let mut done = Vec::new();
    for act in acts {
        match act {
            Act::Write(count, keep) => {
                folder.append("a", next_lines(count, keep, &mut late));
            }
            Act::Rotate => {
                folder.append("a", std::mem::take(&mut late));
                rotated += 1;
                folder.rename("a", &format!("a.{rotated}"));
            }
            Act::Produce(times) => {
                source.advance(SECOND).unwrap();
                for _ in 0..times {
                    source.produce(512).unwrap();
                }
            }
            Act::Settle(outcome) => {
                let sent = texts(source.sent_as(outcome));
                done.extend(sent.into_iter().filter(|_| outcome.is_final()));
                source.tell_settled();
            }
            Act::Restart => {
                source.sent_as(Outcome::RETURNED);
                source.end().unwrap();
                drop(source);
                source = follow();
            }
        }
    }
    folder.append("a", late);
    drop(source);
    let mut source = follow();
    done.extend(now(&mut source));
    done.sort();
    let expected: Vec<_> = (0..written).map(|n| format!("{n:04}")).collect();
    assert_eq!(done, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_line_comes(acts in acts()) {
        run(acts);
    }
}
