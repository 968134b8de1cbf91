#!/usr/bin/env bash
# cbor2 6.2.1, msgpack 1.2.4, fastavro 1.13.1, protobuf 7.36.2 (Python) and
# the npm packages cbor 10.0.12 and cbor-x 1.6.9.
#
# Surprise: Prometheus says 'this series has ended' by a NaN with a payload,
# 7ff0000000000002. Two of the three CBOR encoders, cbor2 and cbor, make the
# short f9 7e00 of every NaN, so the marker comes out as an ordinary value that
# is not a number. cbor-x, MessagePack, Avro and protobuf carry all its bits.
# cbor2 does read the marker rightly; it is its writing that loses it.
#
# For gopiper: a series that passes through a CBOR buffer or a CBOR hop never
# goes stale. A component that writes CBOR shortens a NaN only if it is the
# plain one, and remote write has a test with this very number.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install cbor2==6.2.1 msgpack==1.2.4 fastavro==1.13.1 protobuf==7.36.2
npm install --silent --no-audit --no-fund --prefix . cbor@10.0.12 cbor-x@1.6.9
{
v/bin/python - <<'E'
import io, struct
import cbor2, fastavro, msgpack
from google.protobuf.wrappers_pb2 import DoubleValue
stale = struct.unpack(">d", bytes.fromhex("7ff0000000000002"))[0]
bits = lambda number: struct.pack(">d", number).hex()
print("cbor2 reads", bits(cbor2.loads(bytes.fromhex("fb7ff0000000000002"))))
print("cbor2 writes", cbor2.dumps(stale).hex(), "which is", bits(cbor2.loads(cbor2.dumps(stale))))
print("msgpack", bits(msgpack.unpackb(msgpack.packb(stale))))
out = io.BytesIO()
fastavro.schemaless_writer(out, "double", stale)
print("fastavro", out.getvalue()[::-1].hex())
print("protobuf", DoubleValue(value=stale).SerializeToString()[:0:-1].hex())
E
node - <<'E'
const stale = Buffer.from('7ff0000000000002', 'hex').readDoubleBE(0);
for (const name of ['cbor', 'cbor-x'])
    console.log(name, 'writes', Buffer.from(require(name).encode(stale)).toString('hex'));
E
} > seen
cat seen
diff -u - seen <<'E'
cbor2 reads 7ff0000000000002
cbor2 writes f97e00 which is 7ff8000000000000
msgpack 7ff0000000000002
fastavro 7ff0000000000002
protobuf 7ff0000000000002
cbor writes f97e00
cbor-x writes fb7ff0000000000002
E
