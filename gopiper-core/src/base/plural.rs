//! Numbers of things, in words.

/// A number with its noun: `1 message`, `2 messages`.
pub fn plural(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        assert_eq!([0, 1, 2].map(|n| plural(n, "byte")), ["0 bytes", "1 byte", "2 bytes"]);
    }
}
