#!/usr/bin/env bash
# scapy 2.8.0, dpkt 1.9.8 and python-pcapng 2.1.1 (Python), pcap-file 2.0.0 and
# 3.0.0-rc.3 (Rust), with pcapng files of one packet each.
#
# Surprise: an interface says how its clock counts (if_tsresol) and how many
# seconds to add (if_tsoffset). pcap-file 2.0.0, the version that cargo takes,
# looks at neither: it takes each number for nanoseconds, so a capture of the
# usual kind, in microseconds, was made in January 1970. Its third version,
# not yet final, is right in that, but refuses a clock of 2^-32, which is valid.
# Of the Python libraries only dpkt adds the offset: with one of an hour scapy
# and python-pcapng are an hour off, without a word.
#
# For gopiper: the resolution and the offset belong to the interface, of which a
# file may have several. A pcapng source takes 64 bits times a fraction, not a
# power of ten, and keeps the offset apart until the end.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install scapy==2.8.0 dpkt==1.9.8 python-pcapng==2.1.1
cat > files.py <<'E'
import io, struct
import dpkt, pcapng
from scapy.utils import PcapNgReader

def option(code, value):
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)

def block(kind, body):
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

def capture(count, resolution=None, offset=None):
    options = b"" if resolution is None else option(9, bytes([resolution]))
    options += b"" if offset is None else option(14, struct.pack("<q", offset))
    options += option(0, b"") if options else b""
    packet = struct.pack("<IIIII", 0, count >> 32, count & 0xffffffff, 16, 16) + bytes(16)
    return (block(0x0a0d0d0a, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1))
            + block(1, struct.pack("<HHI", 1, 0, 65535) + options) + block(6, packet))

T = 1764404000
for name, data in (
    ("10^-6", capture(T * 10**6 + 500000)),
    ("10^-9", capture(T * 10**9 + 500000000, 9)),
    ("2^-20", capture((T << 20) + (1 << 19), 0x80 | 20)),
    ("2^-32", capture((T << 32) + (1 << 31), 0x80 | 32)),
    ("10^-6 and an hour", capture((T - 3600) * 10**6 + 500000, 6, 3600)),
):
    open(name, "wb").write(data)
    print(f"{name}: scapy {float(PcapNgReader(io.BytesIO(data)).read_packet().time)}, dpkt {next(iter(dpkt.pcapng.Reader(io.BytesIO(data))))[0]}, "
          f"python-pcapng {float([b for b in pcapng.FileScanner(io.BytesIO(data)) if hasattr(b, 'timestamp')][0].timestamp)}")
E
v/bin/python files.py > seen
cargo init -q --vcs none --name finding
cargo add -q --rename old pcap-file@=2.0.0
cargo add -q --rename new pcap-file@=3.0.0-rc.3
cat > src/main.rs <<'E'
use std::fs::File;
fn old(name: &str) -> String {
    let mut reader = old::pcapng::PcapNgReader::new(File::open(name).unwrap()).unwrap();
    while let Some(block) = reader.next_block() {
        match block {
            Ok(old::pcapng::Block::EnhancedPacket(packet)) => return format!("{:?}", packet.timestamp),
            Ok(_) => {}
            Err(error) => return error.to_string(),
        }
    }
    "none".into()
}
fn new(name: &str) -> String {
    let mut reader = new::pcapng::PcapNgReader::new(File::open(name).unwrap()).unwrap();
    while let Some(block) = reader.next_block() {
        match block {
            Ok((new::pcapng::Block::EnhancedPacket(packet), _)) => return format!("{:?}", packet.timestamp),
            Ok(_) => {}
            Err(error) => return error.to_string(),
        }
    }
    "none".into()
}
fn main() {
    for name in ["10^-6", "10^-9", "2^-20", "2^-32", "10^-6 and an hour"] {
        println!("{name}: pcap-file 2 {}, 3 {}", old(name), new(name));
    }
}
E
CARGO_PROFILE_DEV_DEBUG=0 cargo run -q --target-dir t >> seen
cat seen
diff -u - seen <<'E'
10^-6: scapy 1764404000.5, dpkt 1764404000.5, python-pcapng 1764404000.5
10^-9: scapy 1764404000.5, dpkt 1764404000.5, python-pcapng 1764404000.5
2^-20: scapy 1764404000.5, dpkt 1764404000.5, python-pcapng 1764404000.5
2^-32: scapy 1764404000.5, dpkt 1764404000.5, python-pcapng 1764404000.5
10^-6 and an hour: scapy 1764400400.5, dpkt 1764404000.5, python-pcapng 1764400400.5
10^-6: pcap-file 2 1764404.0005s, 3 1764404000.5s
10^-9: pcap-file 2 1764404000.5s, 3 1764404000.5s
2^-20: pcap-file 2 1850111.689228288s, 3 1764404000.5s
2^-32: pcap-file 2 7578057479.079067648s, 3 Invalid content for block 'Interface Description Block' (0x1)
10^-6 and an hour: pcap-file 2 1764400.4005s, 3 1764404000.5s
E
