use std::time::Duration;

use gopiper_abi::Kind;

use super::*;
use crate::{
    observe::component::ComponentReport,
    stage::metrics::{ComponentMetric, MetricValue},
};

fn registered(name: &str, help: &str, value: MetricValue) -> ComponentMetric {
    ComponentMetric {
        component: "parse".into(),
        name: name.into(),
        help: help.into(),
        unit: String::new(),
        labels: vec![("of".into(), "a \"quote\"\\".into())],
        value,
    }
}

fn page(metrics: Vec<ComponentMetric>, format: MetricsFormat) -> String {
    let component = ComponentReport {
        name: "parse".into(),
        kind: Kind::TRANSFORM,
        component: "json".into(),
        next: Vec::new(),
        counts: Default::default(),
        depth_messages: 0,
        depth_bytes: 0,
        limit_messages: 0,
        limit_bytes: 0,
        in_flight: 0,
        workers: 2,
        present: Duration::from_secs(5),
        idle: Duration::from_secs(1),
        blocked: Duration::from_millis(1500),
        processor: None,
        memory: None,
        calls: Default::default(),
        ages: Default::default(),
        failures: Vec::new(),
        metrics,
    };
    let pipeline = PipelineReport {
        name: "main".into(),
        components: vec![component],
        outcomes: Default::default(),
    };
    metrics_text(&[pipeline], &ProcessorTime::default(), format)
}

const LABELS: &str = "pipeline=\"main\",component_id=\"parse\",component_kind=\"transform\",\
                      component_type=\"json\"";

#[test]
fn time_is_divided_into_busy_idle_and_blocked() {
    let text = page(Vec::new(), MetricsFormat::Prometheus);
    for (name, seconds) in [("busy", "2.5"), ("idle", "1"), ("blocked", "1.5")] {
        let line = format!("gopiper_component_{name}_seconds_total{{{LABELS}}} {seconds}\n");
        assert!(text.contains(&line), "{text}");
    }
    assert!(!text.contains("cpu_seconds_total{"), "it is not known: {text}");
}

#[test]
fn texts_are_escaped_as_each_format_wants_it() {
    let all = || vec![registered("open", "One\nor \"two\"", MetricValue::Gauge(f64::INFINITY))];
    let text = page(all(), MetricsFormat::Prometheus);
    assert!(text.contains("# HELP gopiper_component_open One\\nor \"two\"\n"), "{text}");
    let line = "gopiper_component_open{LABELS,of=\"a \\\"quote\\\"\\\\\"} +Inf\n";
    assert!(text.contains(&line.replace("LABELS", LABELS)), "{text}");
    let text = page(all(), MetricsFormat::OpenMetrics);
    assert!(text.contains("# HELP gopiper_component_open One\\nor \\\"two\\\"\n"), "{text}");
    assert!(text.ends_with("# EOF\n"));
    assert!(text.contains("# TYPE gopiper_component_retries counter\n"), "without its ending");
    assert!(text.contains("gopiper_component_retries_total{"));
}

#[test]
fn a_histogram_adds_its_buckets_up() {
    let buckets = vec![(0.5, 1), (1.0, 2)];
    let value = MetricValue::Histogram { buckets, beyond: 4, sum: 9.25 };
    let text = page(vec![registered("took_seconds", "Time.", value)], MetricsFormat::Prometheus);
    let lines: Vec<_> =
        text.lines().filter(|line| line.starts_with("gopiper_component_took")).collect();
    let ends: Vec<_> = lines.iter().map(|line| line.rsplit_once(' ').expect("a value").1).collect();
    assert_eq!(ends, ["1", "3", "7", "9.25", "7"]);
    assert!(lines[1].ends_with("le=\"1.0\"} 3") && lines[2].ends_with("le=\"+Inf\"} 7"), "{text}");
}

/// A gauge `lines` and a counter `lines_total` are one family in OpenMetrics.
#[test]
fn one_name_has_one_kind() {
    let text = page(
        vec![
            registered("lines_total", "Lines.", MetricValue::Counter(3)),
            registered("lines", "Lines.", MetricValue::Gauge(2.0)),
        ],
        MetricsFormat::OpenMetrics,
    );
    assert_eq!(text.matches("# TYPE gopiper_component_lines ").count(), 1, "{text}");
    assert!(!text.contains("gopiper_component_lines{"), "{text}");
    assert!(text.contains("gopiper_left_out_metrics 1\n"), "{text}");
}
