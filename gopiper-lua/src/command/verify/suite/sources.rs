//! Tests of a source's reaction to the outcomes of its messages.
use std::{collections::BTreeMap, fs};

use gopiper_abi::Kind;
use gopiper_core::OnFail;

use super::test::Test;
use crate::command::verify::{
    subject::Subject,
    trial::MessagesEnd,
    trial::{Ran, Trial},
    verdict::{Judged, Verdict, not_applicable},
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "sources::outcomes",
        advice: "accept every outcome in `settled`, in any order, also those that a later interface adds",
        in_c: "",
        run: outcomes,
    },
    Test {
        name: "sources::return",
        advice: "move past a message in `settled` only when its outcome is not RETURNED, or let \
                 `durability` say what is lost",
        in_c: "",
        run: returned,
    },
];

fn is_source(subject: &Subject) -> Judged {
    match subject.kind {
        Kind::SOURCE => Ok(()),
        _ => Err(not_applicable("it is not a source")),
    }
}

/// Without messages there are no outcomes.
fn produced(ran: &Ran) -> Judged {
    match ran.produced.is_empty() {
        true => Err(not_applicable("nothing was produced; feed it with --fixture or --while")),
        false => Ok(()),
    }
}

/// All outcomes, out of order.
fn outcomes(subject: &Subject) -> Judged {
    is_source(subject)?;
    for on_fail in [OnFail::DeadLetter, OnFail::Discard, OnFail::Stop] {
        // From the beginning each time: it may remember its position.
        let _ = fs::remove_dir_all(subject.folder.join("state"));
        let ran = Trial::new(subject, []).ending(MessagesEnd::Mixed, on_fail).run()?;
        ran.ended()?;
        produced(&ran)?;
    }
    Ok(())
}

/// Messages that were returned come again in the next run, if the source promises to lose nothing.
fn returned(subject: &Subject) -> Judged {
    is_source(subject)?;
    if let Err(why) = subject.factory()?.durability() {
        let why = if why.is_empty() { "in any case".into() } else { format!("with {why}") };
        return Err(not_applicable(&format!("it says that messages may be lost ({why})")));
    }
    let first = Trial::new(subject, []).ending(MessagesEnd::FailsAfter(1), OnFail::Stop).run()?;
    first.ended()?;
    produced(&first)?;
    let second = Trial::new(subject, []).run()?;
    second.ended()?;
    let mut came: BTreeMap<&[u8], usize> = BTreeMap::new();
    let delivered = first.output.iter().map(|message| message.data());
    for bytes in second.produced.iter().map(Vec::as_slice).chain(delivered) {
        *came.entry(bytes).or_default() += 1;
    }
    for (nth, bytes) in first.produced.iter().enumerate() {
        let left = came.get_mut(bytes.as_slice()).filter(|left| **left > 0);
        let Some(left) = left else {
            return Err(Verdict::Failed(format!(
                "message {nth} of the first run was returned to it, and did not come again"
            )));
        };
        *left -= 1;
    }
    Ok(())
}
