#!/usr/bin/env bash
# HL7 v2 (hospital messages): hl7 0.4.5 of PyPI.
#
# Surprise: since version 2.7, MSH-2 may name a fifth character, for truncated
# values, and a field escapes that character as \P\. hl7 reads such a message,
# but its unescape() removes the escape and logs an error: 'a\P\b' becomes
# 'ab' and not 'a#b'. The other escapes of a field stay until unescape() is
# called: until then, 'a\T\b' is not 'a&b'.
#
# For gopiper: a parser of HL7 reads all characters of MSH-2, and leaves
# unknown escapes unchanged. Text is unescaped once, by the component that
# takes a field out of a message.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install hl7==0.4.5
cat > read.py <<'E'
import logging
import hl7

logging.disable(logging.CRITICAL)
message = hl7.parse("MSH|^~\\&#|LAB|H|EHR|H|20260101||ORU^R01|1|P|2.7\r"
                    "OBX|1|ST|X||a\\T\\b|\rOBX|2|ST|X||a\\P\\b|\r")
for segment in message["OBX"]:
    field = str(segment[5])
    print(field, "->", message.unescape(field))
E
v/bin/python read.py > seen
cat seen
diff -u - seen <<'E'
a\T\b -> a&b
a\P\b -> ab
E
