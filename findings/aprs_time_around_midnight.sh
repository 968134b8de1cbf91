#!/usr/bin/env bash
# aprslib 0.7.2 (Python), which reads APRS radio packets. freezegun 1.5.5 sets
# the clock to a few seconds after the month began.
#
# Surprise: a packet has no month or no date. aprslib adds today's, without
# checking that it makes sense. Six seconds after the last day of October
# '312359z' is the 31st of November: its time becomes 0, the year 1970,
# without an error. '235959h', also six seconds old, lies a day in the future.
#
# For gopiper: a source that completes a time picks the candidate that is
# nearest to the packet's arrival (yesterday, last month). This also holds
# for NMEA sentences without a date and for syslog lines without a year.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install aprslib==0.7.2 freezegun==1.5.5
v/bin/python - > seen <<'E'
from datetime import datetime, timezone
import freezegun
import aprslib

with freezegun.freeze_time("2026-11-01T00:00:05Z"):
    for stamp in ("010000z", "312359z", "000001h", "235959h"):
        packet = aprslib.parse(f"N0CALL>APRS:@{stamp}4903.50N/07201.75W>")
        print("at 2026-11-01 00:00:05,", stamp, "is", datetime.fromtimestamp(packet["timestamp"], timezone.utc).strftime("%F %T"))
E
cat seen
diff -u - seen <<'E'
at 2026-11-01 00:00:05, 010000z is 2026-11-01 00:00:00
at 2026-11-01 00:00:05, 312359z is 1970-01-01 00:00:00
at 2026-11-01 00:00:05, 000001h is 2026-11-01 00:00:01
at 2026-11-01 00:00:05, 235959h is 2026-11-01 23:59:59
E
