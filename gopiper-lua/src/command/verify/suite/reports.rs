//! Tests of a component's reports.
use gopiper_core::plural;

use super::{
    messages::{lines, takes_messages},
    test::Test,
};
use crate::command::verify::{
    subject::Subject,
    trial::{Ran, Trial, description, status},
    verdict::{Verdict, must, not_applicable},
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "reports::once",
        advice: "call the callback once for each message, on every path through `handle`",
        in_c: "return an outcome on every path through `handle`",
        run: |subject| {
            let ran = plain(subject, 100)?;
            let silent = ran.failed.iter().filter(|it| description(it) == "no report").count();
            must(silent == 0, || format!("{silent} of 100 messages got no report"))?;
            let twice = ran.outcomes.iter().any(|outcomes| outcomes.len() > 1);
            must(!twice, || "a message was settled more than once".into())
        },
    },
    Test {
        name: "reports::late",
        advice: "report deferred messages, at `end` at the latest",
        in_c: "",
        run: |subject| {
            let ran = plain(subject, 2000)?;
            ran.ended()?;
            some(ran.counts.deferred, "deferred").map(drop)
        },
    },
    Test {
        name: "reports::reserved-status",
        advice: "use Report::fail and Report::retry, which know the ranges",
        in_c: "return what gopiper_fail and gopiper_retry return, which know the ranges",
        run: |subject| {
            let ran = plain(subject, 100)?;
            let odd = ran.failed.iter().map(status).find(|it| !(100..300).contains(it));
            odd.map_or(Ok(()), |odd| {
                Err(Verdict::Failed(format!("a report has the reserved status {odd}")))
            })
        },
    },
    Test {
        name: "reports::codes",
        advice: "number the reasons from 0 to 99: Report::fail and Report::retry cut a larger code \
                 to 99, so operators could not tell these reasons apart",
        in_c: "number the reasons from 0 to 99: gopiper_fail and gopiper_retry cut a larger code to \
               99, so operators could not tell these reasons apart",
        run: |subject| {
            let ran = plain(subject, 100)?;
            some(ran.failed.len() as u64, "reported as failed")?;
            match ran.failed.iter().any(|it| matches!(status(it), 199 | 299)) {
                true => Err(Verdict::Warning(
                    "a report has the code 99, as every code above it has, too".into(),
                )),
                false => Ok(()),
            }
        },
    },
    Test {
        name: "reports::described",
        advice: "give the reason: `handled.fail(message, \"why\")`",
        in_c: "give the reason: `return gopiper_fail(host, 1, \"why\")`",
        run: |subject| {
            let ran = plain(subject, 100)?;
            some(ran.failed.len() as u64, "reported as failed")?;
            match ran.failed.iter().any(|it| description(it).is_empty()) {
                true => Err(Verdict::Warning("it fails messages without giving a reason".into())),
                false => Ok(()),
            }
        },
    },
    Test {
        name: "reports::retry-ends",
        advice: "report permanent errors with Report::fail",
        in_c: "report permanent errors with gopiper_fail",
        run: |subject| {
            let ran = plain(subject, 100)?;
            some(ran.counts.retries, "retried")?;
            match ran.failed.iter().any(|it| (100..200).contains(&status(it))) {
                true => Err(Verdict::Warning(
                    "an ordinary message is reported as Retry each time".into(),
                )),
                false => Ok(()),
            }
        },
    },
    Test {
        name: "reports::continue-emits",
        advice: "send something for kept messages, at `end` at the latest (`send_from`)",
        in_c: "send something for kept messages, at `end` at the latest (gopiper_send)",
        run: |subject| {
            let counts = plain(subject, 101)?.counts;
            let (kept, unsent) = (some(counts.kept, "kept")?, counts.unsent);
            must(unsent == 0, || {
                format!(
                    "{} sent nothing for {unsent} of {kept} messages that it kept",
                    subject.name
                )
            })
        },
    },
    Test {
        name: "reports::kept-at-end",
        advice: "keep no delivery beyond the component: no mem::forget, no statics",
        in_c: "send or free each gopiper_kept, in `end` or `destroy` at the latest",
        run: |subject| {
            let ran = plain(subject, 101)?;
            let (open, kept) = (ran.summary.unsettled, ran.counts.kept + ran.counts.deferred);
            must(open == 0, || {
                let (name, of) = (&subject.name, plural(open as usize, "message"));
                format!("{name} never settled {of} that it kept or deferred")
            })?;
            some(kept, "kept or deferred").map(drop)
        },
    },
    Test {
        name: "reports::panics",
        advice: "report a failure with `handled.fail` instead of panicking",
        in_c: "report a failure with gopiper_fail",
        run: |subject| plain(subject, 100)?.sound(),
    },
];

/// The number of these messages; with none, the test is not applicable.
fn some(count: u64, done: &str) -> Result<u64, Verdict> {
    if count > 0 { Ok(count) } else { Err(not_applicable(&format!("nothing was {done}"))) }
}

fn plain(subject: &Subject, count: usize) -> Result<Ran, Verdict> {
    takes_messages(subject)?;
    Trial::new(subject, lines(count)).run()
}
