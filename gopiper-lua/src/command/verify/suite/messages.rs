//! Tests with unusual messages, and of properties that hold for all messages.
use std::{
    fs, mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use gopiper_abi::{Kind, Map, Message, Outcome, Payload, PayloadMut, Value};

use super::test::Test;
use crate::command::verify::{
    process::foreign,
    subject::Subject,
    trial::Trial,
    verdict::{Judged, Verdict, must, not_applicable},
};

/// The advice for a failure with odd messages.
pub(crate) const ODD: &str =
    "report messages that you cannot process with `handled.fail` instead of panicking";
/// The same for a component in C.
pub(crate) const ODD_IN_C: &str = "report messages that you cannot process with gopiper_fail";

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "messages::empty",
        advice: ODD,
        in_c: ODD_IN_C,
        run: |subject| odd(subject, vec![Message::new("")]),
    },
    Test {
        name: "messages::large",
        advice: ODD,
        in_c: ODD_IN_C,
        run: |subject| odd(subject, vec![Message::new(vec![b'x'; 64 << 20])]),
    },
    Test {
        name: "messages::invalid-utf8",
        advice: "a payload is bytes: treat it as bytes, or use String::from_utf8_lossy",
        in_c: "a payload is bytes of a length: it is not text, and no zero ends it",
        run: |subject| {
            let all = (0..=255u8).map(|byte| Message::new(vec![b'a', byte, 0xff, byte]));
            odd(subject, all.collect())
        },
    },
    Test {
        name: "messages::every-value",
        advice: "an attribute may hold any kind of value: match them all",
        in_c: "",
        run: |subject| odd(subject, every_value().into_iter().flat_map(with_value).collect()),
    },
    Test {
        name: "messages::unknown-tag",
        advice: "a later interface may have values of other kinds: pass them on",
        in_c: "",
        run: |subject| odd(subject, with_value(Value::of_unknown_tag(1000)).into()),
    },
    Test {
        name: "messages::many-attributes",
        advice: "a message may have any number of attributes",
        in_c: "",
        run: |subject| {
            let mut message = Message::new("many");
            (0..2000).for_each(|n| message.set_attribute(&format!("a{n}"), i64::from(n)));
            odd(subject, vec![message])
        },
    },
    Test {
        name: "messages::batches",
        advice: "the batches are random: do not depend on their boundaries",
        in_c: "",
        run: batches,
    },
    Test {
        name: "messages::order",
        advice: "send kept messages in the order received, or tell operators that the component \
                 sorts",
        in_c: "",
        run: order,
    },
    Test {
        name: "messages::leaked",
        advice: "drop messages by the end: no mem::forget, no statics that hold them",
        in_c: "release messages by the end: gopiper_message_free, gopiper_kept_free, gopiper_batch_free",
        run: leaked,
    },
    Test {
        name: "messages::memory",
        advice: "limit what is remembered, in number and in time, and release it in `drop`",
        in_c: "limit what is remembered, in number and in time, and release it in `destroy`",
        run: memory,
    },
];

/// Ordinary messages.
pub(crate) fn lines(count: usize) -> Vec<Message> {
    (0..count).map(|n| Message::new(format!("line {n} of a test"))).collect()
}

pub(crate) fn takes_messages(subject: &Subject) -> Judged {
    match subject.kind {
        Kind::SOURCE => Err(not_applicable("a source receives no messages")),
        _ => Ok(()),
    }
}

/// Each must be settled, without a panic.
fn odd(subject: &Subject, messages: Vec<Message>) -> Judged {
    takes_messages(subject)?;
    Trial::new(subject, messages).in_batches_of(1).run()?.sound()
}

fn with_value(value: Value) -> [Message; 2] {
    let (mut attribute, mut whole) = (Message::new("a"), Message::new("b"));
    attribute.set_attribute("value", value.clone());
    whole.set_value(value);
    [attribute, whole]
}

fn every_value() -> Vec<Value> {
    let mut nested = Value::NULL;
    for _ in 0..50 {
        nested = vec![nested, 1i64.into()].into();
    }
    vec![
        Value::NULL,
        true.into(),
        i64::MIN.into(),
        u64::MAX.into(),
        f64::NAN.into(),
        f64::INFINITY.into(),
        Value::time(i64::MAX),
        Payload::from(vec![0xff, 0]).into(),
        "text".into(),
        Map::default().into(),
        nested,
    ]
}

/// The bytes and outcomes of a run.
type RunResult = (Vec<Vec<u8>>, Vec<Vec<Outcome>>);

fn batches(subject: &Subject) -> Judged {
    takes_messages(subject)?;
    let run = |batch| -> Result<RunResult, Verdict> {
        let ran = Trial::new(subject, lines(200)).in_batches_of(batch).run()?;
        ran.ended()?;
        if ran.summary.is_finished() {
            return Err(not_applicable("it finished before it had received all messages"));
        }
        Ok((ran.output.iter().map(|it| it.data().to_vec()).collect(), ran.outcomes))
    };
    let first = run(7)?;
    if run(7)? != first {
        return Err(not_applicable("its output differs from run to run"));
    }
    for batch in [1, 200] {
        must(run(batch)? == first, || {
            format!("its output in batches of {batch} differs from that in batches of 7")
        })?;
    }
    Ok(())
}

fn order(subject: &Subject) -> Judged {
    takes_messages(subject)?;
    let numbered = (0..2000i64).map(|n| {
        let mut message = Message::new(format!("line {n} of a test"));
        message.set_attribute("verify_number", n);
        message
    });
    let ran = Trial::new(subject, numbered).run()?;
    ran.ended()?;
    let numbers = ran.output.iter().filter_map(|it| it.attribute("verify_number")?.as_i64());
    let numbers: Vec<_> = numbers.collect();
    if numbers.is_empty() {
        return Err(not_applicable("no message was sent on"));
    }
    match numbers.windows(2).find(|pair| pair[0] > pair[1]) {
        Some(pair) => Err(Verdict::Warning(format!(
            "message number {} left before message number {}",
            pair[0], pair[1]
        ))),
        None => Ok(()),
    }
}

/// Memory of a message that says when it goes.
struct Counted(Vec<u8>, Arc<AtomicUsize>);

impl AsMut<[u8]> for Counted {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, SeqCst);
    }
}

fn leaked(subject: &Subject) -> Judged {
    takes_messages(subject)?;
    let left = Arc::new(AtomicUsize::new(100));
    let message = |n| {
        let memory = Counted(format!("line {n}").into_bytes(), left.clone());
        Message::new(PayloadMut::from_owner(memory, None).freeze())
    };
    drop(Trial::new(subject, (0..100).map(message).collect::<Vec<_>>()).run()?);
    let begun = Instant::now();
    while left.load(SeqCst) > 0 && begun.elapsed() < subject.given.patience {
        thread::sleep(Duration::from_millis(5));
    }
    let left = left.load(SeqCst);
    must(left == 0, || format!("{left} of 100 messages are still in memory after the end"))
}

/// Less than a quarter of the input may remain in memory. What the allocator keeps for itself is
/// given back before each look, so that the verdict is the same in each run; where that does not
/// help (another allocator), a component does not keep a random amount: so the test passes as soon
/// as one pipeline leaves nothing.
fn memory(subject: &Subject) -> Judged {
    const TRIES: usize = 5;
    const COUNT: usize = 200_000;
    /// The least number of messages in the time limit: a slower component gets no verdict.
    const ENOUGH: usize = 50_000;
    /// The number of messages between two looks.
    const LOOKS: usize = 10_000;
    const SIZE: usize = 256;
    takes_messages(subject)?;
    let (mut before, mut seen) = (usize::MAX, Ok(()));
    for _ in 0..TRIES {
        let looks = Arc::new(Mutex::new(Vec::new()));
        let taken = looks.clone();
        let input = (0..COUNT).map(move |n| {
            if n % LOOKS == LOOKS - 1 {
                taken.lock().unwrap_or_else(PoisonError::into_inner).push(resident());
            }
            Message::new(format!("line {n:<width$}", width = SIZE - 5))
        });
        let (begun, time) = (Instant::now(), subject.given.patience.max(Duration::from_secs(5)));
        let input = input.take_while(move |_| begun.elapsed() < time);
        Trial::new(subject, input).in_batches_of(512).run()?.ended()?;
        let looks = mem::take(&mut *looks.lock().unwrap_or_else(PoisonError::into_inner));
        if looks.len() < ENOUGH / LOOKS {
            return Err(Verdict::Skipped(format!(
                "it is too slow for {ENOUGH} messages in {time:?} (--patience)"
            )));
        }
        // The first half fills everything that is bounded: channels, and the messages that the
        // trial keeps.
        let half = looks.len().div_ceil(2);
        let (of_half, of_all) = ((looks.len() - half) * LOOKS * SIZE, looks.len() * LOOKS * SIZE);
        let (held, after) = (looks[looks.len() - 1].saturating_sub(looks[half - 1]), resident());
        let kept = after.saturating_sub(before);
        seen = if kept > of_all / 4 {
            let (kept, all) = (kept >> 10, of_all >> 10);
            let said = format!("a pipeline of {all} KB of messages did not release {kept} KB");
            Err(Verdict::Failed(said))
        } else if held > of_half / 4 {
            let (held, half) = (held >> 10, of_half >> 10);
            let said = format!("another {half} KB of messages use another {held} KB of memory");
            Err(Verdict::Warning(said))
        } else {
            Ok(())
        };
        if seen.is_ok() && before != usize::MAX {
            break;
        }
        before = after;
    }
    seen
}

/// The bytes of memory that the process has, without what is free in it.
fn resident() -> usize {
    foreign::trim_memory();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kilobytes.unwrap_or_default() << 10
}
