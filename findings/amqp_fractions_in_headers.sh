#!/usr/bin/env bash
# AMQP 0-9-1 (RabbitMQ) headers of three Python libraries: pika 1.4.4,
# amqp 5.4.2 (under kombu) and pamqp 4.0.1 (under aio-pika).
#
# Surprise: pika cuts each float and double that it reads to a whole number:
# 0.75 is 0, also in a list, and -0.5 is 0. There is no error. It cannot write a
# float; only Decimal passes through all three. pamqp writes a float with 32
# bits: 0.1 arrives as 0.10000000149011612, and a time in seconds of today is
# 32.5 seconds off. amqp writes 64 bits.
#
# For gopiper: an AMQP sink writes a fraction in a header as text or as a
# decimal, because it cannot know the consumer's library. A source does not make
# a time of a 32-bit float. A test has 0.75 and a time in both widths.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install pika==1.4.4 amqp==5.4.2 pamqp==4.0.1
v/bin/python - > seen <<'E'
from decimal import Decimal
import amqp.serialization, pamqp.decode, pamqp.encode, pika.data, pika.exceptions

def pika_write(table):
    pieces = []
    pika.data.encode_table(pieces, table)
    return b"".join(pieces)

writers = {
    "amqp": lambda table: amqp.serialization.dumps("F", (table,)),
    "pamqp": pamqp.encode.field_table,
    "pika": pika_write,
}
readers = {
    "amqp": lambda data: amqp.serialization.loads("F", data, 0)[0][0],
    "pamqp": lambda data: pamqp.decode.field_table(data)[1],
    "pika": lambda data: pika.data.decode_table(data, 0)[0],
}
for value in (0.75, -0.5, [0.75], 0.1, 1764404000.5, Decimal("0.75")):
    for writer, write in writers.items():
        try:
            data = write({"h": value})
        except pika.exceptions.UnsupportedAMQPFieldException:
            print(f"{value} of {writer}: UnsupportedAMQPFieldException")
            continue
        print(f"{value} of {writer}:", ", ".join(f"{name} reads {read(data)['h']}" for name, read in readers.items()))
E
cat seen
diff -u - seen <<'E'
0.75 of amqp: amqp reads 0.75, pamqp reads 0.75, pika reads 0
0.75 of pamqp: amqp reads 0.75, pamqp reads 0.75, pika reads 0
0.75 of pika: UnsupportedAMQPFieldException
-0.5 of amqp: amqp reads -0.5, pamqp reads -0.5, pika reads 0
-0.5 of pamqp: amqp reads -0.5, pamqp reads -0.5, pika reads 0
-0.5 of pika: UnsupportedAMQPFieldException
[0.75] of amqp: amqp reads [0.75], pamqp reads [0.75], pika reads [0L]
[0.75] of pamqp: amqp reads [0.75], pamqp reads [0.75], pika reads [0L]
[0.75] of pika: UnsupportedAMQPFieldException
0.1 of amqp: amqp reads 0.1, pamqp reads 0.1, pika reads 0
0.1 of pamqp: amqp reads 0.10000000149011612, pamqp reads 0.10000000149011612, pika reads 0
0.1 of pika: UnsupportedAMQPFieldException
1764404000.5 of amqp: amqp reads 1764404000.5, pamqp reads 1764404000.5, pika reads 1764404000
1764404000.5 of pamqp: amqp reads 1764403968.0, pamqp reads 1764403968.0, pika reads 1764403968
1764404000.5 of pika: UnsupportedAMQPFieldException
0.75 of amqp: amqp reads 0.75, pamqp reads 0.75, pika reads 0.75
0.75 of pamqp: amqp reads 0.75, pamqp reads 0.75, pika reads 0.75
0.75 of pika: amqp reads 0.75, pamqp reads 0.75, pika reads 0.75
E
