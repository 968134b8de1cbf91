//! Keeps the messages that contain a word or match a regular expression, and drops the others.
use gopiper_abi::{
    BatchCall, BatchComponent, Ending, Error, Factory, HandleFlags, Message, Piece, Postponed,
    Report, attributes, export_component,
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
        Ok(Grep { pattern: self.pattern.clone(), invert: self.invert, found: Vec::new() })
    }
}

/// The component of one worker.
pub struct Grep {
    pattern: Pattern,
    invert: bool,
    /// Whether the pattern is in each message of the current call.
    found: Vec<bool>,
}

impl Pattern {
    /// Finds the messages of a call that match.
    fn look(&self, call: &BatchCall<'_>, found: &mut Vec<bool>) {
        let messages = call.messages();
        found.clear();
        match self {
            Pattern::Regex(regex) => {
                found.extend(messages.iter().map(|message| regex.is_match(message.data())));
            }
            Pattern::Word(word) => {
                found.resize(messages.len(), false);
                let delimiter = messages.first().map_or(&[][..], Message::delimiter);
                for Piece { messages: places, data, .. } in
                    call.pieces(delimiter, &mut Ending::default())
                {
                    look_for(word, data, &messages[places.clone()], &mut found[places]);
                }
            }
        }
    }
}

/// Marks the messages that contain the word. They are in `data`, in order: one search in all of it
/// is much faster than a search in each.
fn look_for(word: &Finder<'_>, data: &[u8], messages: &[Message], found: &mut [bool]) {
    let start = |message: &Message| message.data().as_ptr().addr() - data.as_ptr().addr();
    let mut next = 0;
    while let Some(message) = messages.get(next) {
        let from = start(message);
        let Some(place) = word.find(&data[from..]) else { return };
        let (begin, end) = (from + place, from + place + word.needle().len());
        let ends_before = |message: &Message| start(message) + message.data().len() < end;
        if ends_before(message) {
            next += messages[next..].partition_point(ends_before);
        }
        // If it begins before this message, it crosses the end of the one before.
        if messages.get(next).is_some_and(|message| start(message) <= begin) {
            found[next] = true;
            next += 1;
        }
    }
}

impl BatchComponent for Grep {
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        let Grep { pattern, invert, found } = self;
        pattern.look(&call, found);
        call.report_each(|place, _| match found[place] != *invert {
            true => Report::DONE,
            false => Report::DROP,
        })
    }
}

export_component!(transform: GrepFactory);

#[cfg(test)]
mod tests {
    use gopiper_abi::{Payload, Value, testing::Harness};

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

    /// Lines as a source cuts them, neighbours in memory.
    #[test]
    fn a_word_is_found_only_within_a_line() {
        let found = |word: &str, lines: &[&str]| -> Vec<usize> {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let block = Payload::from(text.into_bytes());
            let mut start = 0;
            let cut = lines.iter().map(|line| {
                let message = Message::new(block.slice(start..start + line.len()));
                start += line.len() + 1;
                message
            });
            let messages: Vec<_> = cut.collect();
            let mut found = vec![false; lines.len()];
            look_for(&Finder::new(word), &block, &messages, &mut found);
            (0..lines.len()).filter(|place| found[*place]).collect()
        };
        assert_eq!(found("ab", &["ab", "a", "b", "", "xab", "abab", "aab"]), [0, 4, 5, 6]);
        assert_eq!(found("a\nb", &["a", "b", "a"]), [0; 0]);
        assert_eq!(found("a\na", &["a", "a", "a"]), [0; 0]);
        assert_eq!(found("", &["", "a", ""]), [0, 1, 2]);
        assert_eq!(found("a\n", &["a"]), [0; 0]);
        assert_eq!(found("aa", &["a", "aa", "a"]), [1]);
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
            refusal(&[("regex", "(")]).starts_with("attribute regex: "),
            "{}",
            refusal(&[("regex", "(")])
        );
        assert!(refusal(&[("wrod", "a")]).contains("wrod"));
    }
}
