#!/usr/bin/env bash
# KNX: knx 2.5.4 of npm, and xknx 4.0.0 of PyPI, on the same bytes of a bus.
#
# Surprise: three valid values become others in the JavaScript library.
# - A sensor without a measurement sends 7F FF, the mark of the standard for
#   'invalid data' of a two-byte float (9.001). It comes out as 670760.96 °C.
#   xknx raises an error.
# - A clock that sends the time without a day (10.001, the day is 0) is read as
#   a time on a Sunday in the past, as if 0 were a day. xknx has 'no day'.
# - Of a text in Latin-1 (16.001) each byte loses its highest bit, so 'Küche'
#   is 'K|che', and the zeros that fill the 14 bytes are a part of it.
#
# For gopiper: what comes from a gateway on this library needs a range for each
# measurement (7F FF and what is above 670433.28), and its times of day only
# have hours, minutes and seconds.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip -q install xknx==4.0.0
npm install --silent knx@2.5.4
cat > read.cjs <<'E'
const library = require('knx/src/dptlib');
const read = (type, ...bytes) => library.fromBuffer(Buffer.from(bytes), library.resolve(type));
console.log('temperature:', read('DPT9.001', 0x7f, 0xff));
const time = read('DPT10.001', 13, 5, 30);
const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
console.log('time:', time.toTimeString().slice(0, 8), days[time.getDay()]);
console.log('text:', JSON.stringify(read('DPT16.001', ...Buffer.from('Küche'.padEnd(14, '\0'), 'latin1'))));
E
TZ=UTC node read.cjs > seen
v/bin/python - >> seen <<'E'
from xknx.dpt import DPTArray, DPTLatin1, DPTTemperature, DPTTime
from xknx.exceptions import ConversionError

try:
    print("temperature:", DPTTemperature.from_knx(DPTArray((0x7F, 0xFF))))
except ConversionError as error:
    print("temperature:", type(error).__name__)
time = DPTTime.from_knx(DPTArray((13, 5, 30)))
print(f"time: {time.hour:02}:{time.minutes:02}:{time.seconds:02} {time.day.name}")
print("text:", repr(DPTLatin1.from_knx(DPTArray(tuple("Küche".ljust(14, "\0").encode("latin-1"))))))
E
cat seen
diff -u - seen <<'E'
temperature: 670760.96
time: 13:05:30 Sunday
text: "K|che\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000"
temperature: ConversionError
time: 13:05:30 NO_DAY
text: 'Küche'
E
