#!/usr/bin/env bash
# Avro's own Python library, avro 1.12.2, read back with itself and with
# fastavro 1.13.1.
#
# Surprise: its writer takes the digits of a Decimal as they are and forgets
# the schema's scale. With scale 2, 128 is stored as 1.28, 1.5 as 0.15 and
# 1E+3 as 0.01. Only a number that is written with exactly two places is
# stored rightly. Nothing is raised, and the bytes are a valid decimal.
# fastavro stores all four rightly.
#
# For gopiper: an Avro source has no means to see that such a file is wrong. A
# sink sets a decimal to the schema's scale before it takes the unscaled number,
# and its test has to use amounts whose last zeros are missing.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install avro==1.12.2 fastavro==1.13.1
v/bin/python - > seen <<'E'
import io, json
from decimal import Decimal
import avro.io, avro.schema, fastavro

plain = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
schema = avro.schema.parse(json.dumps(plain))
for text in ("128.00", "128", "1.5", "1E+3"):
    out = io.BytesIO()
    avro.io.DatumWriter(schema).write(Decimal(text), avro.io.BinaryEncoder(out))
    out.seek(0)
    own = avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(out))
    out.seek(0)
    other = fastavro.schemaless_reader(out, plain, None)
    right = io.BytesIO()
    fastavro.schemaless_writer(right, plain, Decimal(text))
    print(f"{text}: avro wrote {out.getvalue().hex()}, read by avro {own}, by fastavro {other}; fastavro writes {right.getvalue().hex()}")
E
cat seen
diff -u - seen <<'E'
128.00: avro wrote 043200, read by avro 128.00, by fastavro 128.00; fastavro writes 043200
128: avro wrote 040080, read by avro 1.28, by fastavro 1.28; fastavro writes 043200
1.5: avro wrote 020f, read by avro 0.15, by fastavro 0.15; fastavro writes 040096
1E+3: avro wrote 0201, read by avro 0.01, by fastavro 0.01; fastavro writes 060186a0
E
