#!/usr/bin/env bash
# The npm packages fluent-logger 3.4.1 and @fluent-org/logger 1.0.10, the old
# and the new one of the Fluentd project, with a receiver of a few lines.
#
# Surprise: each has its own idea of the protocol's time and of the contents of a
# record. fluent-logger turns a date in a record into an empty map. In its mode
# PackedForward, 'size' is the number of bytes, where the specification (and
# @fluent-org/logger) has the number of entries; with 'milliseconds', the time
# is a double of 1764404000250, which as seconds is the year 57881. Without
# it, and always in @fluent-org/logger unless its EventTime is used, a date's
# milliseconds are cut off.
#
# For gopiper: a fluent source counts entries itself and does not allocate by
# 'size'. A time that is beyond 10^11 can only be milliseconds. Lines of one
# second keep their order by their place, since their time does not show it.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
npm install --silent --no-audit --no-fund --prefix . fluent-logger@3.4.1 @fluent-org/logger@1.0.10 @msgpack/msgpack@3.1.3
node - > seen <<'E'
const net = require('net'), {decode, decodeMulti} = require('@msgpack/msgpack');
const {FluentClient, EventTime} = require('@fluent-org/logger');
const when = new Date(1764404000250), record = {n: 1, at: when};
const received = send => new Promise(done => {
    const parts = [];
    const server = net.createServer(peer => peer.on('data', d => parts.push(d)).on('close', () => { server.close(); done(Buffer.concat(parts)); }));
    server.listen(0, '127.0.0.1', () => send(server.address().port));
});
const show = (name, data) => {
    for (const [tag, second, third, fourth] of decodeMulti(data)) {
        const packed = second instanceof Uint8Array;
        const [time, fields] = packed ? decode(second) : [second, third];
        console.log(`${name}: time ${time.data ? 'EventTime ' + Buffer.from(time.data).toString('hex') : time}, at ${JSON.stringify(fields.at)}${packed ? ', size ' + third.size : ''}`);
    }
};
const old = options => received(port => {
    const log = require('fluent-logger').createFluentSender('app', {host: '127.0.0.1', port, flushInterval: 50, ...options});
    log.emit('x', record, when);
    setTimeout(() => log.end(), 400);
});
const fresh = time => received(async port => {
    const log = new FluentClient('app', {socket: {host: '127.0.0.1', port}});
    await log.emit('x', record, time);
    await log.shutdown();
});
(async () => {
    show('fluent-logger', await old({}));
    show('fluent-logger, PackedForward', await old({eventMode: 'PackedForward'}));
    show('fluent-logger, PackedForward, milliseconds', await old({eventMode: 'PackedForward', milliseconds: true}));
    show('@fluent-org/logger', await fresh(when));
    show('@fluent-org/logger, EventTime', await fresh(EventTime.fromDate(when)));
})();
E
cat seen
diff -u - seen <<'E'
fluent-logger: time 1764404000, at {}
fluent-logger, PackedForward: time 1764404000, at {}, size 14
fluent-logger, PackedForward, milliseconds: time 1764404000250, at {}, size 18
@fluent-org/logger: time 1764404000, at "2025-11-29T08:13:20.250Z", size 1
@fluent-org/logger, EventTime: time EventTime 692aab200ee6b280, at "2025-11-29T08:13:20.250Z", size 1
E
