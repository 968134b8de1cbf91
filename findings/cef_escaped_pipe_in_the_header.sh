#!/usr/bin/env bash
# CEF (ArcSight's Common Event Format): pycef 1.11 of PyPI.
#
# Surprise: the format escapes a pipe in a header field as \| and a backslash
# as \\. pycef accepts a line with either in its name, and returns an empty
# name and no severity: the rest of the header becomes the start of the first
# key ('tool|10|src'). There is no error. In values it leaves \= and \n
# unchanged, so a URL keeps its backslashes.
#
# For gopiper: a parser of CEF reads the seven header fields from the left,
# with the escapes, before it looks for keys. A pipeline after a parser like
# this one checks that the severity exists.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install pycef==1.11
cat > parse.py <<'E'
import pycef

for name in ["worm", r"worm \| tool", r"C:\\"]:
    event = pycef.parse(rf"CEF:0|maker|product|1.0|100|{name}|10|src=192.0.2.1 request=http://h/?a\=1")
    keys = [key for key in event if not key.startswith("Device") and key != "CEFVersion"]
    print(name, {key: event[key] for key in keys})
E
v/bin/python parse.py > seen
cat seen
diff -u - seen <<'E'
worm {'Name': 'worm', 'Severity': '10', 'src': '192.0.2.1', 'request': 'http://h/?a\\=1'}
worm \| tool {'Name': '', 'tool|10|src': '192.0.2.1', 'request': 'http://h/?a\\=1'}
C:\\ {'Name': '', 'C:\\\\|10|src': '192.0.2.1', 'request': 'http://h/?a\\=1'}
E
