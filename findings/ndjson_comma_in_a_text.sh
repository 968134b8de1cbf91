#!/usr/bin/env bash
# Newline-delimited JSON with ndjson 0.3.1, jsonlines 4.0.0 and httpx 0.28.1
# (Python), and split2 4.2.0 (npm).
#
# Surprise: U+2028, U+2029 and U+0085 need no escape in JSON, but Python's
# splitlines() ends a line at each. ndjson.loads puts a comma in place of every
# line's end and parses the result as a list: the text 'one<U+2028>two' arrives
# as 'one,two', without an error. Its reader of a file doesn't. httpx's
# iter_lines() makes two lines of that object, neither of them JSON. jsonlines
# and split2 end a line at the line feed only.
#
# For gopiper: a line ends at the byte 0A (and the 0D before it), which is
# looked for before the text is decoded. A sink whose readers are unknown writes
# the three characters as \u escapes. A test has all of them in a text.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install ndjson==0.3.1 jsonlines==4.0.0 httpx==0.28.1
npm install --silent --no-audit --no-fund --prefix . split2@4.2.0
cat > read.py <<'E'
import io, json
import httpx, jsonlines, ndjson

body = "".join(json.dumps({"t": f"one{c}two"}, ensure_ascii=False) + "\n" for c in "\u2028\u2029\x85")
open("body", "w").write(body)
print("ndjson.loads: ", ascii(ndjson.loads(body)))
print("ndjson.reader:", ascii(list(ndjson.reader(io.StringIO(body)))))
print("jsonlines:    ", ascii(list(jsonlines.Reader(io.StringIO(body)))))
answer = lambda request: httpx.Response(200, content=body.encode())
with httpx.Client(transport=httpx.MockTransport(answer)) as client, client.stream("GET", "http://example.com/") as response:
    print("httpx:        ", ascii(list(response.iter_lines())))
E
PYTHONUTF8=1 v/bin/python read.py > seen
node >> seen <<'E'
const split2 = require('split2');
require('fs').createReadStream('body').pipe(split2(JSON.parse)).toArray()
    .then(all => console.log('split2:        ' + all.length + ' objects with texts of ' + all.map(o => o.t.length)));
E
cat seen
diff -u - seen <<'E'
ndjson.loads:  [{'t': 'one,two'}, {'t': 'one,two'}, {'t': 'one,two'}]
ndjson.reader: [{'t': 'one\u2028two'}, {'t': 'one\u2029two'}, {'t': 'one\x85two'}]
jsonlines:     [{'t': 'one\u2028two'}, {'t': 'one\u2029two'}, {'t': 'one\x85two'}]
httpx:         ['{"t": "one', 'two"}', '{"t": "one', 'two"}', '{"t": "one', 'two"}']
split2:        3 objects with texts of 7,7,7
E
