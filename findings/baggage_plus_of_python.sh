#!/usr/bin/env bash
# W3C Baggage (the header 'baggage' beside 'traceparent'): opentelemetry-api
# 1.45.2 of PyPI, and @opentelemetry/core 2.12.1 of npm with
# @opentelemetry/api 1.9.1.
#
# Surprise: the two SDKs of OpenTelemetry escape a value in different ways.
# Python's writes a space as '+', which the other reads as a plus sign: 'a b'
# arrives as 'a+b'. A plus sign needs no escape, but one that was sent as it is
# becomes a space in Python. The property behind a semicolon becomes part of
# Python's value, and is one for all behind it: npm's then reads 'gold;ttl=60'.
#
# For gopiper: a header that is only carried is copied byte by byte, not read
# and written again. A component that reads baggage decodes %XX only, and splits
# properties off. A test has a space, a plus sign and a property.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install opentelemetry-api==1.45.2
npm install --silent --no-audit --no-fund --prefix . @opentelemetry/core@2.12.1 @opentelemetry/api@1.9.1
cat > python.py <<'E'
import json, sys
from opentelemetry import baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator

propagator = W3CBaggagePropagator()
context = propagator.extract({"baggage": sys.argv[1]})
sent = {}
propagator.inject(sent, context)
print("Python reads", json.dumps(baggage.get_all(context)[sys.argv[1].split("=")[0]]), "and sends", sent["baggage"])
E
cat > npm.js <<'E'
const {propagation, ROOT_CONTEXT, defaultTextMapGetter, defaultTextMapSetter} = require('@opentelemetry/api');
const propagator = new (require('@opentelemetry/core').W3CBaggagePropagator)();
const context = propagator.extract(ROOT_CONTEXT, {baggage: process.argv[2]}, defaultTextMapGetter);
const sent = {};
propagator.inject(context, sent, defaultTextMapSetter);
const [[, {value}]] = propagation.getBaggage(context).getAllEntries();
console.log('npm reads', JSON.stringify(value), 'and sends', sent.baggage);
E
for header in 'name=a%20b' 'name=a+b' 'plan=gold;ttl=60'; do
    echo "$header"
    v/bin/python python.py "$header" | tee hop
    echo "  the next, $(node npm.js "$(sed 's/.* sends //' hop)")"
    node npm.js "$header" | tee hop
    echo "  the next, $(v/bin/python python.py "$(sed 's/.* sends //' hop)")"
done > seen
cat seen
diff -u - seen <<'E'
name=a%20b
Python reads "a b" and sends name=a+b
  the next, npm reads "a+b" and sends name=a%2Bb
npm reads "a b" and sends name=a%20b
  the next, Python reads "a b" and sends name=a+b
name=a+b
Python reads "a b" and sends name=a+b
  the next, npm reads "a+b" and sends name=a%2Bb
npm reads "a+b" and sends name=a%2Bb
  the next, Python reads "a+b" and sends name=a%2Bb
plan=gold;ttl=60
Python reads "gold;ttl=60" and sends plan=gold%3Bttl%3D60
  the next, npm reads "gold;ttl=60" and sends plan=gold%3Bttl%3D60
npm reads "gold" and sends plan=gold;ttl=60
  the next, Python reads "gold;ttl=60" and sends plan=gold%3Bttl%3D60
E
