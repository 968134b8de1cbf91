#!/usr/bin/env bash
# Zeek's logs with tabs (its LogAscii writer), read with zat 0.4.9 and pandas
# 3.1.1, and with parsezeeklogs 3.0.1, all of PyPI.
#
# Surprise: zat has two readers, and they give different rows. Its log reader
# makes 0, False and a zero duration of an unset value ('-'), so that a request
# without an answer looks like one of status 0; it doesn't undo escapes ('\x2d'
# is a real '-'). Its data frame has a gap there, but the texts 'T' and 'F', both
# true in Python, and hands the file to pandas' reader of CSV: the rest of a row
# behind '#' is gone, the user 'NA' is a gap, and a quotation mark at a field's
# start takes the next rows into that field, up to the next mark. Zeek quotes
# nothing and has no comments in a row. None of this is an error.
#
# For gopiper: a component for such a log splits at tabs and knows no quotes. An
# unset value becomes nil, not 0. It takes the markers from the header, compares
# before it undoes the escapes, and counts a row's fields. A test has a user agent
# that begins with a quotation mark, and compares the number of rows.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install zat==0.4.9 pandas==3.1.1 parsezeeklogs==3.0.1
tr '|' '\t' > http.log <<'E'
#separator \x09
#set_separator|,
#empty_field|(empty)
#unset_field|-
#path|http
#open|2025-10-01-12-00-00
#fields|ts|uid|user_agent|username|status_code|from_proxy|rtt|names
#types|time|string|string|string|count|bool|interval|set[string]
1759320001.000000|C1|-|-|-|-|-|(empty)
1759320002.000000|C2|\x2d|NA|0|F|0.000000|a,b
1759320003.000000|C3|robot #7|anna|200|T|0.250000|a\x2cb
1759320004.000000|C4|"robot|bert|200|T|0.250000|-
1759320005.000000|C5|robot|carl|200|T|0.250000|-
1759320006.000000|C6|7" screen|dora|200|T|0.250000|-
1759320007.000000|C7|robot|emil|200|T|0.250000|-
#close|2025-10-01-13-00-00
E
v/bin/python - > seen <<'E'
from datetime import timedelta
import pandas, parsezeeklogs
from zat.log_to_dataframe import LogToDataFrame
from zat.zeek_log_reader import ZeekLogReader

def plain(value):
    if not isinstance(value, list) and pandas.isna(value):
        return None
    return value.total_seconds() if isinstance(value, timedelta) else value

frame = LogToDataFrame().create_dataframe("http.log").reset_index()
for name, rows in (
    ("parsezeeklogs", parsezeeklogs.read_zeek("http.log")),
    ("zat's reader", ZeekLogReader("http.log").readrows()),
    ("zat's data frame", frame.to_dict("records")),
):
    rows = list(rows)
    print(f"{name}, {len(rows)} rows")
    for row in rows[:4]:
        print(*(repr(plain(value)) for key, value in row.items() if key != "ts"))
E
cat seen
diff -u - seen <<'E'
parsezeeklogs, 7 rows
'C1' None None None None None []
'C2' '-' 'NA' 0 False 0.0 ['a', 'b']
'C3' 'robot #7' 'anna' 200 True 0.25 ['a,b']
'C4' '"robot' 'bert' 200 True 0.25 None
Successfully monitoring http.log...
zat's reader, 7 rows
'C1' '-' '-' 0 False 0.0 '(empty)'
'C2' '\\x2d' 'NA' 0 False 0.0 'a,b'
'C3' 'robot #7' 'anna' 200 True 0.25 'a\\x2cb'
'C4' '"robot' 'bert' 200 True 0.25 '-'
zat's data frame, 5 rows
'C1' None None None None None '(empty)'
'C2' '\\x2d' None 0 'F' 0.0 'a,b'
'C3' 'robot ' None None None None None
'C4' 'robot\tbert\t200\tT\t0.250000\t-\n1759320005.000000\tC5\trobot\tcarl\t200\tT\t0.250000\t-\n1759320006.000000\tC6\t7 screen' 'dora' 200 'T' 0.25 None
E
