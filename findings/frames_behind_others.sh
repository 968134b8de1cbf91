#!/usr/bin/env bash
# lz4 4.4.5 and zstandard 0.25.0 (Python), lz4_flex 0.14.2 and ruzstd 0.9.1
# (Rust), with files of two frames, and of a skippable frame and a frame.
#
# Surprise: both formats are made to be concatenated, and a skippable frame may
# be anywhere. Within one library it depends on the function. lz4's
# frame.decompress gives the first frame only, and for a skippable frame in
# front nothing: no bytes and no error; its frame.open gives all. zstandard's
# decompress stops after the first frame, its stream reader doesn't, and a
# skippable frame in front is an error for the former. lz4_flex and ruzstd end
# after each frame as at an end of file, and a skippable one is an error.
#
# For gopiper: with these crates 'read until the end' reads one frame of many.
# A reader of compressed files continues until the input's end and skips
# skippable frames. Its test has one before, between and after two others.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install lz4==4.4.5 zstandard==0.25.0
v/bin/python - > seen <<'E'
import io, struct
import lz4.frame, zstandard

skippable = struct.pack("<II", 0x184d2a50, 4) + b"note"
readers = {
    "lz4": (lz4.frame.compress, {
        "frame.decompress": lz4.frame.decompress,
        "frame.open": lambda data: lz4.frame.open(io.BytesIO(data)).read()}),
    "zstd": (lambda data: zstandard.compress(data), {
        "decompress": lambda data: zstandard.ZstdDecompressor().decompress(data),
        "stream_reader": lambda data: zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read()}),
}
for kind, (compress, functions) in readers.items():
    one, two = compress(b"one "), compress(b"two")
    for name, data in (("two frames", one + two), ("skippable and frame", skippable + one)):
        open(f"{kind} {name}", "wb").write(data)
        for function, read in functions.items():
            try:
                print(f"{kind}, {name}, {function}: {read(data)}")
            except zstandard.ZstdError as error:
                print(f"{kind}, {name}, {function}: ZstdError: {error}")
E
cargo init -q --vcs none --name finding
cargo add -q lz4_flex@=0.14.2 ruzstd@=0.9.1
cat > src/main.rs <<'E'
use std::{fs::File, io::Read};
fn show(name: &str, read: impl FnOnce(&mut String) -> Result<usize, String>) {
    let mut text = String::new();
    let end = read(&mut text);
    println!("{name}: {text:?} {end:?}");
}
fn main() {
    for name in ["two frames", "skippable and frame"] {
        show(&format!("lz4_flex, {name}"), |text| lz4_flex::frame::FrameDecoder::new(File::open(format!("lz4 {name}")).unwrap()).read_to_string(text).map_err(|e| e.to_string()));
        show(&format!("ruzstd, {name}"), |text| {
            ruzstd::decoding::StreamingDecoder::new(File::open(format!("zstd {name}")).unwrap()).map_err(|e| e.to_string())?.read_to_string(text).map_err(|e| e.to_string())
        });
    }
}
E
CARGO_PROFILE_DEV_DEBUG=0 cargo run -q --target-dir t >> seen
cat seen
diff -u - seen <<'E'
lz4, two frames, frame.decompress: b'one '
lz4, two frames, frame.open: b'one two'
lz4, skippable and frame, frame.decompress: b''
lz4, skippable and frame, frame.open: b'one '
zstd, two frames, decompress: b'one '
zstd, two frames, stream_reader: b'one two'
zstd, skippable and frame, decompress: ZstdError: decompression error: decompressed 0 bytes; expected 4
zstd, skippable and frame, stream_reader: b'one '
lz4_flex, two frames: "one " Ok(4)
ruzstd, two frames: "one " Ok(4)
lz4_flex, skippable and frame: "" Err("SkippableFrame(4)")
ruzstd, skippable and frame: "" Err("SkipFrame { magic_number: 407710288, length: 4 }")
E
