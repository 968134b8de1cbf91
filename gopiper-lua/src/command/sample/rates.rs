//! The rates between two reports, and the bottleneck.
use std::collections::HashMap;

use serde::Serialize;

use super::report::{ComponentSample, DurationsSample, PipelineSample, PipelinesSample};

/// The rates of a component between two reports.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct ComponentRates {
    pub(crate) pipeline: String,
    pub(crate) id: String,
    pub(crate) kind: String,
    /// Messages a second.
    pub(crate) received_per_second: f64,
    pub(crate) sent_per_second: f64,
    /// The part of its channel that is filled; `None` for a source.
    pub(crate) depth: Option<f64>,
    /// The parts of their time in which its workers worked, and in which they waited for room in
    /// the next component.
    pub(crate) busy: f64,
    pub(crate) blocked: f64,
    pub(crate) failed_messages: u64,
    pub(crate) failed_per_second: f64,
    /// The number of processors that it keeps busy; `None` if the system does not show it.
    pub(crate) cpu: Option<f64>,
    /// The memory of its library; `None` if the library does not count it.
    pub(crate) memory_bytes: Option<u64>,
    /// Whether it shares the library, and its memory, with other components.
    pub(crate) memory_is_shared: bool,
    /// The longest time of the faster half of its calls, and of the fastest 99 %. `None` if there
    /// were no calls.
    pub(crate) calls_median_seconds: Option<f64>,
    pub(crate) calls_99th_seconds: Option<f64>,
    /// The components before it wait for it.
    pub(crate) is_bottleneck: bool,
    /// For how long it has had messages and finished none of them.
    pub(crate) stuck_seconds: f64,
    /// How full a buffer or the dead letters are.
    pub(crate) stored_part: Option<f64>,
}

impl ComponentRates {
    /// Whether it is stuck, by the rule of the page.
    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck_seconds >= STUCK_SECONDS
    }

    /// How full its channel is, or what it stores, whichever is more.
    pub(crate) fn filled(&self) -> Option<f64> {
        let parts = self.depth.into_iter().chain(self.stored_part);
        parts.reduce(f64::max)
    }
}

/// A component that finishes nothing for this long is marked: as on the page (`graph.js`), and long
/// before `/ready` reports it.
const STUCK_SECONDS: f64 = 10.0;

/// A component that waits for room for at least this part of its time counts as held up.
const HELD_UP: f64 = 0.1;

/// A component whose channel is filled to at least this part keeps the components before it
/// waiting.
const FULL: f64 = 0.5;

/// The rates of all components between two reports, in the order of the graph.
pub(crate) fn rates(before: &PipelinesSample, now: &PipelinesSample) -> Vec<ComponentRates> {
    let elapsed =
        (now.process.identity.uptime_seconds - before.process.identity.uptime_seconds).max(1e-3);
    let key = |pipeline: &PipelineSample, id: &str| (pipeline.name.clone(), id.to_owned());
    let before: HashMap<_, _> = before
        .pipelines
        .iter()
        .flat_map(|pipeline| pipeline.components.iter().map(|it| (key(pipeline, &it.id), it)))
        .collect();
    let nothing = ComponentSample::default();
    let mut rows = Vec::new();
    for pipeline in &now.pipelines {
        let of = |it: &ComponentSample| {
            let earlier = before.get(&key(pipeline, &it.id)).copied().unwrap_or(&nothing);
            row(&pipeline.name, earlier, it, elapsed)
        };
        let mut own: Vec<_> = pipeline.components.iter().map(of).collect();
        mark_bottlenecks(&pipeline.components, &mut own);
        rows.extend(own);
    }
    rows
}

fn row(
    pipeline: &str,
    before: &ComponentSample,
    now: &ComponentSample,
    elapsed: f64,
) -> ComponentRates {
    let rate = |before: u64, now: u64| now.saturating_sub(before) as f64 / elapsed;
    let present = now.present_seconds - before.present_seconds;
    let part = |seconds: f64| if present > 0.0 { (seconds / present).clamp(0.0, 1.0) } else { 0.0 };
    let filled = |depth: u64, limit: u64| depth as f64 / limit.max(1) as f64;
    let depth = filled(now.depth_messages, now.depth_limit_messages)
        .max(filled(now.depth_bytes, now.depth_limit_bytes));
    ComponentRates {
        pipeline: pipeline.to_owned(),
        id: now.id.clone(),
        kind: now.kind.clone(),
        received_per_second: rate(before.received_messages, now.received_messages),
        sent_per_second: rate(before.sent_messages, now.sent_messages),
        depth: (now.depth_limit_messages > 0).then_some(depth.min(1.0)),
        busy: part(now.busy_seconds - before.busy_seconds),
        blocked: part(now.blocked_seconds - before.blocked_seconds),
        failed_messages: now.failed_messages,
        failed_per_second: rate(before.failed_messages, now.failed_messages),
        cpu: now
            .cpu_seconds
            .map(|cpu| ((cpu - before.cpu_seconds.unwrap_or_default()) / elapsed).max(0.0)),
        memory_bytes: now.memory.map(|memory| memory.library_bytes),
        memory_is_shared: now.memory.is_some_and(|memory| memory.components > 1),
        calls_median_seconds: quantile(0.5, &before.calls, &now.calls),
        calls_99th_seconds: quantile(0.99, &before.calls, &now.calls),
        is_bottleneck: false,
        stuck_seconds: now.stuck_seconds,
        stored_part: now.stored_part,
    }
}

/// The longest time of this part of the calls between two reports, estimated from the buckets:
/// times within a bucket are taken as evenly spread.
fn quantile(part: f64, before: &DurationsSample, now: &DurationsSample) -> Option<f64> {
    let earlier = |place: usize| before.buckets.get(place).map_or(0, |(_, count)| *count);
    let counts = now.buckets.iter().enumerate();
    let counts = counts.map(|(place, (_, count))| count.saturating_sub(earlier(place)));
    let counts: Vec<_> = counts.collect();
    let all = counts.iter().sum::<u64>() + now.longer.saturating_sub(before.longer);
    if all == 0 {
        return None;
    }
    let (mut left, mut lower) = (part * all as f64, 0.0);
    for ((bound, _), count) in now.buckets.iter().zip(counts) {
        let count = count as f64;
        if count > 0.0 && left <= count {
            return Some(lower + (bound - lower) * left / count);
        }
        left -= count;
        lower = *bound;
    }
    // It took longer than the last bound; more is not known.
    Some(lower)
}

/// Marks the bottlenecks. If a component is held up, the fullest of the components that it sends to
/// is the bottleneck, unless that is held up itself.
fn mark_bottlenecks(components: &[ComponentSample], rows: &mut [ComponentRates]) {
    let place = |id: &str| components.iter().position(|it| it.id == id);
    for (sender, component) in components.iter().enumerate() {
        if rows[sender].blocked < HELD_UP {
            continue;
        }
        let next = component.next.iter().filter_map(|id| place(id));
        let fullest = next.max_by(|one, other| {
            rows[*one].depth.unwrap_or(0.0).total_cmp(&rows[*other].depth.unwrap_or(0.0))
        });
        // If that has room, the sender waits for something else, such as the dead letters.
        let is_full = |place: &usize| rows[*place].depth.is_some_and(|depth| depth >= FULL);
        let fullest = fullest.filter(|place| rows[*place].blocked < HELD_UP && is_full(place));
        if let Some(fullest) = fullest {
            rows[fullest].is_bottleneck = true;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::{
        super::report::{
            FailureSample, MemorySample, MetricSample, ProcessIdentity, ProcessSample,
        },
        *,
    };

    /// A source that is held up by `parse`, which is held up by `store`; `count` is idle.
    pub(crate) fn reports() -> [PipelinesSample; 2] {
        let component = |id: &str, kind: &str, next: &[&str], limit| ComponentSample {
            id: id.into(),
            kind: kind.into(),
            component_type: id.into(),
            next: next.iter().map(|id| (*id).to_owned()).collect(),
            workers: 1,
            depth_limit_messages: limit,
            depth_limit_bytes: limit * 1000,
            present_seconds: 10.0,
            cpu_seconds: Some(1.0),
            ..ComponentSample::default()
        };
        let components = vec![
            component("read", "source", &["parse"], 0),
            component("parse", "transform", &["store", "count"], 1000),
            component("store", "sink", &[], 1000),
            component("count", "sink", &[], 1000),
        ];
        let pipelines =
            vec![PipelineSample { name: "main".into(), components, ..Default::default() }];
        let identity = ProcessIdentity {
            pid: 4321,
            file: "/srv/access.lua".into(),
            state: "running".into(),
            uptime_seconds: 100.0,
            ..ProcessIdentity::default()
        };
        let process = ProcessSample {
            identity,
            cpu_seconds: 4.0,
            resident_bytes: Some(61 << 20),
            ..ProcessSample::default()
        };
        let before = PipelinesSample { process, pipelines };
        let mut now = before.clone();
        now.process.identity.uptime_seconds = 102.0;
        now.process.cpu_seconds = 7.0;
        now.process.gopiper_cpu_seconds = 0.2;
        let [read, parse, store, count] = now.pipelines[0].components.get_mut(..).unwrap() else {
            unreachable!("there are four")
        };
        for (component, busy, blocked) in
            [(&mut *read, 0.2, 1.8), (&mut *parse, 1.0, 1.0), (&mut *store, 2.0, 0.0)]
        {
            component.present_seconds += 2.0;
            component.busy_seconds += busy;
            component.blocked_seconds += blocked;
            component.cpu_seconds = Some(1.0 + busy);
        }
        count.present_seconds += 2.0;
        read.sent_messages = 2_400_000;
        read.memory = Some(MemorySample { library_bytes: 1_300_000, components: 1 });
        (parse.received_messages, parse.sent_messages) = (2_400_000, 2_399_000);
        parse.memory = Some(MemorySample { library_bytes: 64_000, components: 2 });
        parse.failed_messages = 1000;
        parse.depth_messages = 900;
        parse.failures = vec![FailureSample {
            time_seconds: 1_700_000_000.0,
            status: 400,
            description: "no number: x".into(),
        }];
        parse.calls.buckets = vec![(1e-5, 3), (3e-5, 12), (1e-4, 1)];
        (store.received_messages, store.depth_messages) = (2_390_000, 1000);
        [before, now]
    }

    #[test]
    fn rates_are_those_between_two_reports() {
        let [before, now] = reports();
        let rows = rates(&before, &now);
        assert_eq!(rows[0].sent_per_second, 1_200_000.0);
        assert_eq!((rows[0].blocked, rows[0].depth), (0.9, None));
        assert_eq!((rows[1].busy, rows[1].depth), (0.5, Some(0.9)));
        assert_eq!((rows[1].failed_messages, rows[1].failed_per_second), (1000, 500.0));
        assert_eq!(rows[2].cpu, Some(1.0));
    }

    #[test]
    fn times_of_calls_are_those_between_two_reports() {
        let calls = |counts: [u64; 3], longer| DurationsSample {
            buckets: vec![(1.0, counts[0]), (2.0, counts[1]), (4.0, counts[2])],
            longer,
            sum_seconds: 0.0,
        };
        let before = calls([1000, 0, 0], 5);
        assert_eq!(quantile(0.5, &before, &before), None);
        assert_eq!(quantile(0.5, &before, &calls([1000, 10, 0], 5)), Some(1.5));
        assert_eq!(quantile(0.99, &before, &calls([1050, 49, 1], 5)), Some(2.0));
        assert_eq!(quantile(0.99, &before, &calls([1000, 1, 0], 9)), Some(4.0), "or longer");
        assert_eq!(quantile(0.5, &DurationsSample::default(), &calls([2, 0, 0], 0)), Some(0.5));
    }

    #[test]
    fn the_bottleneck_is_the_last_one_that_others_wait_for() {
        let [before, now] = reports();
        let marked: Vec<_> =
            rates(&before, &now).into_iter().filter(|row| row.is_bottleneck).collect();
        assert_eq!(marked.len(), 1, "{marked:?}");
        assert_eq!(marked[0].id, "store");
    }

    #[test]
    fn a_component_that_is_new_has_all_of_its_counts_as_a_rate() {
        let [_, now] = reports();
        let rows = rates(&PipelinesSample::default(), &now);
        assert!(rows[0].sent_per_second > 0.0 && rows[0].busy <= 1.0, "{:?}", rows[0]);
    }

    #[test]
    fn numbers_have_no_texts_of_messages() {
        let [_, now] = reports();
        let has_texts = |sample: &PipelinesSample| {
            let text = serde_json::to_string(sample).unwrap();
            text.contains("no number: x") || text.contains("a value")
        };
        let mut with_metric = now;
        let labels = BTreeMap::from([("label".to_owned(), "a value".to_owned())]);
        let metric = MetricSample { labels, ..MetricSample::default() };
        with_metric.pipelines[0].components[0].metrics.push(metric);
        assert!(has_texts(&with_metric));
        assert!(!has_texts(&with_metric.without_texts()));
    }
}
