//! The HTTP server: what an operator's tools see, Prometheus' own among them.
mod common;

use std::{
    fs,
    io::Write,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use common::{
    Home, pipeline_text, run, send,
    served::{AtWork, PATIENCE, answer, request},
    stderr,
};
use rustix::process::Signal;
use serde_json::Value;

#[test]
fn metrics_health_and_readiness_are_served() {
    let mut at_work = AtWork::new("");
    at_work.input.write_all(b"one\nthree\n").expect("taken");
    let line = "gopiper_component_received_bytes_total{pipeline=\"main\",component_id=\"stdout\",\
                component_kind=\"sink\",component_type=\"stdout\"} 8";
    let text = at_work.await_answer("/metrics", |_, text| text.contains(line));
    assert!(text.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{text}");
    let accept = "Accept: application/openmetrics-text; version=1.0.0\r\n";
    let (_, text) = at_work.ask(&request("GET", "/metrics", "localhost", accept));
    assert!(text.ends_with("# EOF\n") && text.contains("application/openmetrics-text"), "{text}");
    assert_eq!(at_work.get("/health").0, 200);
    at_work.await_answer("/ready", |status, text| status == 200 && text.ends_with("\r\nready\n"));
    assert_eq!(at_work.get("/other").0, 404);
    assert_eq!(at_work.ask(&request("POST", "/metrics", "localhost", "")).0, 405);
    assert_eq!(at_work.ask(&request("GET", "/metrics", "example.test", "")).0, 403);
}

/// A load balancer sends it nothing more.
#[test]
fn a_pipeline_that_stops_is_not_ready() {
    let endless = "gopiper.transform(function() while true do end end, { timeout = 300 }),";
    let mut at_work = AtWork::new(endless);
    at_work.input.write_all(b"one\n").expect("taken");
    let is_busy = |_, text: &str| {
        text.contains("component_id=\"lua\"") && !text.contains("received_messages_total{pipeline=\"main\",component_id=\"lua\",component_kind=\"transform\",component_type=\"lua\"} 0")
    };
    at_work.await_answer("/metrics", is_busy);
    assert_eq!(at_work.get("/ready").0, 200);
    send(&at_work.program, Signal::TERM);
    at_work.await_answer("/ready", |status, text| {
        status == 503 && text.contains("the pipelines are stopping")
    });
}

/// A failure, and a message, may be what only some are to see.
#[test]
fn contents_are_for_those_with_the_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    fs::write(&token, "0123456789abcdef\n").expect("written");
    let mut at_work = AtWork::with("", &["--http-token-file", token.to_str().expect("text")]);
    at_work.input.write_all(b"one\n").expect("taken");
    at_work.await_answer("/ready", |status, _| status == 200);
    let right = "Authorization: Bearer 0123456789abcdef\r\n";
    let wrong = "Authorization: Bearer fedcba9876543210\r\n";
    for path in ["/api/v1/process", "/api/v1/pipelines", "/api/v1/tap?component=stdout"] {
        assert_eq!(at_work.get(path).0, 401, "{path}");
        assert_eq!(at_work.ask(&request("GET", path, "localhost", wrong)).0, 401, "{path}");
        assert_eq!(at_work.ask(&request("GET", path, "example.test", right)).0, 403, "{path}");
    }
    let (status, text) = at_work.ask(&request("GET", "/api/v1/pipelines", "localhost", right));
    let (_, body) = text.split_once("\r\n\r\n").expect("a body");
    let body: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!((status, &body["pipelines"][0]["name"]), (200, &"main".into()));
    assert_eq!(at_work.get("/metrics").0, 200, "numbers are for all on this machine");
}

#[test]
fn a_request_without_an_end_and_many_connections_do_no_harm() {
    let at_work = AtWork::new("");
    let long = format!("X-Long: {}\r\n", "x".repeat(100_000));
    let (status, _) = at_work.ask(&request("GET", "/metrics", "localhost", &long));
    assert!([431, 0].contains(&status), "{status}");
    // More than are served at a time. They say nothing, so they are closed.
    let silent: Vec<_> =
        (0..100).map(|_| TcpStream::connect(&at_work.address).expect("it listens")).collect();
    assert_eq!(at_work.get("/health").0, 200);
    drop(silent);
    let mut unfinished = TcpStream::connect(&at_work.address).expect("it listens");
    unfinished.write_all(b"GET /metrics HTTP/1.1\r\nHost: loc").expect("sent");
    let (status, _) = answer(unfinished);
    assert!([408, 0].contains(&status), "it was cut off: {status}");
}

#[test]
fn an_address_that_others_reach_needs_a_token() {
    let home = Home::new(&pipeline_text("", "{}"));
    let refused = |arguments: &[&str]| {
        let output = run(&mut home.gopiper(arguments), b"");
        assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
        stderr(&output)
    };
    let said = refused(&["run", "--http", "0.0.0.0:9598"]);
    assert!(
        said.contains("needs a token: give --http-token-file or --http-token-env, or use 127"),
        "{said}"
    );
    let file = home.folder.path().join("token");
    fs::write(&file, "short\n").expect("written");
    let file = file.to_str().expect("text");
    let said = refused(&["run", "--http", "127.0.0.1:0", "--http-token-file", file]);
    assert!(said.contains("at least 16 visible ASCII characters"), "{said}");
    let said = refused(&["run", "--http", "127.0.0.1:0", "--http-token-env", "GOPIPER_NO_TOKEN"]);
    assert!(
        said.contains("--http-token-env GOPIPER_NO_TOKEN: there is no such variable"),
        "{said}"
    );
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let said = refused(&["run", "--http", &address]);
    assert!(said.contains("another program has this port"), "{said}");
}

/// All that is published is as Prometheus wants it, also from components of others.
#[test]
fn promtool_has_no_complaint() {
    let mut at_work = AtWork::new("gopiper.buffer({ max_bytes = 100000 }),");
    at_work.input.write_all(b"one\ntwo\n").expect("taken");
    let has_passed = |_, text: &str| {
        text.contains("gopiper_component_age_seconds_count") && text.contains("stored_bytes")
    };
    let text = at_work.await_answer("/metrics", has_passed);
    let (_, body) = text.split_once("\r\n\r\n").expect("a body");
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped());
    promtool.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = run(&mut promtool, body.as_bytes());
    assert!(output.status.success() && stderr(&output).is_empty(), "{}", stderr(&output));
}

#[test]
fn prometheus_scrapes_it() {
    let mut at_work = AtWork::new("");
    at_work.input.write_all(b"one\ntwo\nthree\n").expect("taken");
    let folder = tempfile::tempdir().expect("a folder");
    let prometheus = Prometheus::start(folder.path(), &at_work.address);
    let wanted = "sum(gopiper_component_received_messages_total{component_id=\"stdout\"})";
    prometheus.await_value(wanted, "3");
    prometheus.await_value("up", "1");
    for query in queries_of_the_dashboard() {
        let said = prometheus.ask(&query);
        assert!(said.contains("\"status\":\"success\""), "{query}: {said}");
    }
    prometheus.await_value(
        "histogram_quantile(0.5, gopiper_component_call_duration_seconds_bucket) > bool 0",
        "1",
    );
}

fn operators(file: &str) -> String {
    let path = common::root().join("docs/operators").join(file);
    fs::read_to_string(path).expect("the file is there")
}

/// What the panels of the dashboard ask for, with its variables filled in.
fn queries_of_the_dashboard() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&operators("grafana.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets"));
    let queries: Vec<_> = targets
        .map(|target| target["expr"].as_str().expect("a query"))
        .map(|query| query.replace("$__rate_interval", "5m").replace("$pipeline", ".*"))
        .collect();
    assert!(queries.len() > 10, "{queries:?}");
    queries
}

#[test]
fn the_dashboard_and_the_alerts_ask_for_metrics_that_there_are() {
    let page = operators("metrics.md");
    let text = operators("alerts.yml") + &queries_of_the_dashboard().join("\n");
    let words = text.split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_');
    let names = words.filter(|word| word.starts_with("gopiper_") || word.starts_with("process_"));
    for name in names {
        let base = name.strip_suffix("_bucket").unwrap_or(name);
        assert!(page.contains(&format!("| `{base}` |")), "there is no metric {name}");
    }
}

fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool").args(arguments).output().expect("promtool");
    let said = common::stdout(&output) + &stderr(&output);
    assert!(output.status.success(), "{said}");
}

#[test]
fn the_alerts_fire_when_they_should() {
    let rules = common::root().join("docs/operators/alerts.yml");
    let rules = rules.to_str().expect("text");
    promtool(&["check", "rules", rules]);
    let folder = tempfile::tempdir().expect("a folder");
    let cases = folder.path().join("cases.yml");
    fs::write(&cases, include_str!("http/alerts.test.yml").replace("ALERTS", rules))
        .expect("written");
    promtool(&["test", "rules", cases.to_str().expect("text")]);
}

/// A channel is full in messages, or in bytes: the panel shows the larger part.
#[test]
fn the_panel_of_waiting_messages_looks_at_messages_and_bytes() {
    let queries = queries_of_the_dashboard();
    let query = queries.iter().find(|query| query.contains("depth_messages")).expect("a panel");
    let series = |[messages, bytes]: [&str; 2], id: &str| {
        let of = |name: &str, value: &str| {
            let labels = format!("pipeline=\"main\", component_id=\"{id}\"");
            format!(
                "      - series: 'gopiper_component_{name}{{{labels}}}'\n        values: '{value}'\n"
            )
        };
        of("depth_messages", messages)
            + &of("depth_limit_messages", "100")
            + &of("depth_bytes", bytes)
            + &of("depth_limit_bytes", "1000")
    };
    let sample = |id: &str, value: &str| {
        format!(
            "          - labels: '{{pipeline=\"main\", component_id=\"{id}\"}}'\n            value: {value}\n"
        )
    };
    let cases = format!(
        "tests:\n  - interval: 1m\n    input_series:\n{}{}    promql_expr_test:\n      - expr: '{query}'\n        \
         eval_time: 0m\n        exp_samples:\n{}{}",
        series(["50", "100"], "lines"),
        series(["10", "900"], "blobs"),
        sample("lines", "0.5"),
        sample("blobs", "0.9"),
    );
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("cases.yml");
    fs::write(&file, cases).expect("written");
    promtool(&["test", "rules", file.to_str().expect("text")]);
}

/// A Prometheus that scrapes one address, each second.
struct Prometheus {
    process: Child,
    address: String,
}

impl Prometheus {
    fn start(folder: &Path, target: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
        let (address, file) = (free.to_string(), folder.join("prometheus.yml"));
        let text = format!(
            "global:\n  scrape_interval: 1s\nscrape_configs:\n  - job_name: gopiper\n    \
             static_configs:\n      - targets: ['{target}']\n"
        );
        fs::write(&file, text).expect("written");
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        Prometheus { process, address }
    }

    /// The answer to a query; empty before Prometheus listens.
    fn ask(&self, query: &str) -> String {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let Ok(mut stream) = TcpStream::connect(&self.address) else { return String::new() };
        let path = format!("/api/v1/query?query={encoded}");
        stream.write_all(request("GET", &path, "localhost", "").as_bytes()).expect("sent");
        answer(stream).1
    }

    fn await_value(&self, query: &str, value: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            let said = self.ask(query);
            if said.contains(&format!(",\"{value}\"]")) {
                return;
            }
            assert!(Instant::now() < until, "{query} is not {value}: {said}");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
