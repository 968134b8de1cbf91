#!/usr/bin/env bash
# The npm packages msgpack-lite 0.2.2, msgpackr 2.1.4, @msgpack/msgpack 3.1.3
# and notepack.io 3.0.1, read by msgpack 1.2.4 of Python.
#
# Surprise: MessagePack has one extension for times, -1. msgpack-lite doesn't
# know it: it writes a date as its own extension 13, which holds a second
# MessagePack value (a double of milliseconds, or an integer when it fits), and
# reads -1 as an opaque buffer. Bytes are an extension too, 18, if they are a
# Uint8Array and no Buffer. msgpackr writes 'undefined', which JSON would leave
# out, as extension 0 with a zero in it; the other three write nil.
#
# For gopiper: a MessagePack source that knows -1 alone meets 13, 18 and 0 in
# the field. Unknown extensions have to be values of their own, kept through to
# a sink; to fail on them loses whole records for one undefined field.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
npm install --silent --no-audit --no-fund --prefix . @msgpack/msgpack@3.1.3 msgpackr@2.1.4 msgpack-lite@0.2.2 notepack.io@3.0.1
python3 -m venv v; v/bin/pip -q install msgpack==1.2.4
node - > written <<'E'
const {encode} = require('@msgpack/msgpack');
const libraries = {'msgpack-lite': require('msgpack-lite').encode, msgpackr: require('msgpackr').pack, '@msgpack/msgpack': encode, 'notepack.io': require('notepack.io').encode};
const values = {'a date': new Date(1764404000250), 'a date of 1970': new Date(1500), 'a Uint8Array': new Uint8Array([1, 2]), undefined: undefined};
for (const [value, v] of Object.entries(values))
    for (const [name, library] of Object.entries(libraries))
        console.log(value + '\t' + name + '\t' + Buffer.from(library(v)).toString('hex'));
E
v/bin/python - written > seen <<'E'
import sys
import msgpack
for line in open(sys.argv[1]):
    value, name, data = line.rstrip("\n").split("\t")
    print(f"{value}, {name}: {data} is {msgpack.unpackb(bytes.fromhex(data))!r}")
E
node - >> seen <<'E'
const time = require('msgpack-lite').decode(Buffer.from('d6ff692aab20', 'hex'));
console.log('msgpack-lite reads d6ff692aab20 as', time.constructor.name, 'of type', time.type);
E
cat seen
diff -u - seen <<'E'
a date, msgpack-lite: c7090dcb4279aceac75fa000 is ExtType(code=13, data=b'\xcbBy\xac\xea\xc7_\xa0\x00')
a date, msgpackr: d7ff3b9aca00692aab20 is Timestamp(seconds=1764404000, nanoseconds=250000000)
a date, @msgpack/msgpack: d7ff3b9aca00692aab20 is Timestamp(seconds=1764404000, nanoseconds=250000000)
a date, notepack.io: d7ff3b9aca00692aab20 is Timestamp(seconds=1764404000, nanoseconds=250000000)
a date of 1970, msgpack-lite: c7030dcd05dc is ExtType(code=13, data=b'\xcd\x05\xdc')
a date of 1970, msgpackr: d7ff7735940000000001 is Timestamp(seconds=1, nanoseconds=500000000)
a date of 1970, @msgpack/msgpack: d7ff7735940000000001 is Timestamp(seconds=1, nanoseconds=500000000)
a date of 1970, notepack.io: d7ff7735940000000001 is Timestamp(seconds=1, nanoseconds=500000000)
a Uint8Array, msgpack-lite: d5120102 is ExtType(code=18, data=b'\x01\x02')
a Uint8Array, msgpackr: c4020102 is b'\x01\x02'
a Uint8Array, @msgpack/msgpack: c4020102 is b'\x01\x02'
a Uint8Array, notepack.io: c4020102 is b'\x01\x02'
undefined, msgpack-lite: c0 is None
undefined, msgpackr: d40000 is ExtType(code=0, data=b'\x00')
undefined, @msgpack/msgpack: c0 is None
undefined, notepack.io: c0 is None
msgpack-lite reads d6ff692aab20 as ExtBuffer of type 255
E
