#!/usr/bin/env bash
# SenML (RFC 8428, sensors' measurements as JSON): senml 0.1.0 and kpn-senml
# 1.0.1 of PyPI.
#
# Surprise: a record's base fields hold for it and the ones behind it, until
# another record changes them (4.1). A gateway thus sends two stations in one
# pack. senml takes the first record's base fields for all: the second station's
# humidity becomes the first one's, in degrees Celsius and an hour early, and so
# it is written again. kpn-senml's callback gets the right station, but no time
# and no unit. A base value behind the first is overlooked by both: 20.5 becomes
# 40.5. A name may be all in 'bn', without 'n', and data ('vd') is valid too:
# kpn-senml fails at both, senml at the second.
#
# For gopiper: a component for SenML resolves every record (4.6) before it splits
# a pack, for a record alone says neither whose it is nor when it was. A test has
# a pack in which each base field changes, and a record without 'n'.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install senml==0.1.0 kpn-senml==1.0.1
v/bin/python - > seen <<'E'
import json
from kpn_senml import SenmlPack
from senml import SenMLDocument

def show(title, pack):
    print(title)
    try:
        document = SenMLDocument.from_json(pack)
        for m in document.measurements:
            m = m.to_absolute(document.base)
            print("  senml:", m.name, m.time, m.unit, m.value)
        print("  senml writes", [{key: value for key, value in r.items() if key != "bver"} for r in document.to_json()][1:])
    except Exception as e:
        print("  senml fails:", repr(e))
    try:
        callback = lambda r, device: print("  kpn-senml:", device and device.name, r.name, r.time, r.unit, r.value)
        SenmlPack("gateway", callback).from_json(json.dumps(pack))
    except Exception as e:
        print("  kpn-senml fails:", repr(e))

show("Two stations", [
    {"bn": "station1:", "bt": 1759320000, "bu": "Cel", "n": "temperature", "v": 20.5},
    {"n": "temperature", "t": -60, "v": 20.25},
    {"bn": "station2:", "bt": 1759323600, "bu": "%RH", "n": "humidity", "v": 40},
    {"n": "humidity", "t": -60, "v": 41},
])
show("A second base value", [
    {"bn": "station1:", "bt": 1759320000, "bv": 20, "n": "temperature", "v": 0.25},
    {"bv": 0, "n": "temperature", "t": 60, "v": 20.5},
])
show("A name in 'bn'", [{"bn": "station1", "t": 1759320000, "u": "Cel", "v": 20.5}])
show("Data", [{"bn": "station1:", "n": "serial", "t": 1759320000, "vd": "AQID"}])
E
cat seen
diff -u - seen <<'E'
Two stations
  senml: station1:temperature 1759320000.0 Cel 20.5
  senml: station1:temperature 1759319940 Cel 20.25
  senml: station1:humidity 1759320000.0 Cel 40.0
  senml: station1:humidity 1759319940 Cel 41.0
  senml writes [{'n': 'temperature', 't': -60.0, 'v': 20.25}, {'n': 'humidity', 'v': 40.0}, {'n': 'humidity', 't': -60.0, 'v': 41.0}]
  kpn-senml: station1: temperature None None 20.5
  kpn-senml: station1: temperature None None 20.25
  kpn-senml: station2: humidity None None 40
  kpn-senml: station2: humidity None None 41
A second base value
  senml: station1:temperature 1759320000.0 None 20.25
  senml: station1:temperature 1759320060 None 40.5
  senml writes [{'n': 'temperature', 't': 60.0, 'v': 20.5}]
  kpn-senml: station1: temperature None None 20.25
  kpn-senml: station1: temperature None None 40.5
A name in 'bn'
  senml: station1 1759320000.0 Cel 20.5
  senml writes []
  kpn-senml fails: KeyError('n')
Data
  senml fails: TypeError('string argument without an encoding')
  kpn-senml fails: KeyError('vb')
E
