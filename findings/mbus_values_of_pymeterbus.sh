#!/usr/bin/env bash
# M-Bus (EN 13757, heat and water meters): pyMeterBus 0.8.5 of PyPI.
#
# Surprise: a meter sends FFFF for a date that it does not have, such as a due
# date that is not set yet. pyMeterBus returns the text 2027-15-31. Its values
# are Decimal, but made from doubles: the BCD digits 123 in tenths become
# 12.300000000000000710542735760100185871124267578125, and a counter of ten
# digits with three decimals ends in noise, too.
#
# For gopiper: a component for meters treats a date of all ones as missing, and
# refuses months above 12. It writes BCD as digits with a shifted point, never
# through a double, so that the sums of a bill agree.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install pyMeterBus==0.8.5
cat > read.py <<'E'
import meterbus

def frame(record):
    # Long frame, response with variable data: identification 12345678, heat.
    body = bytes.fromhex("080172 78563412 2426 01 04 00 00 0000") + bytes.fromhex(record)
    return bytes([0x68, len(body), len(body), 0x68]) + body + bytes([sum(body) & 0xFF, 0x16])

for what, record in [("temperature, BCD 123 in tenths", "0A5A 2301"),
                     ("volume, BCD 1000000123 in litres", "0E13 230100001000"),
                     ("due date 2026-12-31", "426C 5F3C"),
                     ("due date FFFF, which is none", "426C FFFF")]:
    found = meterbus.load(frame(record)).body.bodyPayload.records[0].interpreted
    print(what, "->", found["value"])
E
v/bin/python read.py > seen
cat seen
diff -u - seen <<'E'
temperature, BCD 123 in tenths -> 12.300000000000000710542735760100185871124267578125
volume, BCD 1000000123 in litres -> 1000000.123000000021420419216156005859375
due date 2026-12-31 -> 2026-12-31
due date FFFF, which is none -> 2027-15-31
E
