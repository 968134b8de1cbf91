#!/usr/bin/env bash
# rumqttc 0.25.1 (Rust), with a broker of a few lines that has one message of
# 20 KB with QoS 1 for a session that is kept.
#
# Surprise: a packet of more than 10 KiB is an error for this client by default
# (set_max_packet_size), and the error ends the connection. With MQTT 3.1.1 the
# client cannot announce such a limit to the broker, so it connects again,
# receives the same message first, and disconnects again, forever: one larger
# message stops all messages after it.
#
# For gopiper: an MQTT source sets the limit itself, to what its messages may
# be at most, and a larger message has to be taken, acknowledged and reported as
# failed. The same error several times in a row without a message between is
# not a fault of the network.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
cargo init -q --vcs none --name finding
cargo add -q rumqttc@=0.25.1 --no-default-features
cat > src/main.rs <<'E'
use rumqttc::{Client, Event, MqttOptions, Packet};
use std::{io::{Read, Write}, net::{TcpListener, TcpStream}, thread};
fn broker(mut peer: TcpStream, size: usize) {
    let mut buffer = [0; 1024];
    let _ = peer.read(&mut buffer);
    let rest = 5 + size; // topic "t" and the packet's identifier
    let mut packet = vec![0x20, 2, 1, 0, 0x32, rest as u8 | 128, (rest >> 7) as u8 | 128, (rest >> 14) as u8, 0, 1, b't', 0, 7];
    packet.resize(packet.len() + size, b'x');
    let _ = peer.write_all(&packet);
    while peer.read(&mut buffer).is_ok_and(|n| n > 0) {
        println!("    broker: {}", if buffer[0] == 0x40 { "acknowledged" } else { "something else" });
    }
}
fn run(size: usize, limit: Option<usize>, events: usize) {
    println!("{size} bytes, limit {limit:?}");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = MqttOptions::new("finding", "127.0.0.1", listener.local_addr().unwrap().port());
    options.set_clean_session(false);
    if let Some(limit) = limit {
        options.set_max_packet_size(limit, limit);
    }
    thread::spawn(move || listener.incoming().for_each(|peer| broker(peer.unwrap(), size)));
    let (_client, mut connection) = Client::new(options, 10);
    for event in connection.iter().take(events) {
        match event {
            Ok(Event::Incoming(Packet::Publish(p))) => println!("    a message of {} bytes", p.payload.len()),
            Ok(Event::Incoming(Packet::ConnAck(_))) => println!("    connected"),
            Ok(_) => {}
            Err(error) => println!("    {error}"),
        }
    }
    thread::sleep(std::time::Duration::from_millis(200));
}
fn main() {
    run(20_000, None, 6);
    run(20_000, Some(100_000), 3);
}
E
CARGO_PROFILE_DEV_DEBUG=0 cargo run -q --target-dir t > seen
cat seen
diff -u - seen <<'E'
20000 bytes, limit None
    connected
    Mqtt state: Mqtt serialization/deserialization error: payload size limit exceeded: 20005
    connected
    Mqtt state: Mqtt serialization/deserialization error: payload size limit exceeded: 20005
    connected
    Mqtt state: Mqtt serialization/deserialization error: payload size limit exceeded: 20005
20000 bytes, limit Some(100000)
    connected
    broker: acknowledged
    a message of 20000 bytes
E
