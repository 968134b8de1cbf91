#!/usr/bin/env bash
# influxdb-client 1.50.0 (Python) writing line protocol.
#
# Surprise: its escaping cannot be undone, so different tag values give the same
# line and so the same series. 'C:\' and 'C: ' (with a space) are both written
# as C:\ followed by a space. A line feed is written as a backslash and an n,
# and so are these two characters. A field's string
# keeps its line feed as it is: then one record is two lines of text. A whole
# number is written without a look at its size, and a point whose fields are
# all NaN is an empty string and no error.
#
# For gopiper: a source cannot restore the original, and must not try. It must
# not split at each line feed, and a point of ours that line protocol cannot
# express is a failed message and not a similar one.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install influxdb-client==1.50.0
v/bin/python - > seen <<'E'
from influxdb_client import Point
for value in ("C:\\", "C: ", "a\nb", "a\\nb"):
    print(f"tag {value!r}: {Point('m').tag('t', value).field('f', 1).to_line_protocol()!r}")
for value in ("a\nb", 2**64, float("nan")):
    print(f"field {value!r}: {Point('m').field('f', value).to_line_protocol()!r}")
E
cat seen
diff -u - seen <<'E'
tag 'C:\\': 'm,t=C:\\  f=1i'
tag 'C: ': 'm,t=C:\\  f=1i'
tag 'a\nb': 'm,t=a\\nb f=1i'
tag 'a\\nb': 'm,t=a\\nb f=1i'
field 'a\nb': 'm f="a\nb"'
field 18446744073709551616: 'm f=18446744073709551616i'
field nan: ''
E
