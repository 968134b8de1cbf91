//! The topic of a message, from its attributes.
use std::borrow::Cow;

use gopiper_abi::{Error, Message, Value};

/// Text, and attributes between.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TopicTemplate(Vec<Piece>);

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Attribute(String),
}

fn refuse(problem: &str) -> Error {
    Error::attribute("topic", problem)
}

impl TopicTemplate {
    /// Reads `orders.{country}`.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((literal, behind)) = rest.split_once('{') {
            let (name, behind) =
                behind.split_once('}').ok_or_else(|| refuse("has a '{' without '}'"))?;
            if name.is_empty() {
                return Err(refuse("has '{}': name an attribute between the braces"));
            }
            pieces.push(Piece::Text(literal.to_owned()));
            pieces.push(Piece::Attribute(name.to_owned()));
            rest = behind;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        pieces.retain(|piece| *piece != Piece::Text(String::new()));
        let template = TopicTemplate(pieces);
        let example = template.with(|_| Ok("x".into()));
        example.and_then(|topic| valid(&topic)).map_err(|problem| refuse(&problem))?;
        Ok(template)
    }

    /// The topic, if it is the same for all messages.
    pub(crate) fn fixed(&self) -> Option<&str> {
        match &self.0[..] {
            [Piece::Text(topic)] => Some(topic),
            _ => None,
        }
    }

    /// The topic of this message.
    ///
    /// # Errors
    /// An attribute is missing, or the result is not a name of a topic.
    pub(crate) fn of(&self, message: &Message) -> Result<Cow<'_, str>, String> {
        if let Some(topic) = self.fixed() {
            return Ok(Cow::Borrowed(topic));
        }
        let topic = self.with(|name| {
            let value = message.attribute(name);
            let value = value.ok_or_else(|| format!("it has no attribute '{name}'"))?;
            word(value).ok_or_else(|| format!("attribute '{name}' is no text or whole number"))
        });
        let topic = topic.and_then(|topic| valid(&topic).map(|()| topic));
        topic.map(Cow::Owned).map_err(|problem| format!("no topic for this message: {problem}"))
    }

    fn with(&self, value: impl Fn(&str) -> Result<String, String>) -> Result<String, String> {
        let mut topic = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => topic.push_str(text),
                Piece::Attribute(name) => topic.push_str(&value(name)?),
            }
        }
        Ok(topic)
    }
}

fn word(value: &Value) -> Option<String> {
    let number =
        || value.as_i64().map(|it| it.to_string()).or(value.as_u64().map(|it| it.to_string()));
    value.as_str().map(str::to_owned).or_else(number)
}

fn valid(topic: &str) -> Result<(), String> {
    let is_of_name = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
    let is_name = !topic.is_empty() && topic.len() <= 249 && topic.chars().all(is_of_name);
    if is_name && topic != "." && topic != ".." {
        return Ok(());
    }
    Err(format!("'{topic}' is not a name of one: letters, digits, '.', '_' and '-', at most 249"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_parts_of_the_topic() {
        let topic = TopicTemplate::parse("orders.{country}-{number}").unwrap();
        assert_eq!(topic.fixed(), None);
        let mut message = Message::new("x");
        let refused = topic.of(&message).unwrap_err();
        assert!(refused.contains("no attribute 'country'"), "{refused}");
        message.set_attribute("country", "de");
        message.set_attribute("number", 7);
        assert_eq!(topic.of(&message).unwrap(), "orders.de-7");
        for wrong in ["a b", "ä", "a/b", "a\0b"] {
            message.set_attribute("country", wrong);
            let refused = topic.of(&message).unwrap_err();
            assert!(refused.contains("is not a name"), "{refused}");
        }
    }

    #[test]
    fn a_wrong_one_is_refused_at_the_start() {
        for wrong in ["", "a b", "{x", "{}", "x}", ".", ".."] {
            let refused = TopicTemplate::parse(wrong).unwrap_err().to_string();
            assert!(refused.contains("topic"), "{wrong}: {refused}");
        }
        assert_eq!(TopicTemplate::parse("a.b_c-1").unwrap().fixed(), Some("a.b_c-1"));
    }
}
