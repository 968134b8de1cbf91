#!/usr/bin/env bash
# chrono 0.4.45, jiff 1.0.2 and time 0.3.55 (Rust), with times of RFC 3339.
#
# Surprise: three crates make three different numbers of 23:59:60. jiff goes
# back to :59, time stops at :59.999999999 and loses the fraction, and chrono
# goes on to the next minute in milliseconds and nanoseconds, but not in
# seconds: its timestamp() is one less than timestamp_millis() / 1000. Events
# at :60.1 and :60.2 are thus out of order with :59.9 (jiff), all one
# instant (time), or mixed with the next day's first second (chrono). chrono
# and jiff take :60 in any minute, time only at a month's end.
#
# For gopiper: components must not hand times on as text and each parse it with
# its own crate. One parser, and a test that nanoseconds, milliseconds and
# seconds agree for this time.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
cargo init -q --vcs none --name finding
cargo add -q chrono@=0.4.45 jiff@=1.0.2
cargo add -q time@=0.3.55 --features parsing
cat > src/main.rs <<'E'
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
fn main() {
    for text in ["2016-12-31T23:59:59.9Z", "2016-12-31T23:59:60.1Z", "2016-12-31T23:59:60.2Z", "2017-01-01T00:00:00.1Z", "2026-03-05T10:20:60Z"] {
        println!("{text}");
        let chrono = chrono::DateTime::parse_from_rfc3339(text).unwrap();
        println!("    chrono: {} ns, {} ms, {} s", chrono.timestamp_nanos_opt().unwrap(), chrono.timestamp_millis(), chrono.timestamp());
        println!("    jiff: {} ns", text.parse::<jiff::Timestamp>().unwrap().as_nanosecond());
        match OffsetDateTime::parse(text, &Rfc3339) {
            Ok(time) => println!("    time: {} ns", time.unix_timestamp_nanos()),
            Err(error) => println!("    time: {error}"),
        }
    }
}
E
CARGO_PROFILE_DEV_DEBUG=0 cargo run -q --target-dir t > seen
cat seen
diff -u - seen <<'E'
2016-12-31T23:59:59.9Z
    chrono: 1483228799900000000 ns, 1483228799900 ms, 1483228799 s
    jiff: 1483228799900000000 ns
    time: 1483228799900000000 ns
2016-12-31T23:59:60.1Z
    chrono: 1483228800100000000 ns, 1483228800100 ms, 1483228799 s
    jiff: 1483228799100000000 ns
    time: 1483228799999999999 ns
2016-12-31T23:59:60.2Z
    chrono: 1483228800200000000 ns, 1483228800200 ms, 1483228799 s
    jiff: 1483228799200000000 ns
    time: 1483228799999999999 ns
2017-01-01T00:00:00.1Z
    chrono: 1483228800100000000 ns, 1483228800100 ms, 1483228800 s
    jiff: 1483228800100000000 ns
    time: 1483228800100000000 ns
2026-03-05T10:20:60Z
    chrono: 1772706060000000000 ns, 1772706060000 ms, 1772706059 s
    jiff: 1772706059000000000 ns
    time: second was not in range
E
