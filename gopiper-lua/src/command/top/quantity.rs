//! Numbers in few columns.

/// A number in at most five columns: `0.25`, `12`, `1.2k`, `340k`, `5.1M`.
pub(super) fn short(value: f64) -> String {
    if value < 0.005 {
        return "0".into();
    }
    if value < 9.95 {
        let text = format!("{value:.*}", if value < 0.995 { 2 } else { 1 });
        return text.strip_suffix(".0").unwrap_or(&text).to_owned();
    }
    let mut value = value;
    for unit in ["", "k", "M", "G", "T", "P"] {
        if value < 9.95 {
            return format!("{value:.1}{unit}");
        }
        if value < 999.5 {
            return format!("{value:.0}{unit}");
        }
        value /= 1000.0;
    }
    format!("{value:.0}E")
}

/// Bytes in units of 1,024.
pub(super) fn bytes(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["B", "K", "M", "G", "T"] {
        if value < 9.95 && unit != "B" {
            return format!("{value:.1}{unit}");
        }
        if value < 1000.0 {
            return format!("{value:.0}{unit}");
        }
        value /= 1024.0;
    }
    format!("{value:.0}P")
}

/// A part as a percentage.
pub(super) fn percent(part: f64) -> String {
    format!("{:.0}%", part * 100.0)
}

/// Seconds, from microseconds on: `30us`, `1.5ms`, `2s`.
pub(super) fn seconds(value: f64) -> String {
    match value {
        value if value < 1e-3 => format!("{}us", short(value * 1e6)),
        value if value < 1.0 => format!("{}ms", short(value * 1e3)),
        value => format!("{}s", short(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_few_columns() {
        let numbers = [0.0, 0.25, 1.0, 9.97, 12.0, 999.6, 1234.0, 340_000.0, 5.13e6, 2e12];
        let expected = ["0", "0.25", "1", "10", "12", "1.0k", "1.2k", "340k", "5.1M", "2.0T"];
        assert_eq!(numbers.map(short), expected);
        let all = [0, 900, 1023, 1536, 64_000, 61 << 20, 3 << 40];
        assert_eq!(all.map(bytes), ["0B", "900B", "1.0K", "1.5K", "62K", "61M", "3.0T"]);
        assert_eq!([3e-5, 1.5e-3, 2.0].map(seconds), ["30us", "1.5ms", "2s"]);
    }
}
