#!/usr/bin/env bash
# syslog 7.0.0 (Rust), the usual crate for a program that logs to syslog, over
# TCP, in both of its formats.
#
# Surprise: nothing is between two messages, neither a line feed nor a
# length before them nor a NUL. The next one's <14> follows the last one's text
# at once, and a line feed in the text is sent as it is: the only line feeds on
# the connection are not ends of lines. For a receiver that splits at line
# feeds the whole connection is one message, which ends when the peer leaves.
#
# For gopiper: a syslog source over TCP must have a limit of length and of time
# for a line that doesn't end, and says so in a counter. It cannot split at
# '<14>': a text may hold it. Framing is an option of each listener, not a
# guess.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
cargo init -q --vcs none --name finding
cargo add -q syslog@=7.0.0
cat > src/main.rs <<'E'
use std::{collections::BTreeMap, io::Read, net::TcpListener, thread};
use syslog::{Facility, Formatter3164, Formatter5424};
// What the peer got, without the time in it.
fn received(listener: TcpListener, send: impl FnOnce()) {
    let peer = thread::spawn(move || {
        let mut text = String::new();
        listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
        text
    });
    send();
    let text = peer.join().unwrap();
    let parts: Vec<_> = text.split("<14>").skip(1).map(|part| &part[part.find(" host ").unwrap()..]).collect();
    println!("{:?}", format!("<14>TIME{}", parts.join("<14>TIME")));
}
fn main() {
    let (hostname, process) = (Some("host".to_string()), "app".to_string());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let format = Formatter3164 { facility: Facility::LOG_USER, hostname: hostname.clone(), process: process.clone(), pid: 1 };
    received(listener, || {
        let mut log = syslog::tcp(format, address).unwrap();
        log.info("one\ntwo").unwrap();
        log.info("three").unwrap();
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let format = Formatter5424 { facility: Facility::LOG_USER, hostname, process, pid: 1 };
    received(listener, || {
        let mut log = syslog::tcp(format, address).unwrap();
        log.info((7, BTreeMap::new(), "one\ntwo")).unwrap();
        log.info((7, BTreeMap::new(), "three")).unwrap();
    });
}
E
CARGO_PROFILE_DEV_DEBUG=0 cargo run -q --target-dir t > seen
cat seen
diff -u - seen <<'E'
"<14>TIME host app[1]: one\ntwo<14>TIME host app[1]: three"
"<14>TIME host app 1 7 - one\ntwo<14>TIME host app 1 7 - three"
E
