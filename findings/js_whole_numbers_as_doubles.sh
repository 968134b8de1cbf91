#!/usr/bin/env bash
# The npm packages cbor 10.0.12, cbor-x 1.6.9, @msgpack/msgpack 3.1.3,
# msgpackr 2.1.4, msgpack-lite 0.2.2, notepack.io 3.0.1 and bson 7.3.4.
#
# Surprise: JavaScript's whole numbers are exact up to 2^53, but four of these
# seven write a double long before. bson does from 2^31 on, msgpackr and
# msgpack-lite from 2^32 on and below -2^31, cbor-x from 2^32 on and below
# -2^32, though all these formats have 64 bit integers. So a time in
# milliseconds is a double in four of the seven.
# notepack.io goes on with integers where there are none: 10^20 comes out as
# 7766279631452241920, and bson cuts a BigInt of 2^64+5 to 5, without an error.
#
# For gopiper: one counter of one sender changes its type in the middle of its
# life. A stage or sink that fixes a field's type by the first messages (Avro,
# Parquet, a database) has to take a double with a whole value as an integer.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
npm install --silent --no-audit --no-fund --prefix . cbor@10.0.12 cbor-x@1.6.9 @msgpack/msgpack@3.1.3 msgpackr@2.1.4 msgpack-lite@0.2.2 notepack.io@3.0.1 bson@7.3.4
node - > seen <<'E'
const {encode: msgpack} = require('@msgpack/msgpack'), bson = require('bson');
const cborKind = b => (b[0] >> 5 < 2 ? 'integer' : b[0] === 0xfb ? 'double' : 'float');
const mpKind = b => (b[0] === 0xcb ? 'double' : 'integer');
const libraries = {
    cbor: v => cborKind(require('cbor').encode(v)),
    'cbor-x': v => cborKind(require('cbor-x').encode(v)),
    '@msgpack/msgpack': v => mpKind(msgpack(v)),
    msgpackr: v => mpKind(require('msgpackr').pack(v)),
    'msgpack-lite': v => mpKind(require('msgpack-lite').encode(v)),
    'notepack.io': v => mpKind(require('notepack.io').encode(v)),
    bson: v => (bson.serialize({v})[4] === 1 ? 'double' : 'integer'),
};
const numbers = {'2^31-1': 2**31 - 1, '2^31': 2**31, '2^32': 2**32, 'a time in ms': 1764404000123, '2^53-1': 2**53 - 1, '-2^31-1': -(2**31) - 1, '-2^32-1': -(2**32) - 1};
for (const [name, library] of Object.entries(libraries))
    console.log(name + ':', Object.entries(numbers).map(([n, v]) => n + ' ' + library(v)).join(', '));
const {encode} = require('notepack.io');
console.log('notepack.io, 10^20:', encode(1e20).toString('hex'), 'is', BigInt('0x' + encode(1e20).subarray(1).toString('hex')).toString());
console.log('bson, 2^64+5:', bson.deserialize(bson.serialize({v: 2n**64n + 5n})).v);
E
cat seen
diff -u - seen <<'E'
cbor: 2^31-1 integer, 2^31 integer, 2^32 integer, a time in ms integer, 2^53-1 integer, -2^31-1 integer, -2^32-1 integer
cbor-x: 2^31-1 integer, 2^31 integer, 2^32 double, a time in ms double, 2^53-1 double, -2^31-1 integer, -2^32-1 double
@msgpack/msgpack: 2^31-1 integer, 2^31 integer, 2^32 integer, a time in ms integer, 2^53-1 integer, -2^31-1 integer, -2^32-1 integer
msgpackr: 2^31-1 integer, 2^31 integer, 2^32 double, a time in ms double, 2^53-1 double, -2^31-1 double, -2^32-1 double
msgpack-lite: 2^31-1 integer, 2^31 integer, 2^32 double, a time in ms double, 2^53-1 double, -2^31-1 double, -2^32-1 double
notepack.io: 2^31-1 integer, 2^31 integer, 2^32 integer, a time in ms integer, 2^53-1 integer, -2^31-1 integer, -2^32-1 integer
bson: 2^31-1 integer, 2^31 double, 2^32 double, a time in ms double, 2^53-1 double, -2^31-1 double, -2^32-1 double
notepack.io, 10^20: cf6bc75e2d63100000 is 7766279631452241920
bson, 2^64+5: 5
E
