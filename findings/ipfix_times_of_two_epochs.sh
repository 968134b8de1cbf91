#!/usr/bin/env bash
# netflow_parser 1.0.6 (Rust) and netflow 0.12.2 (Python), with one IPFIX
# message that gives one instant, 2025-11-29 08:13:20.5, in four elements.
#
# Surprise: RFC 7011 has the elements in seconds and milliseconds (150, 152)
# count from 1970, and those in micro- and nanoseconds (154, 156) in NTP's form
# from 1900, with a binary fraction. netflow_parser gives all four as the same
# type, a Duration of secs and nanos, but from two epochs: 1764404000 and
# 3973392800, which is the year 2095. netflow gives a pair of raw numbers for
# the latter. Both hand on an IPFIX boolean as its byte, in which 2 is false.
# netflow raises an error if a record has a field of variable length.
#
# For gopiper: a NetFlow source subtracts 2208988800 by element and not by
# type, and turns 1 and 2 into true and false. One flow with both kinds of
# time is the test.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install netflow==0.12.2
v/bin/python - > seen <<'E'
import struct
import netflow

T = 1764404000
ntp = struct.pack("!II", T + 2208988800, 1 << 31)
fields = [
    (150, 4, struct.pack("!I", T)),
    (152, 8, struct.pack("!Q", T * 1000 + 500)),
    (154, 8, ntp),
    (156, 8, ntp),
    (276, 1, b"\x02"),
    (4, 1, b"\x06"),
    (1, 4, struct.pack("!I", 1500)),
]

def message(fields):
    template = struct.pack("!HH", 256, len(fields)) + b"".join(struct.pack("!HH", *f[:2]) for f in fields)
    data = b"".join(f[2] for f in fields)
    data += bytes(-len(data) % 4)
    sets = b"".join(struct.pack("!HH", n, len(s) + 4) + s for n, s in ((2, template), (256, data)))
    return struct.pack("!HHIII", 10, len(sets) + 16, T, 0, 0) + sets

open("flow", "wb").write(message(fields))
flow = netflow.parse_packet(message(fields), templates={"netflow": {}, "ipfix": {}}).flows[0].data
for name in ("flowStartSeconds", "flowStartMilliseconds", "flowStartMicroseconds", "flowStartNanoseconds", "dataRecordsReliability"):
    print("netflow:", name, flow[name])
try:
    netflow.parse_packet(message(fields + [(82, 65535, b"\x04eth0")]), templates={"netflow": {}, "ipfix": {}})
except Exception as error:
    print("netflow, with an interface's name:", type(error).__name__)
E
cargo init -q --vcs none --name finding
cargo add -q netflow_parser@=1.0.6 serde_json@=1.0.154
cat > src/main.rs <<'E'
fn main() {
    let mut parser = netflow_parser::NetflowParser::default();
    let all = serde_json::to_value(&parser.parse_bytes(&std::fs::read("flow").unwrap()).packets).unwrap();
    let record = &all[0]["IPFix"]["flowsets"][1]["body"]["Data"]["fields"][0];
    for field in record.as_array().unwrap().iter().flat_map(|f| f.as_array()).take(5) {
        println!("netflow_parser: {} {}", field[0]["IANA"], field[1]);
    }
}
E
CARGO_PROFILE_DEV_DEBUG=0 cargo run -q --target-dir t >> seen
cat seen
diff -u - seen <<'E'
netflow: flowStartSeconds 1764404000
netflow: flowStartMilliseconds 1764404000500
netflow: flowStartMicroseconds (3973392800, 2147483648)
netflow: flowStartNanoseconds (3973392800, 2147483648)
netflow: dataRecordsReliability 2
netflow, with an interface's name: PaddingCalculationError
netflow_parser: "FlowStartSeconds" {"Duration":{"nanos":0,"secs":1764404000}}
netflow_parser: "FlowStartMilliseconds" {"Duration":{"nanos":500000000,"secs":1764404000}}
netflow_parser: "FlowStartMicroseconds" {"Duration":{"nanos":500000000,"secs":3973392800}}
netflow_parser: "FlowStartNanoseconds" {"Duration":{"nanos":500000000,"secs":3973392800}}
netflow_parser: "DataRecordsReliability" {"DataNumber":{"U8":2}}
E
