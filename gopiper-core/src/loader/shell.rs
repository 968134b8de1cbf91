//! Commands in texts, which an operator pastes into a shell.
use std::ffi::OsStr;

/// A text, or a path, as one word of a shell, on one line.
pub fn for_shell(text: impl AsRef<OsStr>) -> String {
    let text = text.as_ref().display().to_string();
    let is_plain = |letter: char| letter.is_alphanumeric() || "/._-+,:@%=".contains(letter);
    if text.chars().all(is_plain) {
        return text;
    }
    if !text.contains(char::is_control) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let escaped = text.chars().map(|letter| match letter {
        '\'' | '\\' => format!("\\{letter}"),
        letter if letter.is_control() => {
            letter.to_string().bytes().map(|byte| format!("\\x{byte:02x}")).collect()
        }
        letter => letter.to_string(),
    });
    format!("$'{}'", escaped.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_word_of_a_shell() {
        for (text, expected) in [
            ("state/a-b.lua", "state/a-b.lua"),
            ("a b c", "'a b c'"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
            ("a\nb'c\\d", r"$'a\x0ab\'c\\d'"),
        ] {
            assert_eq!(for_shell(text), expected);
        }
    }
}
