#!/usr/bin/env bash
# syslog_rfc5424 0.10.0 and syslog_loose 0.23.0 (Rust), with two valid messages
# of RFC 5424.
#
# Surprise: a parameter may occur several times in one element; the RFC's own
# 'origin' does so for a host with two addresses. syslog_rfc5424 keeps the last
# one only; syslog_loose keeps both. A backslash before another character than
# " \ ] is only a backslash. Of C:\new syslog_rfc5424 makes C:new, and
# syslog_loose makes C:, a line feed and ew (Rust's {:?} would show a backslash
# as two). Both leave the byte order mark, which says 'this is UTF-8', at the
# beginning of the text.
#
# For gopiper: structured data is a list of pairs and no map, in the message
# that a source makes of it too. We undo its escapes ourselves, and only three
# of them. The mark is taken off, else a match at the text's beginning fails.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
cargo init -q --vcs none --name finding
cargo add -q syslog_rfc5424@=0.10.0 syslog_loose@=0.23.0
cat > src/main.rs <<'E'
fn main() {
    for line in [
        r#"<13>1 2026-11-29T12:00:00Z host app 1 - [origin ip="192.0.2.1" ip="192.0.2.2"][x@1 path="C:\new" mark="a\]b"] hello"#,
        "<13>1 2026-11-29T12:00:00Z host app 1 - - \u{feff}hello",
    ] {
        let strict = syslog_rfc5424::parse_message(line).unwrap();
        println!("syslog_rfc5424: {:?} {:?}", strict.sd, strict.msg);
        let loose = syslog_loose::parse_message(line, syslog_loose::Variant::RFC5424);
        println!("syslog_loose: {:?} {:?}", loose.structured_data.iter().map(|e| (e.id, e.params().collect::<Vec<_>>())).collect::<Vec<_>>(), loose.msg);
    }
}
E
CARGO_PROFILE_DEV_DEBUG=0 cargo run -q --target-dir t > seen
cat seen
diff -u - seen <<'E'
syslog_rfc5424: StructuredData { elements: {"origin": {"ip": "192.0.2.2"}, "x@1": {"mark": "a]b", "path": "C:new"}} } "hello"
syslog_loose: [("origin", [("ip", "192.0.2.1"), ("ip", "192.0.2.2")]), ("x@1", [("path", "C:\new"), ("mark", "a]b")])] "hello"
syslog_rfc5424: StructuredData { elements: {} } "\u{feff}hello"
syslog_loose: [] "\u{feff}hello"
E
