#!/usr/bin/env bash
# pynmea2 1.19.0, pynmeagps 1.1.8 and gpxpy 1.6.2 (Python), with the time
# 23:59:60 as GPS receivers gave it out at the end of 2016.
#
# Surprise: none of them raises an error where the time is read, and none keeps
# it. pynmea2's 'timestamp' is a time as a rule and the text '235960.00' here,
# so the error comes later, from 'datetime' (TypeError). pynmeagps says an
# empty text, as if the receiver had no time yet. gpxpy writes the track back
# without the point's time; an ISO 8601 midnight, 24:00:00, goes the same way.
#
# For gopiper: a source that sends such a point on without a time, or fails the
# whole message, loses a position for one second. It says :60 as the second
# after :59, and it distinguishes a missing time from an unreadable one.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install pynmea2==1.19.0 pynmeagps==1.1.8 gpxpy==1.6.2
v/bin/python - > seen <<'E'
import re
import gpxpy, pynmea2, pynmeagps

for clock in ("235959.00", "235960.00"):
    text = f"GPRMC,{clock},A,4807.038,N,01131.000,E,022.4,084.4,311216,003.1,W"
    check = 0
    for byte in text.encode():
        check ^= byte
    line = f"${text}*{check:02X}"
    one = pynmea2.parse(line)
    print(clock, "pynmea2 timestamp:", repr(one.timestamp))
    try:
        print(clock, "pynmea2 datetime:", one.datetime)
    except TypeError as error:
        print(clock, "pynmea2 datetime: TypeError:", error)
    print(clock, "pynmeagps:", repr(pynmeagps.NMEAReader.parse(line + "\r\n").time))

for clock in ("2016-12-31T23:59:59Z", "2016-12-31T23:59:60Z", "2016-12-31T24:00:00Z"):
    gpx = f"""<gpx version="1.1" creator="c" xmlns="http://www.topografix.com/GPX/1/1"><trk><trkseg>
        <trkpt lat="1" lon="2"><time>{clock}</time></trkpt></trkseg></trk></gpx>"""
    print(clock, "gpxpy:", re.findall("<time>.*</time>", gpxpy.parse(gpx).to_xml()))
E
cat seen
diff -u - seen <<'E'
235959.00 pynmea2 timestamp: datetime.time(23, 59, 59, tzinfo=datetime.timezone.utc)
235959.00 pynmea2 datetime: 2016-12-31 23:59:59+00:00
235959.00 pynmeagps: datetime.time(23, 59, 59)
235960.00 pynmea2 timestamp: '235960.00'
235960.00 pynmea2 datetime: TypeError: combine() argument 2 must be datetime.time, not str
235960.00 pynmeagps: ''
2016-12-31T23:59:59Z gpxpy: ['<time>2016-12-31T23:59:59Z</time>']
2016-12-31T23:59:60Z gpxpy: []
2016-12-31T24:00:00Z gpxpy: []
E
