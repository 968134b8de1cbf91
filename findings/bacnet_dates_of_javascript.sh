#!/usr/bin/env bash
# BACnet: node-bacnet 0.2.4 and @bacnet-js/client 3.3.2 of npm, and bacpypes3
# 0.0.110 of PyPI, which read what a device answers by UDP.
#
# Surprise: node-bacnet reads each date a month late: a device that says 30
# November is read as 30 December. In a pattern 255 stands for 'any': 25
# December of any year is January 2156 for one library and the first of January
# 1900 for the other. A time without seconds (12:30) is read by both as
# 12:34:15, since they add 255 seconds. bacpypes3 keeps all of that apart.
#
# For gopiper: what comes from such a gateway is a date that looks right and is
# wrong. A source for BACnet needs the four bytes, or a type with 'any' in it.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip -q install bacpypes3==0.0.110
npm install --silent node-bacnet@0.2.4 @bacnet-js/client@3.3.2
cat > read.cjs <<'E'
const dgram = require('dgram');

const DEVICE = '127.0.0.7';
const VALUES = {
  56: [0xa4, 126, 11, 30, 1], // local-date: Monday, 30 November 2026
  57: [0xb4, 12, 30, 255, 255], // local-time: 12:30, without seconds
  35: [0xa4, 255, 12, 25, 255], // 25 December of any year
};
const device = dgram.createSocket('udp4');
device.on('message', (asked, from) => {
  const [invoke, property] = [asked[8], asked[asked.length - 1]];
  const object = [0x0c, 0x02, 0x00, 0x00, 0x01];
  const apdu = [0x30, invoke, 0x0c, ...object, 0x19, property, 0x3e, ...VALUES[property], 0x3f];
  device.send(Buffer.from([0x81, 0x0a, 0, apdu.length + 6, 0x01, 0x00, ...apdu]), from.port, from.address);
});
device.bind(47808, DEVICE, async () => {
  for (const name of ['node-bacnet', '@bacnet-js/client']) {
    const library = require(name);
    const client = new (library.default || library)({ port: 47820, interface: '127.0.0.1' });
    const read = (property) => new Promise((resolve, reject) => {
      const done = (error, answer) => (error ? reject(error) : resolve(answer.values[0].value));
      const object = { type: 8, instance: 1 };
      if (name === 'node-bacnet') client.readProperty(DEVICE, object, property, done);
      else client.readProperty({ address: DEVICE }, object, property).then((it) => done(null, it), reject);
    });
    console.log(name);
    console.log(' ', (await read(56)).toDateString());
    console.log(' ', (await read(35)).toDateString());
    console.log(' ', (await read(57)).toTimeString().slice(0, 8));
    await new Promise((resolve) => {
      client.close();
      setTimeout(resolve, 300);
    });
  }
  device.close();
});
E
TZ=UTC node read.cjs > seen
v/bin/python - >> seen <<'E'
from bacpypes3.primitivedata import Date, Time

print("bacpypes3")
for date in ((126, 11, 30, 1), (255, 12, 25, 255)):
    print(" ", Date(date))
print(" ", Time((12, 30, 255, 255)))
E
cat seen
diff -u - seen <<'E'
node-bacnet
  Wed Dec 30 2026
  Sun Jan 25 2156
  12:34:15
@bacnet-js/client
  Mon Nov 30 2026
  Mon Jan 01 1900
  12:34:15
bacpypes3
  2026-11-30 mon
  *-12-25 *
  12:30:*.*
E
