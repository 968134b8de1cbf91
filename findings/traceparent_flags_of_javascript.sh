#!/usr/bin/env bash
# W3C Trace Context (the header 'traceparent'): @opentelemetry/core 2.12.1 of
# npm with @opentelemetry/api 1.9.1, and opentelemetry-api 1.45.2 of PyPI.
#
# Surprise: the flags are a byte in two hexadecimal digits, and a header of a
# later version may have any of them set. Such a header (version 01, flags 11)
# is read by both. npm's propagator then writes three digits, '-011', under
# version 00. The next service refuses that: the trace ends there, without an
# error. Python's writes version 00 with the flags of a later version, '-11'.
#
# For gopiper: a trace keeps the flags as a number. A component that writes the
# header as version 00 writes two digits, and only the flags that version has.
# A test has the flags 11 under version 01.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install opentelemetry-api==1.45.2
npm install --silent --no-audit --no-fund --prefix . @opentelemetry/core@2.12.1 @opentelemetry/api@1.9.1
cat > python.py <<'E'
import sys
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

propagator, sent = TraceContextTextMapPropagator(), {}
propagator.inject(sent, propagator.extract({"traceparent": sys.argv[1]}))
print(sent.get("traceparent", "nothing"))
E
cat > npm.js <<'E'
const {ROOT_CONTEXT, defaultTextMapGetter, defaultTextMapSetter} = require('@opentelemetry/api');
const propagator = new (require('@opentelemetry/core').W3CTraceContextPropagator)();
const sent = {};
propagator.inject(propagator.extract(ROOT_CONTEXT, {traceparent: process.argv[2]}, defaultTextMapGetter), sent, defaultTextMapSetter);
console.log(sent.traceparent ?? 'nothing');
E
short() { sed -E "s/-.*-/…/"; }
for flags in 09 11; do
    header=01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-$flags
    for first in npm Python; do
        if [ $first = npm ]; then sent=$(node npm.js $header); else sent=$(v/bin/python python.py $header); fi
        echo "$(short <<< $header): $first sends $(short <<< "$sent"), then npm $(node npm.js "$sent" | short), Python $(v/bin/python python.py "$sent" | short)"
    done
done > seen
cat seen
diff -u - seen <<'E'
01…09: npm sends 00…09, then npm 00…09, Python 00…09
01…09: Python sends 00…09, then npm 00…09, Python 00…09
01…11: npm sends 00…011, then npm nothing, Python nothing
01…11: Python sends 00…11, then npm 00…011, Python 00…11
E
