#!/usr/bin/env bash
# prometheus-parse 0.2.5 (Rust) and prometheus-client 0.26.0 (Python), with the
# same six lines of the text format.
#
# Surprise: the crate drops a sample whose label value has a closing brace,
# without an error. A route like /users/{id} is such a value, so of an HTTP
# server's counters just those with a parameter are missing. A value with an
# equals sign behind a comma becomes a label of its own. Escapes stay as they
# are (\\ and \n as two characters), and blanks before the brace or a quoted
# name (version 1.0 of the format) drop the sample too. The rest of the scrape
# looks healthy. Python's parser reads all but the quoted name with escapes
# undone.
#
# For gopiper: a scrape source is tested with a brace, a comma, an equals sign
# and a backslash inside a label, and counts a line it could not read.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
cat > scrape <<'E'
hits_total{path="/users"} 1
hits_total{path="/users/{id}"} 2
hits_total{query="a,b=c"} 3
hits_total{path="C:\\temp\nx"} 4
hits_total {path="/blank"} 5
{"hits_total",path="/quoted"} 6
E
python3 -m venv v; v/bin/pip -q install prometheus-client==0.26.0
v/bin/python - > seen <<'E'
from prometheus_client.parser import text_string_to_metric_families as parse
for line in open("scrape"):
    print("Python:", [(s.name, s.labels, s.value) for family in parse(line) for s in family.samples])
E
cargo init -q --vcs none --name finding
cargo add -q prometheus-parse@=0.2.5
cat > src/main.rs <<'E'
fn main() {
    let text = std::fs::read_to_string("scrape").unwrap();
    let scrape = prometheus_parse::Scrape::parse(text.lines().map(|l| Ok(l.to_owned()))).unwrap();
    for sample in scrape.samples {
        let mut labels: Vec<_> = sample.labels.iter().collect();
        labels.sort();
        println!("Rust: {} {labels:?} {:?}", sample.metric, sample.value);
    }
}
E
CARGO_PROFILE_DEV_DEBUG=0 cargo run -q --target-dir t >> seen
cat seen
diff -u - seen <<'E'
Python: [('hits_total', {'path': '/users'}, 1)]
Python: [('hits_total', {'path': '/users/{id}'}, 2)]
Python: [('hits_total', {'query': 'a,b=c'}, 3)]
Python: [('hits_total', {'path': 'C:\\temp\nx'}, 4)]
Python: [('hits_total', {'path': '/blank'}, 5)]
Python: [('hits_total', {'path': '/quoted'}, 6)]
Rust: hits_total [("path", "/users")] Untyped(1.0)
Rust: hits_total [("b", "c"), ("query", "a")] Untyped(3.0)
Rust: hits_total [("path", "C:\\\\temp\\nx")] Untyped(4.0)
E
