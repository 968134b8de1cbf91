//! Lines that programs write, and readers do not expect.

use fastrand::Rng;

/// The deepest JSON that a message may hold.
const DEEPEST: usize = 128;

/// A line with this number, of any sort.
pub(super) fn line(random: &mut Rng, number: u64) -> String {
    let odd = number_of(random);
    match random.u8(0..12) {
        0 => format!("{{\"id\":{number},\"odd\":"),
        1 => format!("{{\"id\":{number},\"odd\":{odd}}} and more"),
        2 => format!("{{\"id\":{number}}}\r"),
        3 => format!("{{\"id\":{number},\"deep\":{}}}", nested(random.usize(1..=DEEPEST + 1))),
        4 => format!("{{\"id\":{number},\"odd\":1,\"odd\":{odd},\"1\":{{\"01\":[{odd}]}}}}"),
        5 => format!(
            "{{\"id\":{number},\"odd\":{odd},\"text\":\"{}\"}}",
            "x".repeat(random.usize(0..20_000))
        ),
        6 => format!("{{\"id\":{number},\"odd\":\"\\u0000\\ud83d\\ude00 \\/\",\"a/b~c.d\":{odd}}}"),
        _ => format!("{{\"id\":{number},\"odd\":{odd}}}"),
    }
}

/// A number as JSON has it, or nearly.
fn number_of(random: &mut Rng) -> &'static str {
    let all = [
        "0",
        "-0",
        "1.0",
        "1e300",
        "-1E-300",
        "1e999",
        "9007199254740993",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775809",
        "0.1",
        "123456789012345678901234567890",
        "null",
        "true",
        "[]",
        "{}",
        "\"nan\"",
        "\"-inf\"",
        "NaN",
        "00",
        "+1",
        ".5",
    ];
    random.choice(all).unwrap_or("0")
}

fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

/// The number of a line, however odd.
pub(super) fn number(line: &[u8]) -> Option<u64> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let rest = line.strip_prefix(b"{\"id\":")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}
