//! The subject of a message, from its attributes.
use gopiper_abi::{Error, Message, Value};

/// Text, and attributes between.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Subject(Vec<Part>);

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Attribute(String),
}

fn refuse(problem: &str) -> Error {
    Error::attribute("subject", problem)
}

impl Subject {
    /// Reads `orders.{country}`.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let (mut parts, mut literal) = (Vec::new(), String::new());
        let mut rest = text.chars().peekable();
        while let Some(sign) = rest.next() {
            match sign {
                '{' if rest.next_if_eq(&'{').is_some() => literal.push('{'),
                '}' if rest.next_if_eq(&'}').is_some() => literal.push('}'),
                '{' => {
                    let name: String =
                        std::iter::from_fn(|| rest.next_if(|it| *it != '}')).collect();
                    if rest.next().is_none() {
                        return Err(refuse("has a '{' without '}': write '{{' for a brace"));
                    }
                    if name.is_empty() {
                        return Err(refuse("has '{}': name an attribute between the braces"));
                    }
                    parts.push(Part::Text(std::mem::take(&mut literal)));
                    parts.push(Part::Attribute(name));
                }
                '}' => return Err(refuse("has a '}' without '{': write '}}' for a brace")),
                sign => literal.push(sign),
            }
        }
        parts.push(Part::Text(literal));
        parts.retain(|part| *part != Part::Text(String::new()));
        let subject = Subject(parts);
        let example = subject.with(|_| Ok("x".into()));
        example.and_then(valid).map_err(|problem| refuse(&problem))?;
        Ok(subject)
    }

    /// The subject of this message.
    ///
    /// # Errors
    /// An attribute is missing, or the result is not a subject.
    pub(crate) fn of(&self, message: &Message) -> Result<String, String> {
        let subject = self.with(|name| {
            let value = message.attribute(name);
            let value = value.ok_or_else(|| format!("it has no attribute '{name}'"))?;
            text(value).ok_or_else(|| format!("attribute '{name}' is not a text"))
        });
        subject.and_then(valid).map_err(|problem| format!("no subject for this message: {problem}"))
    }

    fn with(
        &self,
        mut value: impl FnMut(&str) -> Result<String, String>,
    ) -> Result<String, String> {
        let mut subject = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => subject.push_str(text),
                Part::Attribute(name) => subject.push_str(&value(name)?),
            }
        }
        Ok(subject)
    }
}

fn text(value: &Value) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    let number = value.as_i64().map(|it| it.to_string());
    let number = number.or_else(|| value.as_u64().map(|it| it.to_string()));
    number.or_else(|| value.as_bool().map(|it| it.to_string()))
}

/// One can publish to subjects without placeholders.
fn valid(subject: String) -> Result<String, String> {
    let is_wrong = |sign: char| sign.is_whitespace() || sign.is_control() || "*>".contains(sign);
    if subject.contains(is_wrong) || subject.split('.').any(str::is_empty) {
        return Err(format!(
            "'{subject}' is not one: words with dots between them, without spaces, '*' and '>'"
        ));
    }
    Ok(subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_stand_in_it() {
        let subject = Subject::parse("orders.{country}.{{{number}}}").unwrap();
        let mut message = Message::new("x");
        let refused = subject.of(&message).unwrap_err();
        assert!(refused.contains("no attribute 'country'"), "{refused}");
        message.set_attribute("country", "de");
        message.set_attribute("number", 7);
        assert_eq!(subject.of(&message).unwrap(), "orders.de.{7}");
        for wrong in ["a b", "", "a..b", "x*", ".a"] {
            message.set_attribute("country", wrong);
            let refused = subject.of(&message).unwrap_err();
            assert!(refused.contains("is not one"), "{refused}");
        }
    }

    #[test]
    fn a_wrong_one_is_refused_at_the_start() {
        for wrong in ["", "a..b", "a.>", "a b", "{x", "x}", "{}"] {
            let refused = Subject::parse(wrong).unwrap_err().to_string();
            assert!(refused.contains("subject"), "{wrong}: {refused}");
        }
    }
}
