//! Text from a component, or from a message that it quotes, as a part of a line.
use std::borrow::Cow;

/// Longer text is cut: a message may have any size.
const MOST: usize = 8 << 10;

/// A text without line ends and control characters, and not too long: messages must not be able to
/// forge a line of the log.
pub fn in_a_line(text: &str) -> Cow<'_, str> {
    let is_plain = |letter: char| !letter.is_control() || letter == '\t';
    if text.len() <= MOST && text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut line = String::new();
    for (at, letter) in text.char_indices() {
        if at >= MOST {
            line += &format!("… ({} bytes)", text.len());
            break;
        }
        match is_plain(letter) {
            true => line.push(letter),
            false => line.extend(letter.escape_default()),
        }
    }
    line.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_the_line() {
        assert_eq!(in_a_line("as it is: ä\t€"), "as it is: ä\t€");
        assert_eq!(in_a_line("a\r\nERROR \u{1b}[31mb\u{85}"), r"a\r\nERROR \u{1b}[31mb\u{85}");
        let long = in_a_line(&"é".repeat(1 << 20)).into_owned();
        assert!(long.len() < 9000 && long.ends_with("é… (2097152 bytes)"), "{}", long.len());
    }
}
