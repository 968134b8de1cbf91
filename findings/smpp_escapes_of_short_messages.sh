#!/usr/bin/env bash
# SMPP 3.4, the protocol for short messages (SMS): smpplib 2.2.4 and aiosmpplib
# 0.7.4 of PyPI, and smpp 0.5.1 of npm.
#
# Surprise: in GSM's alphabet the euro sign has two septets, an escape and 'e'.
# smpplib cuts between them, which 3GPP TS 23.040 forbids in 9.2.3.24.1: npm's
# smpp reads an escape character and an 'e', aiosmpplib fails. aiosmpplib counts
# characters: 120 euro signs are one message to it, though 240 septets need two.
# The alphabet has no backtick: smpplib sends one as '§', without an error, and
# takes '§', which the alphabet has, for foreign. npm's smpp writes GSM's
# alphabet under data_coding 1, which is ASCII (5.2.19), and reads ASCII as GSM's
# alphabet: '_' and '@' become control characters one way, '§' and '¡' the other.
#
# For gopiper: a component for SMPP joins the parts' bytes and decodes after
# that, splits by septets and never behind an escape, and fails on a character
# that the alphabet lacks. What data_coding 1 means is an option of each peer.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install smpplib==2.2.4 aiosmpplib==0.7.4
npm install --silent --no-audit --no-fund --prefix . smpp@0.5.1
cat > npm.js <<'E'
const {PDU} = require('smpp');
const show = text => JSON.stringify(text.replace(/(.)\1{9,}/g, (all, c) => `${c}*${all.length}`));
if (process.argv[2] == 'write') {
    console.log(new PDU('submit_sm', {short_message: 'a_b@c'}).toBuffer().toString('hex'));
} else {
    const [coding, esm, ...parts] = process.argv.slice(3);
    const read = parts.map(part => PDU.fromBuffer(new PDU('submit_sm', {
        data_coding: +coding, esm_class: +esm, short_message: Buffer.from(part, 'hex')}).toBuffer()).short_message.message);
    console.log('  npm reads', read.map(show).join(' + '));
}
E
cat > python.py <<'E'
import subprocess
from aiosmpplib.codec import GSM7BitCodec
from aiosmpplib.protocol import SmppMessage, SubmitSm
from aiosmpplib.utils import split_sms_udh
from smpplib.gsm import make_parts

def npm(*arguments):
    return subprocess.check_output(["node", "npm.js", *map(str, arguments)], text=True).rstrip()

for name, text in ("a`b",) * 2, ("a§b",) * 2, ("a*152 + €5", "a" * 152 + "€5" + "b" * 6):
    parts, coding, esm = make_parts(text)
    bodies = [part[6:] if esm else part for part in parts]
    print("smpplib", name, "data_coding", coding, "parts end with", [body[-3:].hex() for body in bodies])
    print(npm("read", coding, esm, *(part.hex() for part in parts)))
    if coding == 0:
        for read in dict.fromkeys((bodies[0], b"".join(bodies))):
            try:
                print("  aiosmpplib reads", GSM7BitCodec().decode(read)[0][-9:])
            except UnicodeDecodeError as e:
                print("  aiosmpplib fails:", e.reason)
print("aiosmpplib €*120 octets", [len(part) - 1 for part in split_sms_udh("€" * 120)])
pdu = bytes.fromhex(npm("write"))
print("npm a_b@c data_coding", pdu[-8], "octets", pdu[-5:].hex(" "))
print("  aiosmpplib reads", ascii(SubmitSm.from_pdu(pdu, SmppMessage.parse_header(pdu[:16]), "gsm0338", {}).short_message))
print("ascii a_b@c data_coding 1")
print(npm("read", 1, 0, b"a_b@c".hex()))
E
v/bin/python python.py > seen
cat seen
diff -u - seen <<'E'
smpplib a`b data_coding 0 parts end with ['615f62']
  npm reads "a§b"
  aiosmpplib reads a§b
smpplib a§b data_coding 8 parts end with ['a70062']
  npm reads "a§b"
smpplib a*152 + €5 data_coding 0 parts end with ['61611b', '626262']
  npm reads "a*152\u001b" + "e5bbbbbb"
  aiosmpplib fails: Sequence ends with escape
  aiosmpplib reads a€5bbbbbb
aiosmpplib €*120 octets [240]
npm a_b@c data_coding 1 octets 61 11 62 00 63
  aiosmpplib reads 'a\x11b\x00c'
ascii a_b@c data_coding 1
  npm reads "a§b¡c"
E
