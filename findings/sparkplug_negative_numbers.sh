#!/usr/bin/env bash
# Sparkplug B (MQTT for SCADA): pysparkplug 0.3.0 of PyPI and
# sparkplug-payload 1.0.3 of npm.
#
# Surprise: the protobuf field for small integers is unsigned, and the two put
# a negative Int8 or Int16 into it in their own ways: -1 is 255 for one and
# 4294967295 for the other. Python's then refuses the other's value, and
# the other reads Python's as 255. Of the three only Int32 is safe. pysparkplug
# writes a time with an offset as if its clock were UTC: 12:00+02:00 becomes
# 12:00Z.
#
# For gopiper: a Sparkplug source takes the low 8 or 16 bits and extends their
# sign, and ignores the others. A sink cannot please both: say which one is
# written. Both ways have to be in the test.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install pysparkplug==0.3.0
npm install --silent --no-audit --no-fund --prefix . sparkplug-payload@1.0.3
cat > write.js <<'E'
const {encodePayload, decodePayload} = require('sparkplug-payload').get('spBv1.0');
for (const [type, value] of [['Int8', -1], ['Int16', -2], ['Int32', -1]]) {
    const data = Buffer.from(encodePayload({timestamp: 1, metrics: [{name: 'm', type, value}], seq: 0}));
    console.log(type, value, data.toString('hex'), String(decodePayload(data).metrics[0].value));
}
E
cat > both.py <<'E'
import subprocess, sys
from datetime import datetime, timedelta, timezone
from pysparkplug import DataType
from pysparkplug._protobuf import Payload

for line in subprocess.run(["node", "write.js"], capture_output=True, text=True, check=True).stdout.splitlines():
    kind, value, data, own = line.split()
    payload = Payload.FromString(bytes.fromhex(data))
    metric = payload.metrics[0]
    theirs = metric.int_value
    ours = DataType[kind.upper()].encode(int(value))
    try:
        read = DataType[kind.upper()].decode(theirs)
    except OverflowError as error:
        read = f"OverflowError: {error}"
    print(f"{kind} {value}: npm writes {theirs} (its own reading: {own}), PyPI reads {read} and writes {ours}")
noon = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))
print(noon, "is written as", DataType.DATETIME.decode(DataType.DATETIME.encode(noon)))
E
v/bin/python both.py > seen
cat > read.js <<'E'
const {decodePayload} = require('sparkplug-payload').get('spBv1.0');
console.log('npm reads the Int8 255 as', decodePayload(Buffer.from('12080a016d200150ff01', 'hex')).metrics[0].value);
E
node read.js >> seen
cat seen
diff -u - seen <<'E'
Int8 -1: npm writes 4294967295 (its own reading: -1), PyPI reads OverflowError: Int8 overflow with value 4294967295 and writes 255
Int16 -2: npm writes 4294967294 (its own reading: -2), PyPI reads OverflowError: Int16 overflow with value 4294967294 and writes 65534
Int32 -1: npm writes 4294967295 (its own reading: -1), PyPI reads -1 and writes 4294967295
2026-07-01 12:00:00+02:00 is written as 2026-07-01 12:00:00+00:00
npm reads the Int8 255 as 255
E
