#!/usr/bin/env bash
# Logs of IIS (W3C extended format): lars 1.0 of PyPI.
#
# Surprise: IIS writes its header again when it restarts, or when its fields
# are changed, in the middle of the day's file. lars reads up to that header,
# and then fails with 'Found a second #Version directive'. So it cannot read a
# file whose fields change.
#
# For gopiper: a parser of this format takes the columns from the latest
# #Fields line, and skips other directives everywhere. A position in such a
# file is useless without the #Fields line before it.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install lars==1.0
cat > read.py <<'E'
import io
from lars.iis import IISSource

def header(hour, fields):
    return (f"#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n"
            f"#Date: 2026-01-01 {hour:02}:00:00\n#Fields: {fields}\n")

log = (header(0, "date time cs-method cs-uri-stem sc-status") + "2026-01-01 00:00:01 GET /a 200\n"
       + header(1, "date time sc-status cs-method cs-uri-stem") + "2026-01-01 01:00:01 404 GET /b\n")
rows = 0
try:
    with IISSource(io.StringIO(log)) as source:
        for row in source:
            rows += 1
            print(row.cs_method, row.cs_uri_stem.path_str, row.sc_status)
except Exception as error:
    print(f"after {rows} of 2 rows, {type(error).__name__}: {error}")
E
v/bin/python -W ignore read.py > seen
cat seen
diff -u - seen <<'E'
GET /a 200
after 1 of 2 rows, IISVersionError: Line 7: Found a second #Version directive
E
