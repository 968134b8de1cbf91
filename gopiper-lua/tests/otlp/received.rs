//! The receiver in Python, and what it has got.
#![allow(unreachable_pub, reason = "a part of a test")]
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// Longer than anything takes, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program of this folder, with the packages that it needs.
pub fn python(program: &str, arguments: &[&str]) -> Command {
    let packages = std::env::var_os("GOPIPER_TEST_PYTHON").expect(
        "GOPIPER_TEST_PYTHON has to name the folder of the Python packages: run cargo xtask test",
    );
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/otlp").join(program);
    let mut command = Command::new("python3");
    command.arg(file).args(arguments).env("PYTHONPATH", packages);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Waits until it is so. `what` says how it is, if it takes too long.
pub fn wait(mut is_so: impl FnMut() -> bool, what: impl Fn() -> String) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "{}", what());
        thread::sleep(Duration::from_millis(10));
    }
}

/// A receiver at work.
pub struct Collector {
    program: Child,
    port: u16,
    lines: Arc<Mutex<Vec<Sent>>>,
}

impl Collector {
    /// Listens at this port, 0 for a free one. Each signal gets the answers in order.
    pub fn start(port: u16, answers: &str) -> Self {
        let port = port.to_string();
        let arguments = [port.as_str(), answers];
        let used = if answers.is_empty() { 1 } else { 2 };
        let mut command = python("receiver.py", &arguments[..used]);
        let mut program = command.stderr(Stdio::inherit()).spawn().expect("it starts");
        let mut output = BufReader::new(program.stdout.take().expect("a pipe"));
        let mut first = String::new();
        output.read_line(&mut first).expect("text");
        let first: Value = serde_json::from_str(&first).expect("it listens");
        let port = first["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port");
        let lines = Arc::<Mutex<Vec<Sent>>>::default();
        let write = lines.clone();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).expect("JSON");
                write.lock().expect("no panic").push(Sent::new(line));
            }
        });
        Collector { program, port, lines }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Waits until it has got this.
    pub fn wait(&self, is_so: impl Fn(&[Sent]) -> bool) {
        let so_far = || self.lines.lock().expect("no panic").clone();
        wait(|| is_so(&so_far()), || format!("{:?}", so_far()));
    }

    /// Everything that it has got. The sender has ended, and so each line has been written.
    pub fn end(self) -> Vec<Sent> {
        let mut before = usize::MAX;
        // What was written is read by another thread.
        loop {
            let count = self.lines.lock().expect("no panic").len();
            if count == before {
                return self.lines.lock().expect("no panic").clone();
            }
            before = count;
            thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// A request.
#[derive(Debug, Clone)]
pub struct Sent {
    pub signal: String,
    /// How it was answered.
    pub answer: String,
    pub headers: Value,
    /// The attributes of its resource.
    pub resource: Value,
    scopes: Vec<Value>,
}

/// A metric with its values.
#[derive(Debug)]
pub struct Metric {
    pub kind: String,
    pub unit: String,
    pub help: String,
    pub points: Vec<Point>,
    pub data: Value,
}

/// A value of a metric.
#[derive(Debug)]
pub struct Point {
    pub labels: Value,
    pub start: Option<u64>,
    pub time: u64,
    pub data: Value,
}

/// A line of the log.
#[derive(Debug)]
pub struct Line {
    pub severity: String,
    pub level: String,
    pub body: String,
    pub fields: Value,
    pub time: u64,
}

impl Sent {
    fn new(line: Value) -> Self {
        let text = |name: &str| line[name].as_str().expect("text").to_owned();
        let signal = text("signal");
        let (resources, scopes) = match &*signal {
            "metrics" => ("resource_metrics", "scope_metrics"),
            "traces" => ("resource_spans", "scope_spans"),
            _ => ("resource_logs", "scope_logs"),
        };
        let part = &line["body"][resources][0];
        Sent {
            answer: text("answer"),
            headers: line["headers"].clone(),
            resource: attributes(&part["resource"]),
            scopes: list(&part[scopes]),
            signal,
        }
    }

    /// Its metrics by name, each of which is there once.
    pub fn metrics(&self) -> BTreeMap<String, Metric> {
        let mut metrics = BTreeMap::new();
        for metric in self.scopes.iter().flat_map(|scope| list(&scope["metrics"])) {
            let text = |name: &str| metric[name].as_str().unwrap_or("").to_owned();
            let kinds = ["sum", "gauge", "histogram"];
            let kind = kinds.iter().find(|kind| metric.get(**kind).is_some()).expect("a kind");
            let data = metric[*kind].clone();
            let points = list(&data["data_points"]).into_iter().map(|data| Point {
                labels: attributes(&data),
                start: moment(&data["start_time_unix_nano"]),
                time: moment(&data["time_unix_nano"]).expect("a time"),
                data,
            });
            let points = points.collect();
            let (unit, help) = (text("unit"), text("description"));
            let metric = Metric { kind: (*kind).to_owned(), unit, help, points, data };
            assert!(metrics.insert(text("name"), metric).is_none(), "{} twice", text("name"));
        }
        metrics
    }

    pub fn lines(&self) -> Vec<Line> {
        let records = self.scopes.iter().flat_map(|scope| list(&scope["log_records"]));
        let line = |record: Value| Line {
            severity: record["severity_number"].as_str().expect("a number").to_owned(),
            level: record["severity_text"].as_str().expect("text").to_owned(),
            body: record["body"]["string_value"].as_str().expect("text").to_owned(),
            fields: attributes(&record),
            time: moment(&record["observed_time_unix_nano"]).expect("a time"),
        };
        records.map(line).collect()
    }

    /// Its spans, as they came.
    pub fn spans(&self) -> Vec<Value> {
        self.scopes.iter().flat_map(|scope| list(&scope["spans"])).collect()
    }
}

impl Metric {
    /// The only value with these labels, among others.
    pub fn point(&self, labels: &[(&str, &str)]) -> &Point {
        let has = |point: &&Point| labels.iter().all(|(name, value)| point.labels[*name] == *value);
        let points: Vec<_> = self.points.iter().filter(has).collect();
        assert_eq!(points.len(), 1, "{labels:?}: {points:?}");
        points[0]
    }

    /// As above; whole numbers are texts in JSON.
    pub fn value(&self, labels: &[(&str, &str)]) -> Value {
        let data = &self.point(labels).data;
        [&data["as_int"], &data["as_double"]]
            .into_iter()
            .find(|it| !it.is_null())
            .expect("a value")
            .clone()
    }
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn moment(value: &Value) -> Option<u64> {
    value.as_str().and_then(|text| text.parse().ok())
}

/// Names and values as an object.
fn attributes(of: &Value) -> Value {
    let pair = |it: Value| {
        let value = it["value"].as_object().and_then(|value| value.values().next().cloned());
        (it["key"].as_str().expect("text").to_owned(), value.unwrap_or_default())
    };
    Value::Object(list(&of["attributes"]).into_iter().map(pair).collect())
}
