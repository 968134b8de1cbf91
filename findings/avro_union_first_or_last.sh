#!/usr/bin/env bash
# fastavro 1.13.1 and avro 1.12.2, both for Python, with the same schemas.
#
# Surprise: of the branches of a union, fastavro takes the first and avro the
# last that can hold the value's type, whether it can hold the value or not.
# So of float and long in either order one library makes 123456792.0 of
# 123456789, and a double before a long costs 2^53+1 its 1. avro puts 0.1 into
# a float that comes after a double; fastavro prefers the double. fastavro
# puts a point in time into a date that comes before a timestamp: its time of
# day is gone, and the date is read back without an error.
#
# For gopiper: there is no common rule for a value that fits two branches. An
# Avro sink picks the branch that loses nothing, whatever the order, and
# refuses if there is none.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install avro==1.12.2 fastavro==1.13.1
v/bin/python - > seen <<'E'
import io, json
from datetime import datetime, timezone
import avro.io, avro.schema, fastavro

date = {"type": "int", "logicalType": "date"}
micros = {"type": "long", "logicalType": "timestamp-micros"}
noon = datetime(2026, 11, 29, 12, 0, 0, 250000, tzinfo=timezone.utc)

def with_fastavro(schema, value):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, value)
    out.seek(0)
    return fastavro.schemaless_reader(out, schema, None)

def with_avro(schema, value):
    schema = avro.schema.parse(json.dumps(schema))
    out = io.BytesIO()
    avro.io.DatumWriter(schema).write(value, avro.io.BinaryEncoder(out))
    out.seek(0)
    return avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(out))

for name, schema, value in (
    ("null, float, long", ["null", "float", "long"], 123456789),
    ("null, long, float", ["null", "long", "float"], 123456789),
    ("null, double, long", ["null", "double", "long"], 2**53 + 1),
    ("null, float, double", ["null", "float", "double"], 0.1),
    ("null, double, float", ["null", "double", "float"], 0.1),
    ("null, date, timestamp", ["null", date, micros], noon),
    ("null, timestamp, date", ["null", micros, date], noon),
):
    print(f"[{name}] {value}: fastavro {with_fastavro(schema, value)}", end="")
    print("" if value is noon else f", avro {with_avro(schema, value)}")
E
cat seen
diff -u - seen <<'E'
[null, float, long] 123456789: fastavro 123456792.0, avro 123456789
[null, long, float] 123456789: fastavro 123456789, avro 123456792.0
[null, double, long] 9007199254740993: fastavro 9007199254740992.0, avro 9007199254740993
[null, float, double] 0.1: fastavro 0.1, avro 0.1
[null, double, float] 0.1: fastavro 0.1, avro 0.10000000149011612
[null, date, timestamp] 2026-11-29 12:00:00.250000+00:00: fastavro 2026-11-29
[null, timestamp, date] 2026-11-29 12:00:00.250000+00:00: fastavro 2026-11-29 12:00:00.250000+00:00
E
