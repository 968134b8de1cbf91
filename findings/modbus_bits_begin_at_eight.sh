#!/usr/bin/env bash
# pymodbus 3.16.1 and pyModbusTCP 0.3.0 (Python), with a register of 1.
#
# Surprise: pymodbus' BITS of a register don't begin at its lowest bit: they
# are bits 8 to 15 and then 0 to 7, as two bytes of coils would be sent. So a
# register of 1 has its ninth element true, and setting the first one writes
# 256. pyModbusTCP has the lowest first. word_order='little' turns the order
# of registers for text too, and text loses the NULs at its end, but not those
# within it, so a field of fixed width comes back shorter than it was.
#
# For gopiper: a Modbus source that names flags by number says which bit it
# counts from, and its word order is for numbers alone. A flag word taken over
# from a configuration for pymodbus has its halves exchanged.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install pymodbus==3.16.1 pyModbusTCP==0.3.0
v/bin/python - > seen <<'E'
from pyModbusTCP.utils import get_bits_from_int
from pymodbus.client.mixin import ModbusClientMixin as modbus

BITS, STRING, UINT32 = modbus.DATATYPE.BITS, modbus.DATATYPE.STRING, modbus.DATATYPE.UINT32
for register in (0x0001, 0x0100):
    first = [i for i, bit in enumerate(modbus.convert_from_registers([register], BITS)) if bit]
    other = [i for i, bit in enumerate(get_bits_from_int(register, 16)) if bit]
    print(f"register {register:#06x}: pymodbus has bit {first}, pyModbusTCP bit {other}")
print("pymodbus writes for the first bit of 16:", modbus.convert_to_registers([True] + [False] * 15, BITS))
for order in ("big", "little"):
    number = modbus.convert_to_registers(0x00010002, UINT32, word_order=order)
    text = modbus.convert_to_registers("pump 7", STRING, word_order=order)
    print(f"{order}: 0x00010002 is {number}, 'pump 7' is {b''.join(r.to_bytes(2, 'big') for r in text)}")
print("'a', NUL, 'b', NUL is read as", repr(modbus.convert_from_registers([0x6100, 0x6200], STRING)))
E
cat seen
diff -u - seen <<'E'
register 0x0001: pymodbus has bit [8], pyModbusTCP bit [0]
register 0x0100: pymodbus has bit [0], pyModbusTCP bit [8]
pymodbus writes for the first bit of 16: [256]
big: 0x00010002 is [1, 2], 'pump 7' is b'pump 7'
little: 0x00010002 is [2, 1], 'pump 7' is b' 7mppu'
'a', NUL, 'b', NUL is read as 'a\x00b'
E
