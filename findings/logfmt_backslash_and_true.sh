#!/usr/bin/env bash
# Logfmt (key=value lines), which no specification defines: logfmt 0.4, logfmter
# 0.0.12 and structlog 26.1.0 of PyPI, logfmt 1.4.0 and @jclem/logfmt2 2.4.3 of
# npm. All five write; the first and the two of npm also read.
#
# Surprise: a value with a backslash rarely arrives. PyPI's logfmt writes it
# as it is, and reads one within quotes as an escape of the next quotation mark,
# however far away: the value and all pairs behind it are gone. logfmter and
# structlog write C:\new as it is, but C:\\new if there is a space too, and a line
# feed as \n: both readers of npm make an 'n' of it, and of C:\new 'C:new'.
# structlog's line is the same for C:\new and for a line feed between 'C:' and
# 'ew'. The two called logfmt write the line feed itself, so that one record is
# two lines. structlog writes true as a bare key, and @jclem/logfmt2 takes the
# next key for its value: that pair is lost. An empty text is read as null or
# true.
#
# For gopiper: a component for logfmt has the writer as an option (are there
# escapes, and without quotes too?), checks the pairs that it needs, and sends a
# line without them to where a person looks. It writes a value with a backslash,
# a line feed or nothing in quotes, and a true as 'true'.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install logfmt==0.4 logfmter==0.0.12 structlog==26.1.0
npm install --silent --no-audit --no-fund --prefix . logfmt@1.4.0 @jclem/logfmt2@2.4.3
cat > npm.js <<'E'
const logfmt = require('logfmt'), logfmt2 = require('@jclem/logfmt2');
const input = JSON.parse(process.argv[3]);
console.log(JSON.stringify(process.argv[2] == 'write'
    ? input.map(pairs => [['npm logfmt', logfmt.stringify(pairs)], ['logfmt2', logfmt2.encode(pairs)]])
    : input.map(line => [['npm logfmt', logfmt.parse(line)], ['logfmt2', logfmt2.decode(line)]])));
E
cat > all.py <<'E'
import json, subprocess
from logfmt.formatter import format_line
from logfmt.parser import parse_line
from logfmter import Logfmter
from structlog.processors import LogfmtRenderer

def npm(action, what):
    return json.loads(subprocess.check_output(["node", "npm.js", action, json.dumps(what)]))

values = [r"C:\new", r"C:\new dir", "C:\new", "", True]
for value, of_npm in zip(values, npm("write", [{"v": value, "code": 5} for value in values])):
    pairs = {"v": value, "code": 5}
    print("Sent:", json.dumps(value))
    written = [("PyPI logfmt", format_line(pairs)), ("logfmter", Logfmter.format_params(pairs)),
               ("structlog", LogfmtRenderer()(None, "", dict(pairs))), *of_npm]
    for (writer, line), read in zip(written, npm("read", [line for _, line in written])):
        # 'code' comes back as a text everywhere, which is no surprise.
        read = [("PyPI logfmt", parse_line(line)), *read]
        wrong = [f"{reader} {json.dumps(result)}" for reader, result in read
                 if result not in ({"v": value, "code": "5"}, {"v": "true" if value is True else value, "code": "5"})]
        print(f"  {writer}: {line}".replace("\n", "<LF>") + "".join(f"\n    read by {w}" for w in wrong))
E
v/bin/python all.py > seen
cat seen
diff -u - seen <<'E'
Sent: "C:\\new"
  PyPI logfmt: v="C:\new" code=5
    read by PyPI logfmt {"v": true}
    read by npm logfmt {"v": "C:new", "code": "5"}
    read by logfmt2 {"v": "C:new", "code": "5"}
  logfmter: v=C:\new code=5
    read by npm logfmt {"v": "C:new", "code": "5"}
    read by logfmt2 {"v": "C:new", "code": "5"}
  structlog: v=C:\new code=5
    read by npm logfmt {"v": "C:new", "code": "5"}
    read by logfmt2 {"v": "C:new", "code": "5"}
  npm logfmt: v="C:\\new" code=5
    read by PyPI logfmt {"v": true}
  logfmt2: v=C:\\new code=5
    read by PyPI logfmt {"v": "C:\\\\new", "code": "5"}
Sent: "C:\\new dir"
  PyPI logfmt: v="C:\new dir" code=5
    read by PyPI logfmt {"v": true}
    read by npm logfmt {"v": "C:new dir", "code": "5"}
    read by logfmt2 {"v": "C:new dir", "code": "5"}
  logfmter: v="C:\\new dir" code=5
    read by PyPI logfmt {"v": true}
  structlog: v="C:\\new dir" code=5
    read by PyPI logfmt {"v": true}
  npm logfmt: v="C:\\new dir" code=5
    read by PyPI logfmt {"v": true}
  logfmt2: v="C:\\new dir" code=5
    read by PyPI logfmt {"v": true}
Sent: "C:\new"
  PyPI logfmt: v="C:<LF>ew" code=5
  logfmter: v="C:\new" code=5
    read by PyPI logfmt {"v": true}
    read by npm logfmt {"v": "C:new", "code": "5"}
    read by logfmt2 {"v": "C:new", "code": "5"}
  structlog: v=C:\new code=5
    read by PyPI logfmt {"v": "C:\\new", "code": "5"}
    read by npm logfmt {"v": "C:new", "code": "5"}
    read by logfmt2 {"v": "C:new", "code": "5"}
  npm logfmt: v=C:<LF>ew code=5
    read by PyPI logfmt {"v": "C:", "ew": true, "code": "5"}
  logfmt2: v="C: ew" code=5
    read by PyPI logfmt {"v": "C: ew", "code": "5"}
    read by npm logfmt {"v": "C: ew", "code": "5"}
    read by logfmt2 {"v": "C: ew", "code": "5"}
Sent: ""
  PyPI logfmt: v="" code=5
  logfmter: v= code=5
    read by PyPI logfmt {"v": true, "code": "5"}
    read by npm logfmt {"v": null, "code": "5"}
  structlog: v= code=5
    read by PyPI logfmt {"v": true, "code": "5"}
    read by npm logfmt {"v": null, "code": "5"}
  npm logfmt: v="" code=5
  logfmt2: v="" code=5
Sent: true
  PyPI logfmt: v=true code=5
  logfmter: v=true code=5
  structlog: v code=5
    read by logfmt2 {"v": "code"}
  npm logfmt: v=true code=5
  logfmt2: v=true code=5
E
