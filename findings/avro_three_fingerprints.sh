#!/usr/bin/env bash
# avro 1.12.2 and fastavro 1.13.1 (Python), apache-avro 0.22.0 (Rust), with the
# same five schemas.
#
# Surprise: Avro names a schema by the CRC-64 of its 'parsing canonical form';
# a single object begins with it and a registry looks it up. The three
# libraries agree on plain types only. A logical type is enough to part them:
# of {"type":"string","logicalType":"uuid"} fastavro makes "string", as the
# rules have it, and the other two keep an object. Rust also keeps a decimal's
# precision and scale, and a field's order. avro writes a named type out again
# where it is used a second time. So one schema has up to three fingerprints.
#
# For gopiper: a source that finds schemas by fingerprint cannot rely on the one
# that it computes: the operator must be able to say which number means which
# schema. A sink of single objects follows the rules, and not what its crate
# says.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
cat > schemas <<'E'
{"type":"record","name":"R","fields":[{"name":"a","type":"long"},{"name":"b","type":["null","R"]}]}
{"type":"string","logicalType":"uuid"}
{"type":"record","name":"R","fields":[{"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}}]}
{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"fixed","name":"F","size":4}},{"name":"b","type":"F"}]}
{"type":"record","name":"R","fields":[{"name":"a","type":"long","order":"ignore"}]}
E
python3 -m venv v; v/bin/pip -q install avro==1.12.2 fastavro==1.13.1
v/bin/python - > seen <<'E'
import json
import avro.schema
from fastavro.schema import fingerprint, to_parsing_canonical_form
for line in open("schemas"):
    form = to_parsing_canonical_form(json.loads(line))
    print("fastavro", fingerprint(form, "CRC-64-AVRO"), form)
    schema = avro.schema.parse(line)
    print("avro    ", schema.fingerprint().hex(), schema.canonical_form)
E
cargo init -q --vcs none --name finding
cargo add -q apache-avro@=0.22.0
cat > src/main.rs <<'E'
use apache_avro::{Schema, rabin::Rabin};
fn main() {
    for line in std::fs::read_to_string("schemas").unwrap().lines() {
        let schema = Schema::parse_str(line).unwrap();
        println!("Rust     {} {}", schema.fingerprint::<Rabin>(), schema.canonical_form());
    }
}
E
CARGO_PROFILE_DEV_DEBUG=0 cargo run -q --target-dir t >> seen
cat seen
diff -u - seen <<'E'
fastavro 8192b2ab3c777dd4 {"name":"R","type":"record","fields":[{"name":"a","type":"long"},{"name":"b","type":["null","R"]}]}
avro     8192b2ab3c777dd4 {"name":"R","type":"record","fields":[{"name":"a","type":"long"},{"name":"b","type":["null","R"]}]}
fastavro c70345637248018f "string"
avro     2747ef38935b04c0 {"type":"string"}
fastavro a8cf44bfb89d6a5b {"name":"R","type":"record","fields":[{"name":"d","type":"bytes"}]}
avro     356dd0684ccbe699 {"name":"R","type":"record","fields":[{"name":"d","type":{"type":"bytes"}}]}
fastavro 45436f223feb0694 {"name":"R","type":"record","fields":[{"name":"a","type":{"name":"F","type":"fixed","size":4}},{"name":"b","type":"F"}]}
avro     90e40f21bf484490 {"name":"R","type":"record","fields":[{"name":"a","type":{"name":"F","type":"fixed","size":4}},{"name":"b","type":{"name":"F","type":"fixed","size":4}}]}
fastavro 9a89b5f44e448d92 {"name":"R","type":"record","fields":[{"name":"a","type":"long"}]}
avro     9a89b5f44e448d92 {"name":"R","type":"record","fields":[{"name":"a","type":"long"}]}
Rust     8192b2ab3c777dd4 {"name":"R","type":"record","fields":[{"name":"a","type":"long"},{"name":"b","type":["null","R"]}]}
Rust     2747ef38935b04c0 {"type":"string"}
Rust     dce57dfe572e1428 {"name":"R","type":"record","fields":[{"name":"d","type":{"type":"bytes","precision":9,"scale":2}}]}
Rust     45436f223feb0694 {"name":"R","type":"record","fields":[{"name":"a","type":{"name":"F","type":"fixed","size":4}},{"name":"b","type":"F"}]}
Rust     438b5caf2b6f1a48 {"name":"R","type":"record","fields":[{"name":"a","type":"long","order":"ignore"}]}
E
