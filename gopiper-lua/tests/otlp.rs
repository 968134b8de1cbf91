//! `--otlp`: metrics and the log go to a receiver of PyPI's grpcio and opentelemetry-proto. The SDK
//! of OpenTelemetry is a second sender to it.
#[path = "otlp/at_work.rs"]
mod at_work;
mod common;
#[path = "otlp/received.rs"]
mod received;

use std::{collections::BTreeSet, net::TcpListener, process::Output, thread, time::Duration};

use at_work::AtWork;
use common::{Home, pipeline_text, run, send, stderr, stdout};
use gopiper_core::observe::{FAMILIES, FamilyKind};
use received::{Collector, Sent};
use rustix::process::Signal;
use serde_json::{Value, json};

/// It fails with some messages. A secret is in the reason.
const FAILING: &str = "
  gopiper.buffer({ max_bytes = 100000 }),
  gopiper.transform(function(message)
    if message.data == 'bad' then error('no, by the-password') end
  end, { name = 'parse' }),";

fn home() -> Home {
    let text = pipeline_text(FAILING, "{}");
    let secret = "gopiper.createPipeline({\n";
    Home::new(
        &text.replace(
            secret,
            &format!("local _ = gopiper.secret({{ env = 'PASSWORD' }})\n{secret}"),
        ),
    )
}

/// Runs the pipeline to its end. Metrics are sent at the end alone.
fn run_with(home: &Home, url: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = home.gopiper(&["run", "-v", "--otlp", url]);
    command.env("PASSWORD", "the-password").env("OTEL_METRIC_EXPORT_INTERVAL", "3600000");
    run(command.envs(variables.iter().copied()), b"one\nbad\nthree\n")
}

#[test]
fn all_metrics_and_the_log_arrive() {
    let collector = Collector::start(0, "");
    let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20some-token");
    let output = run_with(&home(), &collector.url(), &[headers]);
    assert_eq!(stdout(&output), "one\nthree\n", "{}", stderr(&output));
    let all = collector.end();
    assert!(all.iter().all(|it| it.headers["authorization"] == "Bearer some-token"), "{all:?}");
    for sent in &all {
        assert_eq!(sent.resource["service.name"], "gopiper");
        assert_eq!(sent.resource["service.version"], env!("CARGO_PKG_VERSION"));
        assert!(sent.resource["process.pid"].is_string(), "a whole number: {:?}", sent.resource);
        for name in ["service.instance.id", "host.name"] {
            assert!(sent.resource[name].as_str().is_some_and(|it| !it.is_empty()), "{name}");
        }
    }
    check_metrics(&all);
    check_lines(&all);
}

fn check_metrics(all: &[Sent]) {
    let metrics = all.iter().rfind(|sent| sent.signal == "metrics").expect("metrics").metrics();
    for family in FAMILIES {
        let name = format!("gopiper_component_{}", family.name.trim_end_matches("_total"));
        let metric = metrics.get(&name).unwrap_or_else(|| panic!("{name} is missing"));
        let unit = match family.unit {
            "seconds" => "s",
            "bytes" => "By",
            other => other,
        };
        assert_eq!((&*metric.help, &*metric.unit), (family.help, unit), "{name}");
        let kind = match family.kind {
            FamilyKind::Counter => "sum",
            FamilyKind::Gauge => "gauge",
            FamilyKind::Histogram => "histogram",
        };
        assert_eq!(metric.kind, kind, "{name}");
        for point in &metric.points {
            let labels = &point.labels;
            assert_eq!(labels["pipeline"], "main", "{name}");
            for label in ["component_id", "component_kind", "component_type"] {
                assert!(labels[label].as_str().is_some_and(|it| !it.is_empty()), "{name}");
            }
            let since = point.start.unwrap_or(0);
            assert_eq!(point.start.is_some(), kind != "gauge", "{name}");
            assert!(since < point.time, "{name}");
        }
        if kind != "gauge" {
            assert_eq!(
                metric.data["aggregation_temporality"],
                "AGGREGATION_TEMPORALITY_CUMULATIVE"
            );
        }
        assert_eq!(metric.data["is_monotonic"] == true, kind == "sum", "{name}");
    }
    let value = |name: &str, labels: &[(&str, &str)]| {
        metrics.get(name).unwrap_or_else(|| panic!("{name} is missing")).value(labels)
    };
    let of = |id| ("component_id", id);
    let received = "gopiper_component_received_messages";
    assert_eq!(value(received, &[of("parse")]), json!("3"));
    assert_eq!(value(received, &[of("stdout")]), json!("2"));
    assert_eq!(value("gopiper_component_received_bytes", &[of("stdout")]), json!("8"));
    let failed = "gopiper_component_failed_messages";
    assert_eq!(value(failed, &[of("parse"), ("status", "fail")]), json!("1"));
    let outcome = |name| value("gopiper_pipeline_messages", &[("outcome", name)]);
    // The buffer takes three messages, and makes three others.
    assert_eq!([outcome("delivered"), outcome("dead_lettered")], [json!("5"), json!("1")]);
    // A metric that a component has registered.
    assert_eq!(value("gopiper_component_stored_limit_bytes", &[of("buffer")]), json!(100_000.0));
    for name in [
        "gopiper_cpu_seconds",
        "gopiper_own_threads_cpu_seconds",
        "process_cpu_seconds",
        "process_resident_memory_bytes",
        "gopiper_left_out_metrics",
    ] {
        value(name, &[]);
    }
    let calls = metrics["gopiper_component_call_duration_seconds"].point(&[of("parse")]);
    let (counts, bounds) = (&calls.data["bucket_counts"], &calls.data["explicit_bounds"]);
    let (counts, bounds) = (counts.as_array().expect("counts"), bounds.as_array().expect("bounds"));
    assert_eq!(counts.len(), bounds.len() + 1);
    let sum: u64 = counts.iter().map(|count| count.as_str().unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(calls.data["count"], sum.to_string());
    assert!(sum > 0 && calls.data["sum"].as_f64().expect("a sum") > 0.0);
}

fn check_lines(all: &[Sent]) {
    let lines: Vec<_> = all.iter().flat_map(Sent::lines).collect();
    let failed: Vec<_> =
        lines.iter().filter(|line| line.fields["code"] == "message_failed").collect();
    assert_eq!(failed.len(), 1, "{lines:?}");
    let line = failed[0];
    assert_eq!((&*line.severity, &*line.level), ("SEVERITY_NUMBER_ERROR", "ERROR"));
    assert!(line.body.starts_with("a message failed: ") && line.body.contains("no, by (secret)"));
    assert_eq!(
        (&line.fields["pipeline"], &line.fields["component"]),
        (&json!("main"), &json!("parse"))
    );
    assert!(line.time > 0);
    let finished: BTreeSet<_> = lines
        .iter()
        .filter(|line| line.body == "component finished")
        .map(|line| line.fields["component"].as_str().expect("a name"))
        .collect();
    assert!(finished.contains("parse") && finished.contains("stdout"), "{finished:?}");
    let text = format!("{lines:?}");
    assert!(!text.contains("the-password"), "{text}");
}

/// The receiver reads what others send as it should.
#[test]
fn the_sdk_of_opentelemetry_is_understood() {
    let collector = Collector::start(0, "");
    let output = received::python("sdk.py", &[&collector.url()]).output().expect("it runs");
    assert!(output.status.success(), "{}", stderr(&output));
    let all = collector.end();
    let metrics = all.iter().rfind(|sent| sent.signal == "metrics").expect("metrics").metrics();
    let labels = [("component_id", "parse")];
    let bytes = &metrics["received_bytes"];
    assert_eq!((&*bytes.kind, &*bytes.unit, &*bytes.help), ("sum", "By", "Bytes."));
    assert_eq!(bytes.value(&labels), json!("8"));
    assert_eq!(bytes.data["is_monotonic"], true);
    assert_eq!(metrics["depth"].value(&labels), json!(2.5));
    let took = metrics["took"].point(&labels);
    assert_eq!(took.data["bucket_counts"], json!(["0", "1", "0"]));
    let lines: Vec<_> = all.iter().flat_map(Sent::lines).collect();
    assert_eq!(
        (&*lines[0].body, &*lines[0].severity),
        ("a message failed", "SEVERITY_NUMBER_WARN")
    );
    assert_eq!(lines[0].fields["messages"], "3");
    assert!(all.iter().all(|sent| sent.resource["service.name"] == "sdk"));
}

fn times(text: &str, code: &str) -> usize {
    text.matches(&format!("\"code\":\"{code}\"")).count()
}

/// Where nothing listens.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

#[test]
fn a_receiver_that_comes_later_gets_everything() {
    let port = free_port();
    let mut at_work = AtWork::start(&format!("http://127.0.0.1:{port}"));
    at_work.give(b"one\nbad\n");
    at_work.wait("message_failed");
    at_work.wait("otlp_failing");
    let collector = Collector::start(port, "");
    let received = "gopiper_component_received_messages";
    collector.wait(|all| {
        all.iter().filter(|sent| sent.signal == "metrics").any(|sent| {
            let metrics = sent.metrics();
            let metric = metrics.get(received).map(|it| it.value(&[("component_id", "parse")]));
            metric == Some(json!("2"))
        })
    });
    at_work.give(b"three\n");
    let (output, said) = at_work.end();
    assert_eq!(output, "one\nthree\n");
    let all = collector.end();
    let lines: Vec<_> = all.iter().flat_map(Sent::lines).collect();
    let failed = lines.iter().filter(|line| line.fields["code"] == "message_failed");
    assert_eq!(failed.count(), 1, "each line is taken once: {lines:?}");
    let last = all.iter().rfind(|sent| sent.signal == "metrics").expect("metrics").metrics();
    assert_eq!(last[received].value(&[("component_id", "parse")]), json!("3"));
    assert_eq!([times(&said, "otlp_failing"), times(&said, "otlp_works_again")], [1, 1], "{said}");
    assert_eq!(times(&said, "otlp_lost"), 0, "{said}");
}

#[test]
fn a_pipeline_does_not_wait_for_a_receiver_that_is_not_there_or_does_not_answer() {
    // Connections are made, and then nothing happens.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent_port = silent.local_addr().expect("an address").port();
    for (port, tries) in [(free_port(), 1), (silent_port, 0)] {
        let output = run_with(&home(), &format!("http://127.0.0.1:{port}"), &[]);
        let said = stderr(&output);
        assert!(output.status.success() && stdout(&output) == "one\nthree\n", "{said}");
        assert_eq!(said.matches("code=\"otlp_failing\"").count(), tries, "{said}");
        let lost = "the last metrics and ";
        assert!(said.contains(lost) && said.contains("code=\"otlp_lost\""), "{said}");
    }
}

/// Up to 100 messages a second are followed, and up to 256 passports wait.
#[test]
fn ways_of_messages_without_room_are_counted() {
    let mut at_work = AtWork::following(&format!("http://127.0.0.1:{}", free_port()), "100");
    // Nothing listens there: they are reported after an attempt.
    while !at_work.has("the ways of messages were not sent to ") {
        at_work.give(b"one\n");
        thread::sleep(Duration::from_millis(5));
    }
    let (_, said) = at_work.end();
    let ways = |line: &&str| line.contains("the ways of messages were not sent");
    let all: Vec<Value> =
        said.lines().filter(ways).map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!((1..=2).contains(&all.len()), "once, and at the end once more: {said}");
    assert!(all.iter().all(|line| line["code"] == "otlp_lost" && line["items"].as_u64() > Some(0)));
}

/// The pipelines have succeeded by then.
#[test]
fn a_signal_while_the_rest_is_sent_changes_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let mut at_work = AtWork::start(&format!("http://127.0.0.1:{port}"));
    at_work.give(b"one\n");
    drop(at_work.program.stdin.take());
    at_work.wait("\"component\":\"stdout\",\"received\":1");
    send(&at_work.program, Signal::TERM);
    let (output, said) = at_work.end();
    assert_eq!(output, "one\n");
    assert!(said.contains("otlp_lost") && !said.contains("stuck_start"), "{said}");
}

#[test]
fn what_may_pass_is_sent_again() {
    let collector = Collector::start(0, "UNAVAILABLE,RESOURCE_EXHAUSTED:50,ABORTED,UNAVAILABLE:50");
    let output = run_with(&home(), &collector.url(), &[]);
    let said = stderr(&output);
    assert_eq!(stdout(&output), "one\nthree\n", "{said}");
    let all = collector.end();
    let taken: Vec<_> = all.into_iter().filter(|sent| sent.answer == "ok").collect();
    check_metrics(&taken);
    check_lines(&taken);
    assert_eq!(said.matches("code=\"otlp_failing\"").count(), 1, "{said}");
    assert!(said.contains("Unavailable: not now"), "{said}");
    assert_eq!(said.matches("code=\"otlp_works_again\"").count(), 1, "{said}");
    assert!(!said.contains("otlp_lost"), "{said}");
}

#[test]
fn what_is_refused_or_taken_in_part_is_not_sent_again() {
    for (answer, code, words) in [
        // Without a time to wait it is final.
        ("RESOURCE_EXHAUSTED", "otlp_refused", "ResourceExhausted: not now"),
        ("UNAUTHENTICATED", "otlp_refused", "check the token in OTEL_EXPORTER_OTLP_HEADERS"),
        ("partial:1", "otlp_partial", "some are too old"),
        ("warning", "otlp_partial", "this is an old version"),
    ] {
        let collector = Collector::start(0, &format!("{answer},{answer}"));
        let mut at_work = AtWork::start(&collector.url());
        at_work.give(b"one\nbad\n");
        let answered = |all: &[Sent], signal: &str| {
            all.iter().filter(|sent| sent.signal == signal && sent.answer != "ok").count()
        };
        collector.wait(|all| answered(all, "metrics") == 2 && answered(all, "logs") >= 1);
        let (output, said) = at_work.end();
        assert_eq!(output, "one\n");
        let all = collector.end();
        let lines: Vec<_> = all.iter().flat_map(Sent::lines).collect();
        let failed = lines.iter().filter(|line| line.fields["code"] == "message_failed");
        assert_eq!(failed.count(), 1, "{answer}: {lines:?}");
        assert!(said.contains(words) && said.contains(code), "{said}");
        // Once for each signal, and at most once more at the end, with the count.
        assert!((2..=6).contains(&times(&said, code)), "{answer}: {said}");
    }
}

#[test]
fn a_url_or_variable_that_cannot_be_used_is_refused() {
    for (url, variables, words) in [
        ("127.0.0.1:4317", &[][..], "--otlp 127.0.0.1:4317: "),
        ("https://127.0.0.1:4317", &[], "use http:// and a collector on this machine"),
        ("http://127.0.0.1:4317", &[("OTEL_EXPORTER_OTLP_HEADERS", "x")], "part 1 has no '='"),
        ("http://127.0.0.1:4317", &[("OTEL_RESOURCE_ATTRIBUTES", "x")], "part 1 has no '='"),
        ("http://127.0.0.1:4317", &[("OTEL_METRIC_EXPORT_INTERVAL", "1s")], "milliseconds"),
    ] {
        let output = run_with(&home(), url, variables);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains(words), "{said}");
    }
}

/// The way of one message is a trace: a span for the message, and below it one for each component.
#[test]
fn the_way_of_a_message_arrives_as_spans() {
    let collector = Collector::start(0, "UNAVAILABLE,partial:1");
    let between = "gopiper.loadComponent('pass_component.so', {}),";
    let home = Home::new(&pipeline_text(between, "{}"));
    let mut command = home.gopiper(&["run", "--otlp", &collector.url()]);
    let output = run(command.env("OTEL_METRIC_EXPORT_INTERVAL", "3600000"), b"one\ntwo\n");
    assert_eq!(stdout(&output), "one\ntwo\n", "{}", stderr(&output));
    let all = collector.end();
    let sent: Vec<_> = all.iter().filter(|sent| sent.signal == "traces").collect();
    assert_eq!(sent[0].answer, "UNAVAILABLE", "it is sent again");
    let spans = sent[1].spans();
    assert_eq!(sent[0].spans(), spans, "with the same ids");
    let names: Vec<_> = spans.iter().map(|span| span["name"].as_str().expect("text")).collect();
    assert_eq!(names, ["message of main", "pass", "stdout"]);
    assert!(spans.iter().all(|span| span["trace_id"] == spans[0]["trace_id"]));
    assert!(spans[1..].iter().all(|span| span["parent_span_id"] == spans[0]["span_id"]));
    let said = stderr(&output);
    assert!(said.contains("does not accept some of the spans"), "{said}");

    let collector = Collector::start(0, "");
    let mut command = home.gopiper(&["run", "--otlp", &collector.url(), "--otlp-traces", "0"]);
    assert_eq!(stdout(&run(&mut command, b"one\n")), "one\n");
    assert!(collector.end().iter().all(|sent| sent.signal != "traces"));
}
