#!/usr/bin/env bash
# mido 1.3.3 (Python), its parser for a stream of MIDI bytes and its reader of
# standard MIDI files.
#
# Surprise: running status (a chord's later notes leave the status byte out)
# is read in files but not in a stream: of three notes one comes out, the
# others vanish without a word. A clock byte may come anywhere, so also between
# the two data bytes of a note: then the note is gone and the clock stays.
# Within a system exclusive message the same byte does no harm. In a file, the
# continuation of such a message (event F7) comes out as a second one, whose
# first data byte then passes for a manufacturer; and a file that brings a song
# select in an F7 event, as the standard has it, is refused.
#
# For gopiper: a MIDI source keeps the running status over reads, takes
# F8..FF out before anything else, and knows F7 packets. Every serial port and
# every sequencer sends all three; mido cannot be the other side of its test.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install mido==1.3.3
v/bin/python - > seen <<'E'
import io, struct
import mido

def stream(text):
    parser = mido.Parser()
    parser.feed(bytes.fromhex(text))
    print(f"stream {text}:", "; ".join(map(str, parser)))

def file(text):
    track = bytes.fromhex(text)
    data = b"MThd" + struct.pack(">IHHH", 6, 0, 1, 96) + b"MTrk" + struct.pack(">I", len(track)) + track
    try:
        print(f"file {text}:", "; ".join(str(m) for m in mido.MidiFile(file=io.BytesIO(data)).tracks[0] if not m.is_meta))
    except ValueError as error:
        print(f"file {text}: ValueError: {error}")

stream("90 3c 40 90 40 40 90 43 40")
stream("90 3c 40 40 40 43 40")
file("00 90 3c 40 00 40 40 00 43 40 00 ff 2f 00")
stream("90 3c f8 40")
stream("f0 01 f8 02 f7")
file("00 f0 03 43 12 00 0a f7 03 7d 12 f7 00 ff 2f 00")
file("00 f7 02 f3 01 00 ff 2f 00")
E
cat seen
diff -u - seen <<'E'
stream 90 3c 40 90 40 40 90 43 40: note_on channel=0 note=60 velocity=64 time=0; note_on channel=0 note=64 velocity=64 time=0; note_on channel=0 note=67 velocity=64 time=0
stream 90 3c 40 40 40 43 40: note_on channel=0 note=60 velocity=64 time=0
file 00 90 3c 40 00 40 40 00 43 40 00 ff 2f 00: note_on channel=0 note=60 velocity=64 time=0; note_on channel=0 note=64 velocity=64 time=0; note_on channel=0 note=67 velocity=64 time=0
stream 90 3c f8 40: clock time=0
stream f0 01 f8 02 f7: clock time=0; sysex data=(1,2) time=0
file 00 f0 03 43 12 00 0a f7 03 7d 12 f7 00 ff 2f 00: sysex data=(67,18,0) time=0; sysex data=(125,18) time=10
file 00 f7 02 f3 01 00 ff 2f 00: ValueError: data byte must be in range 0..127
E
