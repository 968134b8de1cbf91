#!/usr/bin/env bash
# ais 0.12.0 (Rust) and pyais 3.3.1 (Python), with two ships' names and
# destinations (message 5, in two parts each) on the channels A and B.
#
# Surprise: both may have the same sequence number, as each receiver counts
# from 0 to 9 on its own. When the parts come interleaved, the crate takes the
# second ship's first part and the first ship's second part for one message:
# BRAVO goes to 'SINGAPORE EUROPOORT'. Its own second part is then an error.
# pyais goes by the channel and reads both. When the parts of one message come
# in the other order (UDP, two receivers), the crate has an error and nothing
# more, and pyais' stream silently has nothing.
#
# For gopiper: an AIS source joins parts by talker, channel, sequence number,
# count and sender, in any order, and drops an unfinished one after some
# seconds, counted. Two ships in one message are worse than a loss.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install pyais==3.3.1
cat > lines.py <<'E'
from pyais import IterMessages
from pyais.encode import encode_dict

def ship(channel, **of):
    return encode_dict({"type": 5, "ship_type": 70, **of}, talker_id="AI", radio_channel=channel, seq_id=3)

a = ship("A", mmsi=211000001, shipname="ALPHA", destination="ROTTERDAM EUROPOORT")
b = ship("B", mmsi=219000002, shipname="BRAVO", destination="SINGAPORE EAST")
orders = {"one by one": a + b, "interleaved": [a[0], b[0], a[1], b[1]], "swapped": [a[1], a[0]]}
for name, lines in orders.items():
    open(name, "w").write("\n".join(lines) + "\n")
    read = [m.decode() for m in IterMessages(line.encode() for line in lines)]
    print(f"pyais, {name}:", [f"{m.shipname} to {m.destination}" for m in read])
E
v/bin/python lines.py > seen
cargo init -q --vcs none --name finding
cargo add -q ais@=0.12.0
cat > src/main.rs <<'E'
use ais::{AisFragments, AisParser, messages::AisMessage};
fn main() {
    for name in ["one by one", "interleaved", "swapped"] {
        let mut parser = AisParser::new();
        for line in std::fs::read_to_string(name).unwrap().lines() {
            match parser.parse(line.as_bytes(), true) {
                Ok(AisFragments::Incomplete(_)) => {}
                Ok(AisFragments::Complete(sentence)) => match sentence.message {
                    Some(AisMessage::StaticAndVoyageRelatedData(m)) => println!("ais, {name}: {} {} to {}", m.mmsi, m.vessel_name.trim(), m.destination.trim()),
                    other => println!("ais, {name}: {other:?}"),
                },
                Err(error) => println!("ais, {name}: {error}"),
            }
        }
    }
}
E
CARGO_PROFILE_DEV_DEBUG=0 cargo run -q --target-dir t >> seen
cat seen
diff -u - seen <<'E'
pyais, one by one: ['ALPHA to ROTTERDAM EUROPOORT', 'BRAVO to SINGAPORE EAST']
pyais, interleaved: ['ALPHA to ROTTERDAM EUROPOORT', 'BRAVO to SINGAPORE EAST']
pyais, swapped: []
ais, one by one: 211000001 ALPHA to ROTTERDAM EUROPOORT
ais, one by one: 219000002 BRAVO to SINGAPORE EAST
ais, interleaved: 219000002 BRAVO to SINGAPORE EUROPOORT
ais, interleaved: Error parsing NMEA content: Fragment numbers out of sequence
ais, swapped: Error parsing NMEA content: Message ID out of sequence
E
