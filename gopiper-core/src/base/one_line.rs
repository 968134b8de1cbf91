//! Text from a component, or from a message that it quotes: as a part of a line, and on a terminal.
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

/// Bytes as a terminal may receive them: without control characters, except line ends and tabs.
/// Messages and names of files must not be able to move its cursor or to change its settings. JSON
/// remains JSON: that is why each has four digits.
pub fn on_a_terminal(bytes: &[u8]) -> Cow<'_, [u8]> {
    let is_plain = |letter: char| !letter.is_control() || matches!(letter, '\n' | '\t');
    if std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(is_plain)) {
        return Cow::Borrowed(bytes);
    }
    let mut shown = String::new();
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\r' => shown += "\\r",
                letter if is_plain(letter) => shown.push(letter),
                letter => shown += &format!("\\u{:04x}", u32::from(letter)),
            }
        }
        chunk.invalid().iter().for_each(|byte| shown += &format!("\\x{byte:02x}"));
    }
    shown.into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn nothing_ends_the_line() {
        assert_eq!(in_a_line("as it is: ä\t€"), "as it is: ä\t€");
        assert_eq!(in_a_line("a\r\nERROR \u{1b}[31mb\u{85}"), r"a\r\nERROR \u{1b}[31mb\u{85}");
        let long = in_a_line(&"é".repeat(1 << 20)).into_owned();
        assert!(long.len() < 9000 && long.ends_with("é… (2097152 bytes)"), "{}", long.len());
    }

    #[test]
    fn nothing_controls_the_terminal() {
        let shown = |bytes| String::from_utf8(on_a_terminal(bytes).into_owned()).unwrap();
        assert_eq!(shown("as it is:\n\tä€".as_bytes()), "as it is:\n\tä€");
        assert_eq!(shown(b"\x1b]0;title\x07\r\n\x7f"), "\\u001b]0;title\\u0007\\r\n\\u007f");
        // One character of two bytes begins a sequence, and one byte alone in a terminal of 8 bits.
        assert_eq!(shown("\u{9b}2J".as_bytes()), "\\u009b2J");
        assert_eq!(shown(b"\x9b2J \xc3 \xff"), "\\x9b2J \\xc3 \\xff");
    }

    #[test]
    fn json_remains_json() {
        let json = Value::from(('\0'..='\u{a0}').collect::<String>()).to_string();
        let shown = on_a_terminal(json.as_bytes());
        let read = |text: &[u8]| serde_json::from_slice::<Value>(text).unwrap();
        assert_eq!(read(&shown), read(json.as_bytes()));
    }
}
