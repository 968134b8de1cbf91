#!/usr/bin/env bash
# opentelemetry-proto 1.45.2 with protobuf 7.36.2 (Python) writing OTLP/JSON,
# and opentelemetry-proto 0.33.1 (Rust, feature with-serde) reading it.
#
# Surprise: protobuf's JSON leaves out empty fields, so an empty list is
# {"arrayValue":{}}, and NaN and the infinities are texts. The crate, which is
# the usual way to read OTLP/JSON in Rust, refuses all of that, and with it the
# whole request: one attribute with an empty list costs each record beside it.
# Empty bytes and a missing value are taken. Its own NaN it writes as null and
# reads back as no value.
#
# For gopiper: an OTLP source that answers 400 to these makes the sender drop
# the batch for good. The three forms of a double (number, text, null) and
# empty lists and maps have a test each.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install opentelemetry-proto==1.45.2 protobuf==7.36.2
v/bin/python - > lines <<'E'
import math
from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValueList

for name, value in (
    ("a whole number", AnyValue(int_value=2**60)),
    ("an empty list", AnyValue(array_value=ArrayValue())),
    ("an empty map", AnyValue(kvlist_value=KeyValueList())),
    ("no value", AnyValue()),
    ("NaN", AnyValue(double_value=math.nan)),
    ("infinity", AnyValue(double_value=math.inf)),
    ("empty bytes", AnyValue(bytes_value=b"")),
):
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    records.add(time_unix_nano=1).body.string_value = "another record"
    records.add(time_unix_nano=2).body.CopyFrom(value)
    print(name, MessageToJson(request, indent=None), sep="\t")
E
cargo init -q --vcs none --name finding
cargo add -q opentelemetry-proto@=0.33.1 --no-default-features --features gen-tonic-messages,logs,with-serde
cargo add -q serde_json@=1.0.154
cat > src/main.rs <<'E'
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value::Value};
fn main() {
    for line in std::fs::read_to_string("lines").unwrap().lines() {
        let (name, json) = line.split_once('\t').unwrap();
        let body = json.rsplit_once("\"body\":").unwrap().1.trim().trim_end_matches("}]}]}]}");
        match serde_json::from_str::<ExportLogsServiceRequest>(json) {
            Ok(request) => println!("{name} {body}: {:?}", request.resource_logs[0].scope_logs[0].log_records[1].body.as_ref().map(|b| &b.value)),
            Err(error) => println!("{name} {body}: {}", error.to_string().split(" at line").next().unwrap()),
        }
    }
    let own = serde_json::to_string(&AnyValue { value: Some(Value::DoubleValue(f64::NAN)) }).unwrap();
    println!("its own NaN: {own}, read back {:?}", serde_json::from_str::<AnyValue>(&own).map(|v| v.value));
}
E
CARGO_PROFILE_DEV_DEBUG=0 cargo run -q --target-dir t > seen
cat seen
diff -u - seen <<'E'
a whole number {"intValue": "1152921504606846976"}: Some(Some(IntValue(1152921504606846976)))
an empty list {"arrayValue": {}}: missing field `values`
an empty map {"kvlistValue": {}}: missing field `values`
no value {}: Some(None)
NaN {"doubleValue": "NaN"}: invalid type: string "NaN", expected f64
infinity {"doubleValue": "Infinity"}: invalid type: string "Infinity", expected f64
empty bytes {"bytesValue": ""}: Some(Some(BytesValue([])))
its own NaN: {"doubleValue":null}, read back Ok(None)
E
