//! Tests of a component's reports.
use super::{
    bench::{Ran, Trial, description, status},
    messages::{lines, takes_messages},
    subject::Subject,
    test::Test,
    verdict::{Verdict, must},
};

pub(super) const TESTS: &[Test] = &[
    Test {
        name: "reports::once",
        advice: "call the callback once for each message, on every path through `handle`",
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
        run: |subject| plain(subject, 2000)?.ended(),
    },
    Test {
        name: "reports::reserved-status",
        advice: "use Report::fail and Report::retry, which know the ranges",
        run: |subject| {
            let ran = plain(subject, 100)?;
            let odd = ran.failed.iter().map(status).find(|it| !(100..300).contains(it));
            must(odd.is_none(), || format!("a report has a reserved status ({odd:?})"))
        },
    },
    Test {
        name: "reports::described",
        advice: "give the reason: `handled.fail(message, \"why\")`",
        run: |subject| {
            let ran = plain(subject, 100)?;
            match ran.failed.iter().any(|it| description(it).is_empty()) {
                true => Err(Verdict::Warning("it fails messages without giving a reason".into())),
                false => Ok(()),
            }
        },
    },
    Test {
        name: "reports::retry-ends",
        advice: "report permanent errors with Report::fail",
        run: |subject| {
            let ran = plain(subject, 100)?;
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
        run: |subject| {
            let unsent = plain(subject, 101)?.counts.unsent;
            must(unsent == 0, || format!("{unsent} kept messages were dropped unsent"))
        },
    },
    Test {
        name: "reports::kept-at-end",
        advice: "keep no delivery beyond the component: no mem::forget, no statics",
        run: |subject| {
            let ran = plain(subject, 101)?;
            let open = ran.summary.unsettled;
            must(open == 0, || format!("{open} messages were never settled"))
        },
    },
    Test {
        name: "reports::panics",
        advice: "report a failure with `handled.fail` instead of panicking",
        run: |subject| plain(subject, 100)?.sound(),
    },
];

fn plain(subject: &Subject, count: usize) -> Result<Ran, Verdict> {
    takes_messages(subject)?;
    Trial::new(subject, lines(count)).run()
}
