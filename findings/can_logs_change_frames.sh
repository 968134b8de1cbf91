#!/usr/bin/env bash
# python-can 4.6.1: five CAN frames, written to each of its log formats and
# read back by the same library.
#
# Surprise: each format loses something else, and most of it is not lost but
# changed. BLF and ASC make channel 0 of 'vcan0'. In ASC an error frame loses
# its content, and an empty CAN FD frame comes back as a remote frame. In
# candump's .log a remote frame loses its length; an error frame is written
# with the class 0x80 whatever it was, and is read without class, data and
# channel. CSV and SQLite forget that a frame was FD: one of 12 bytes is then a
# classic frame with a DLC of 12, which does not exist. TRC keeps one of the
# five, and counts channels from 1.
#
# For gopiper: a CAN sink fails messages that its format cannot express, instead
# of writing something similar. A file that python-can wrote
# is no proof for a source of ours, except for data frames.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install python-can==4.6.1
TZ=UTC v/bin/python - > seen 2>/dev/null <<'E'
import can

T = 1764404000.0
frames = [
    can.Message(timestamp=T, arbitration_id=0x7ff, is_extended_id=False, data=[1, 2], channel="vcan0"),
    can.Message(timestamp=T + 1, arbitration_id=1, is_extended_id=False, is_remote_frame=True, dlc=8, channel=0),
    can.Message(timestamp=T + 2, arbitration_id=2, is_extended_id=False, is_fd=True, bitrate_switch=True, data=bytes(12), channel=0),
    can.Message(timestamp=T + 3, arbitration_id=3, is_extended_id=False, is_fd=True, data=[], channel=0),
    can.Message(timestamp=T + 4, arbitration_id=4, is_error_frame=True, data=[1, 2, 3, 4, 5, 6, 7, 8], channel=0),
]

def says(m):
    kind = "error" if m.is_error_frame else "remote" if m.is_remote_frame else "data"
    return f"{m.channel} {m.arbitration_id:x} {'FD ' if m.is_fd else ''}{'BRS ' if m.bitrate_switch else ''}{kind} dlc={m.dlc} data={m.data.hex()}"

print("written")
for m in frames:
    print("   ", says(m))
for kind in ("blf", "asc", "log", "csv", "db", "trc"):
    with can.Logger(f"frames.{kind}") as log:
        for m in frames:
            log(m)
    print(kind)
    if kind == "log":
        print("    the error frame's line:", open("frames.log").read().splitlines()[4])
    with can.LogReader(f"frames.{kind}") as log:
        for m in log:
            print("   ", says(m))
E
cat seen
diff -u - seen <<'E'
written
    vcan0 7ff data dlc=2 data=0102
    0 1 remote dlc=8 data=
    0 2 FD BRS data dlc=12 data=000000000000000000000000
    0 3 FD data dlc=0 data=
    0 4 error dlc=8 data=0102030405060708
blf
    0 7ff data dlc=2 data=0102
    0 1 remote dlc=8 data=
    0 2 FD BRS data dlc=12 data=000000000000000000000000
    0 3 FD data dlc=0 data=
    0 4 error dlc=8 data=0102030405060708
asc
    0 7ff data dlc=2 data=0102
    0 1 remote dlc=8 data=
    0 2 FD BRS data dlc=12 data=000000000000000000000000
    0 3 FD remote dlc=0 data=
    0 0 error dlc=0 data=
log
    the error frame's line: (1764404004.000000) can0 20000080#0102030405060708
    vcan0 7ff data dlc=2 data=0102
    can0 1 remote dlc=0 data=
    can0 2 FD BRS data dlc=12 data=000000000000000000000000
    can0 3 FD data dlc=0 data=
    None 0 error dlc=0 data=
csv
    None 7ff data dlc=2 data=0102
    None 1 remote dlc=8 data=
    None 2 data dlc=12 data=000000000000000000000000
    None 3 data dlc=0 data=
    None 4 error dlc=8 data=0102030405060708
db
    None 7ff data dlc=2 data=0102
    None 1 remote dlc=8 data=
    None 2 data dlc=12 data=000000000000000000000000
    None 3 data dlc=0 data=
    None 4 error dlc=8 data=0102030405060708
trc
    1 7ff data dlc=2 data=0102
E
