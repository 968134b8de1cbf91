#!/usr/bin/env bash
# nmea 0.8.0 (Rust), and pynmea2 1.19.0 (Python) beside it, with valid
# sentences of GPS receivers.
#
# Surprise: the crate refuses whole sentences of today's receivers. GNS has a
# letter for each satellite system: two are read, four are an error (NMEA 4.10,
# any receiver of four systems). GBS begins with two errors in metres, which the
# crate takes for a latitude and a longitude: none can be read. GSV of a system
# without a satellite and GLL without a mode (NMEA 2.0) are errors, and so is
# the leap second's 60. pynmea2 reads all of them, save that it leaves this last
# time as a text.
#
# For gopiper: a source that fails on unreadable sentences fails forever with
# such a receiver. The sentence's text and the result of its checksum are always
# sent on, and the values of the fields that could be read are added.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
cat > bodies <<'E'
GNGNS,014035.00,4332.69262,S,17235.48549,E,AA,13,0.9,25.63,11.24,,
GNGNS,014035.00,4332.69262,S,17235.48549,E,AANN,13,0.9,25.63,11.24,,,V
GPGBS,015509.00,-0.031,-0.186,0.219,19,0.000,-0.354,6.972
GPGSV,1,1,01,21,00,000,00
GPGSV,1,1,00
GPGLL,4916.45,N,12311.12,W,225444,A,A
GPGLL,4916.45,N,12311.12,W,225444,A
GPRMC,235959,A,4807.038,N,01131.000,E,022.4,084.4,311216,003.1,W
GPRMC,235960,A,4807.038,N,01131.000,E,022.4,084.4,311216,003.1,W
E
python3 -m venv v; v/bin/pip -q install pynmea2==1.19.0
v/bin/python - > lines <<'E'
import functools, operator
import pynmea2
for body in open("bodies").read().splitlines():
    line = f"${body}*{functools.reduce(operator.xor, body.encode()):02X}"
    print(type(pynmea2.parse(line, check=True)).__name__, line)
E
cargo init -q --vcs none --name finding
cargo add -q nmea@=0.8.0
cat > src/main.rs <<'E'
fn main() {
    for line in std::fs::read_to_string("lines").unwrap().lines() {
        let (python, sentence) = line.split_once(' ').unwrap();
        let rust = if nmea::parse_str(sentence).is_ok() { "read" } else { "error" };
        println!("{sentence}: pynmea2 {python}, nmea {rust}");
    }
}
E
CARGO_PROFILE_DEV_DEBUG=0 cargo run -q --target-dir t > seen
cat seen
diff -u - seen <<'E'
$GNGNS,014035.00,4332.69262,S,17235.48549,E,AA,13,0.9,25.63,11.24,,*70: pynmea2 GNS, nmea read
$GNGNS,014035.00,4332.69262,S,17235.48549,E,AANN,13,0.9,25.63,11.24,,,V*0A: pynmea2 GNS, nmea error
$GPGBS,015509.00,-0.031,-0.186,0.219,19,0.000,-0.354,6.972*4D: pynmea2 GBS, nmea error
$GPGSV,1,1,01,21,00,000,00*4B: pynmea2 GSV, nmea read
$GPGSV,1,1,00*79: pynmea2 GSV, nmea error
$GPGLL,4916.45,N,12311.12,W,225444,A,A*5C: pynmea2 GLL, nmea read
$GPGLL,4916.45,N,12311.12,W,225444,A*31: pynmea2 GLL, nmea error
$GPRMC,235959,A,4807.038,N,01131.000,E,022.4,084.4,311216,003.1,W*6F: pynmea2 RMC, nmea read
$GPRMC,235960,A,4807.038,N,01131.000,E,022.4,084.4,311216,003.1,W*65: pynmea2 RMC, nmea error
E
