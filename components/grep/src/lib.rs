//! Keeps the messages that contain a word or match a regular expression, and drops the others.
use gopiper_abi::{
    Component, Error, Factory, HandledCallback, Message, Postponed, attributes, export_component,
};
use memchr::memmem::Finder;
use regex::bytes::Regex;

attributes! {
    /// Keeps the messages that contain a word or match a regular expression, and drops the others.
    pub struct Attributes {
        /// The word to look for, literally. Give either this or `regex`.
        pub word: Option<String>,
        /// The regular expression to look for, in the syntax of Rust's regex crate. A leading
        /// `(?-u)` matches bytes that are not UTF-8. Give either this or `word`.
        pub regex: Option<String>,
        /// Keep the messages that do not match instead.
        #[serde(default)]
        pub invert: bool,
    }
}

/// Makes [`Grep`]s.
pub struct GrepFactory {
    pattern: Pattern,
    invert: bool,
}

#[derive(Clone)]
enum Pattern {
    Word(Box<Finder<'static>>),
    Regex(Regex),
}

impl Factory for GrepFactory {
    type Component = Grep;
    type Attributes = Attributes;

    fn new(attributes: Attributes) -> Result<Self, Error> {
        let pattern = match (attributes.word, attributes.regex) {
            (Some(word), None) => Pattern::Word(Box::new(Finder::new(&word).into_owned())),
            (None, Some(regex)) => Pattern::Regex(
                Regex::new(&regex).map_err(|error| Error::attribute("regex", error.to_string()))?,
            ),
            _ => return Err(Error::new("give exactly one of 'word' and 'regex'")),
        };
        Ok(GrepFactory { pattern, invert: attributes.invert })
    }

    fn create(&self, _postponed: Postponed) -> Result<Grep, Error> {
        Ok(Grep { pattern: self.pattern.clone(), invert: self.invert })
    }
}

/// The component of one worker.
pub struct Grep {
    pattern: Pattern,
    invert: bool,
}

impl Component for Grep {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        let found = match &self.pattern {
            Pattern::Word(word) => word.find(message.data()).is_some(),
            Pattern::Regex(regex) => regex.is_match(message.data()),
        };
        if found != self.invert { handled.done(message) } else { handled.discard(message) }
    }
}

export_component!(transform: GrepFactory);

#[cfg(test)]
mod tests {
    use gopiper_abi::{Value, testing::Harness};

    use super::*;

    fn kept(attributes: &[(&'static str, &str)], lines: &[&str]) -> Vec<String> {
        let attributes = attributes.iter().map(|&(key, value)| (key, Value::from(value)));
        let mut grep = Harness::transform::<GrepFactory>(attributes).unwrap();
        grep.handle(lines.iter().copied());
        grep.sent().into_iter().map(|line| String::from_utf8(line).unwrap()).collect()
    }

    #[test]
    fn keeps_the_lines_with_the_word() {
        assert_eq!(kept(&[("word", "a.c")], &["abc", "xa.cx", ""]), ["xa.cx"]);
    }

    #[test]
    fn keeps_the_lines_that_match() {
        assert_eq!(kept(&[("regex", "^a.c$")], &["abc", "xa.cx", ""]), ["abc"]);
    }

    #[test]
    fn inverted_it_keeps_the_others() {
        let attributes = [("word", "b".into()), ("invert", true.into())];
        let mut grep = Harness::transform::<GrepFactory>(attributes).unwrap();
        grep.handle(["abc", "xyz"]);
        assert_eq!(grep.sent(), [b"xyz"]);
    }

    #[test]
    fn refuses_both_and_none_and_a_broken_regex() {
        let refusal = |attributes: &[(&'static str, &str)]| {
            let attributes = attributes.iter().map(|&(key, value)| (key, Value::from(value)));
            Harness::transform::<GrepFactory>(attributes).unwrap_err().to_string()
        };
        assert!(refusal(&[]).contains("exactly one of 'word' and 'regex'"));
        assert!(
            refusal(&[("word", "a"), ("regex", "a")]).contains("exactly one of 'word' and 'regex'")
        );
        assert!(
            refusal(&[("regex", "(")]).starts_with("regex: "),
            "{}",
            refusal(&[("regex", "(")])
        );
        assert!(refusal(&[("wrod", "a")]).contains("wrod"));
    }
}
