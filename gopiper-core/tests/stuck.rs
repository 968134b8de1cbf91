//! Components that do not come back in time, on a clock that the tests move.
mod common;

use std::{
    env, fs,
    process::Command,
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use common::{
    in_process,
    story::{Gate, HangsWithAll, SECOND, Story, await_late},
};
use gopiper_abi::{
    Component, Error, Factory, HandledCallback, Message, NoAttributes, Outcome, Postponed, own,
};
use gopiper_core::{ComponentSpec, RetryPolicy, StopReason};

const DELIVERED: Outcome = Outcome::DELIVERED;
const FAILED: Outcome = Outcome::FAILED;

#[test]
fn a_stuck_worker_is_abandoned_and_another_continues_in_order() {
    let story = Story::of(&["one", "hang", "two", "three"]);
    let running = story.start_with(story.hangs(), 3);
    let control = running.control();
    let summary = story.end_when_hanging(running, 1);
    assert_eq!(story.probe.output(), ["one", "two", "three"]);
    assert_eq!(story.probe.outcomes(), [DELIVERED, FAILED, DELIVERED, DELIVERED]);
    let counts = summary.components[1].1;
    assert_eq!((counts.abandoned, counts.failed, counts.late), (1, 1, 0));
    assert!(!summary.is_success());
    // The pipeline has ended without the thread, whose actions have no effect now.
    story.gate.open();
    await_late(&control, 1);
    assert_eq!(story.probe.output(), ["one", "two", "three"]);
}

#[test]
fn reports_before_a_worker_got_stuck_remain() {
    let story = Story::of(&["keep", "done, then hang", "two"]);
    let running = story.start_with(story.hangs(), 3);
    let summary = story.end_when_hanging(running, 1);
    assert_eq!(story.probe.output(), ["done, then hang", "two"]);
    assert_eq!(story.probe.outcomes(), [FAILED, DELIVERED, DELIVERED], "the kept one has failed");
    assert_eq!(summary.components[1].1.unsent, 1);
    story.gate.open();
}

#[test]
fn messages_sent_before_a_worker_got_stuck_remain_and_later_ones_do_not() {
    let story = Story::of(&["send and hang", "two"]);
    let running = story.start_with(story.hangs(), 2);
    let control = running.control();
    let summary = story.end_when_hanging(running, 1);
    assert_eq!(story.probe.output(), ["sent", "two"]);
    assert_eq!(story.probe.outcomes(), [FAILED, DELIVERED]);
    assert_eq!(summary.outcomes.delivered, 2, "the one that it sent counts too");
    story.gate.open();
    await_late(&control, 1);
    assert_eq!(story.probe.output(), ["sent", "two"]);
}

#[test]
fn results_of_kept_messages_before_a_worker_got_stuck_remain() {
    let story = Story::of(&["keep", "send kept", "keep", "hang"]);
    let running = story.start_with(story.hangs(), 4);
    let summary = story.end_when_hanging(running, 1);
    assert_eq!(story.probe.output(), ["made of kept", "send kept"]);
    assert_eq!(story.probe.outcomes(), [DELIVERED, DELIVERED, FAILED, FAILED]);
    let counts = summary.components[1].1;
    assert_eq!((counts.kept, counts.unsent), (2, 1), "one was sent");
    story.gate.open();
}

#[test]
fn only_overdue_messages_are_late() {
    let story = Story::of(&["defer", "one", "hang", "two"]);
    let running = story.start_with(story.hangs(), 4);
    let control = running.control();
    story.end_when_hanging(running, 1);
    assert_eq!(story.probe.outcomes(), [FAILED, DELIVERED, FAILED, DELIVERED]);
    story.gate.open();
    await_late(&control, 2);
}

static STUCK: LazyLock<Gate> = LazyLock::new(Gate::default);
/// Components that were dropped, and then 100 for their factory; 1000 for one that came after that.
static ENDED: AtomicUsize = AtomicUsize::new(0);

struct Fleeting;
struct HangsFleetingly;

impl Factory for Fleeting {
    type Component = HangsFleetingly;
    type Attributes = NoAttributes;

    fn new(_: NoAttributes) -> Result<Self, Error> {
        Ok(Fleeting)
    }

    fn create(&self, _: Postponed) -> Result<HangsFleetingly, Error> {
        Ok(HangsFleetingly)
    }

    fn destroy(&mut self) {
        ENDED.fetch_add(100, SeqCst);
    }
}

impl Component for HangsFleetingly {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        if message.data() == b"hang" {
            STUCK.hang();
            assert_eq!(ENDED.load(SeqCst), 1, "only the one in its place has gone");
        }
        handled.done(message);
    }
}

impl Drop for HangsFleetingly {
    fn drop(&mut self) {
        if ENDED.fetch_add(1, SeqCst) >= 100 {
            ENDED.fetch_add(1000, SeqCst);
        }
    }
}

#[test]
fn a_factory_outlives_a_component_that_is_stuck() {
    let mut story = Story::of(&["hang", "one"]);
    story.gate = STUCK.clone();
    let options = story.options.clone();
    let component = ComponentSpec { options, ..in_process::<Fleeting>("fleeting") };
    let running = story.start_with(component, 2);
    let control = running.control();
    story.end_when_hanging(running, 1);
    assert_eq!(ENDED.load(SeqCst), 1, "one component has gone, and not its factory");
    story.gate.open();
    let counts = await_late(&control, 1);
    assert_eq!(counts.panics, 0);
    for _ in 0..3000 {
        // Both have gone, and the factory.
        if ENDED.load(SeqCst) >= 102 {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(ENDED.load(SeqCst), 102);
}

#[test]
fn a_worker_that_gets_stuck_again_and_again_is_given_up_each_time() {
    let story = Story::of(&["hang", "hang", "one", "hang"]);
    let running = story.start_with(story.hangs(), 4);
    let control = running.control();
    for hanging in 1..=3 {
        story.gate.await_hanging(hanging);
        // Until the watchdog has seen it: on a busy machine it may miss a move of the clock.
        while control.counts()[1].1.abandoned < hanging as u64 {
            story.clock.advance(SECOND / 2);
            thread::sleep(Duration::from_millis(1));
        }
    }
    let (summary, _) = story.end(running, SECOND / 4);
    assert_eq!(story.probe.outcomes(), [FAILED, FAILED, DELIVERED, FAILED]);
    assert_eq!(summary.components[1].1.abandoned, 3);
    story.gate.open();
}

#[test]
fn a_whole_batch_has_failed_if_its_component_takes_it_at_once() {
    let story = Story::of(&["one", "hang", "two"]);
    let gate = story.gate.clone();
    let component = ComponentSpec {
        factory: own::transform("all", move |_| Ok(HangsWithAll(gate.clone()))),
        options: story.options.clone(),
    };
    let running = story.start_with(component, 2);
    let summary = story.end_when_hanging(running, 1);
    assert_eq!(story.probe.output(), ["two"]);
    assert_eq!(story.probe.outcomes(), [FAILED, FAILED, DELIVERED]);
    assert_eq!(summary.components[1].1.abandoned, 1);
    story.gate.open();
}

#[test]
fn a_deferred_message_that_is_not_reported_in_time_is_tried_again() {
    let mut story = Story::of(&["one", "defer", "two"]);
    let backoff = Duration::from_secs(60);
    story.options.retry =
        RetryPolicy { max_attempts: 3, initial_backoff: backoff, max_backoff: backoff };
    let running = story.start_with(story.hangs(), 3);
    let control = running.control();
    let (summary, _) = story.end(running, SECOND);
    assert_eq!(story.probe.output(), ["one", "two"]);
    assert_eq!(story.probe.outcomes(), [DELIVERED, FAILED, DELIVERED]);
    let counts = summary.components[1].1;
    assert_eq!((counts.retries, counts.failed, counts.abandoned), (2, 1, 0));
    // Three attempts, three reports, and none of them counts any more.
    let late: Vec<_> = std::mem::take(&mut *story.deferred.lock());
    assert_eq!(late.len(), 3);
    late.into_iter().for_each(|(deferred, message)| deferred.done(message));
    await_late(&control, 3);
    assert_eq!(story.probe.output(), ["one", "two"]);
}

#[test]
fn of_deferred_messages_only_those_without_a_report_are_tried_again() {
    let mut story = Story::of(&["defer", "defer", "one"]);
    story.options.retry = RetryPolicy { max_attempts: 1, ..RetryPolicy::default() };
    let running = story.start_with(story.hangs(), 3);
    let control = running.control();
    while story.deferred.lock().len() < 2 {
        thread::sleep(Duration::from_millis(1));
    }
    // The call has most probably ended: reports before that do not count.
    thread::sleep(Duration::from_millis(5));
    let (deferred, message) = story.deferred.lock().remove(0);
    deferred.done(message);
    let (summary, _) = story.end(running, SECOND);
    assert_eq!(story.probe.output(), ["defer", "one"]);
    assert_eq!(story.probe.outcomes(), [DELIVERED, FAILED, DELIVERED]);
    assert_eq!(summary.components[1].1.late, 0);
    let (deferred, message) = story.deferred.lock().remove(0);
    deferred.done(message);
    await_late(&control, 1);
}

#[test]
fn a_deferred_message_that_is_reported_in_time_goes_on_as_usual() {
    let story = Story::of(&["one", "defer", "two"]);
    let running = story.start_with(story.hangs(), 3);
    let deferred = story.deferred.clone();
    let reports = thread::spawn(move || {
        loop {
            if let Some((deferred, message)) = deferred.lock().pop() {
                return deferred.done(message);
            }
            thread::yield_now();
        }
    });
    let summary = running.wait();
    reports.join().expect("reported");
    assert_eq!(story.probe.output(), ["one", "defer", "two"]);
    assert!(summary.is_success());
}

/// The address space of this process.
fn kilobytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    size.trim().trim_end_matches(" kB").parse().unwrap()
}

/// From here on, no memory as large as a thread's stack can be allocated.
fn have_no_more_threads() {
    let limit = Some((kilobytes() + 1024) * 1024);
    let limit = rustix::process::Rlimit { current: limit, maximum: limit };
    rustix::process::setrlimit(rustix::process::Resource::As, limit).unwrap();
}

#[test]
fn a_pipeline_ends_though_a_stuck_worker_cannot_be_replaced() {
    const NAME: &str = "a_pipeline_ends_though_a_stuck_worker_cannot_be_replaced";
    if kilobytes() > 1 << 32 {
        // A sanitizer needs all the memory that it can get.
        return;
    }
    if env::var_os("GOPIPER_TEST_ALONE").is_none() {
        // The limit is a process's. With one arena the allocator needs no more large pieces.
        let status = Command::new(env::current_exe().unwrap())
            .args(["--exact", NAME])
            .envs([("GOPIPER_TEST_ALONE", "1"), ("MALLOC_ARENA_MAX", "1")])
            .status();
        return assert!(status.unwrap().success());
    }
    let messages: Vec<_> = (0..100).map(|n| if n == 1 { "hang" } else { "one" }).collect();
    let mut story = Story::of(&messages);
    // Its source waits for room, so it learns of the end only when there is some.
    story.options.channel_size = Some(4);
    let running = story.start_with(story.hangs(), 1);
    let (tell, hear) = mpsc::channel();
    thread::spawn(move || drop(tell.send(running.wait())));
    story.gate.await_hanging(1);
    have_no_more_threads();
    for _ in 0..1000 {
        let Ok(summary) = hear.recv_timeout(Duration::from_millis(10)) else {
            story.clock.advance(SECOND / 4);
            continue;
        };
        assert!(matches!(summary.stopped, Some(StopReason::Failed { .. })));
        assert_eq!(summary.unsettled, 0);
        let outcomes = story.probe.outcomes();
        assert_eq!(outcomes[0], DELIVERED);
        // Its failure is no longer reported.
        assert_eq!(outcomes[1..], vec![Outcome::RETURNED; outcomes.len() - 1]);
        return;
    }
    panic!("it hangs");
}
