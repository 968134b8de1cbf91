//! What a component says, or a message that it quotes, as a part of a line.
use std::borrow::Cow;

/// More of it is left out: a message may be as large as it likes.
const MOST: usize = 8 << 10;

/// A text without what ends a line or what a terminal obeys, and not too long: so that nobody can forge a line
/// of the log with what he sends.
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
