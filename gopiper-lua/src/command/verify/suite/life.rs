//! Tests of creation, end and stop.
use std::{thread, time::Duration};

use gopiper_abi::Message;

use super::{messages::lines, test::Test};
use crate::command::verify::{
    subject::Subject,
    trial::Trial,
    verdict::{Judged, Verdict, must},
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "life::create-many",
        advice: "release everything in `drop` and `destroy`; keep no state in statics",
        in_c: "release everything in `destroy` and `free_configuration`; keep no state in static variables",
        run: create_many,
    },
    Test {
        name: "life::from-many-threads",
        advice: "a factory may be created on any thread: keep no state in statics",
        in_c: "`configure` is called on any thread: keep no state in static variables",
        run: from_many_threads,
    },
    Test {
        name: "life::end-without-messages",
        advice: "`end` must work without a message before it",
        in_c: "",
        run: |subject| Trial::new(subject, Vec::new()).run()?.sound(),
    },
    Test {
        name: "life::stop",
        advice: "interrupt blocking calls in `postponed.on_stop`, or check `host().is_stopping()`",
        in_c: "interrupt blocking calls in `stop`, or check `gopiper_is_stopping`",
        run: |subject| Trial::new(subject, lines(20)).until_stopped().run()?.ended(),
    },
    Test {
        name: "life::aborted",
        advice: "expect the end in the middle of the work; a report after it has no effect",
        in_c: "",
        run: aborted,
    },
    Test {
        name: "life::pool-size",
        advice: "let `pool_size` and `channel_size` return 1 or more, and 1024 workers at most",
        in_c: "let `.pool_size` and `.channel_size` be 1 or more, and 1024 workers at most",
        run: |subject| {
            let mut factory = subject.factory()?;
            let (workers, room) = (factory.pool_size(), factory.channel_size());
            must((1..=1024).contains(&workers), || format!("its pool_size is {workers}"))?;
            must(room > 0, || "its channel_size is 0".into())
        },
    },
];

/// A second signal, or the limit of time for draining, ends a pipeline in the middle of its work.
fn aborted(subject: &Subject) -> Judged {
    let endless = (0..).map(|n: u64| Message::new(format!("line {n} of many")));
    let ran = Trial::new(subject, endless).aborted().run()?;
    // For the reports of threads that do not know of it yet.
    thread::sleep(Duration::from_millis(50));
    ran.sound()
}

fn create_many(subject: &Subject) -> Judged {
    for nth in 1..=50 {
        let ran = match Trial::new(subject, lines(1)).run() {
            Err(Verdict::Skipped(said)) if nth > 1 => {
                return Err(Verdict::Failed(format!("pipeline number {nth}: {said}")));
            }
            ran => ran?,
        };
        ran.sound()?;
        if nth == 5 && subject.kind == gopiper_abi::Kind::SOURCE {
            break;
        }
    }
    Ok(())
}

fn from_many_threads(subject: &Subject) -> Judged {
    drop(subject.factory()?);
    let make = || (0..20).try_for_each(|_| subject.factory().map(drop));
    thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
        let ended = threads.into_iter().map(|it| it.join());
        let bad = ended.filter_map(|it| it.ok().and_then(Result::err)).next();
        must(bad.is_none(), || {
            let said = bad.as_ref().map(|it| it.said().to_owned()).unwrap_or_default();
            format!("created by eight threads at once: {said}")
        })
    })
}
