#!/usr/bin/env bash
# paho-mqtt 2.2.0 (Python), with a broker of forty lines that acknowledges and
# records each message.
#
# Surprise: publish() without a connection returns rc 4, 'The client is not
# currently connected', for any QoS. With QoS 0 the message is gone. With QoS 1
# it is not: it is kept and sent after the connection is there, although rc was
# the same. And it is sent after newer ones: messages published between
# connect() and the server's answer have rc 0 and go first.
#
# For gopiper: an MQTT peer that treats rc as failure and publishes again sends
# each message twice, as two messages without the DUP flag, so a source cannot
# tell. Order of one topic does not hold over a connection's beginning. A sink
# of ours reports a message by its acknowledgement alone.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install paho-mqtt==2.2.0
v/bin/python - > seen <<'E'
import socket, struct, threading, time
import paho.mqtt.client as mqtt

came = []

def packet(stream):
    kind = stream.read(1)[0]
    size = shift = 0
    while True:
        byte = stream.read(1)[0]
        size |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return kind, stream.read(size)

def broker(listener):
    peer = listener.accept()[0]
    stream = peer.makefile("rb")
    while True:
        kind, data = packet(stream)
        if kind >> 4 == 1:
            time.sleep(0.3)
            peer.sendall(b"\x20\x02\x00\x00")
        elif kind >> 4 == 3:
            at = 2 + struct.unpack(">H", data[:2])[0]
            if kind & 6:
                peer.sendall(b"\x40\x02" + data[at:at + 2])
                at += 2
            came.append(f"QoS {kind >> 1 & 3}, {'DUP, ' if kind & 8 else ''}{data[at:].decode()}")
        elif kind >> 4 == 14:
            return

listener = socket.create_server(("127.0.0.1", 0))
thread = threading.Thread(target=broker, args=(listener,))
thread.start()
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="finding")

def publish(text):
    for qos in (0, 1):
        rc = client.publish("t", text, qos=qos).rc
        print(f"publish QoS {qos}, {text}: rc {rc}, {mqtt.error_string(rc)}")

publish("before connect()")
client.connect("127.0.0.1", listener.getsockname()[1])
publish("before the answer")
client.loop_start()
time.sleep(1.5)
client.disconnect()
thread.join()
print("The broker has:", *came, sep="\n    ")
E
cat seen
diff -u - seen <<'E'
publish QoS 0, before connect(): rc 4, The client is not currently connected.
publish QoS 1, before connect(): rc 4, The client is not currently connected.
publish QoS 0, before the answer: rc 0, No error.
publish QoS 1, before the answer: rc 0, No error.
The broker has:
    QoS 0, before the answer
    QoS 1, before the answer
    QoS 1, before connect()
E
