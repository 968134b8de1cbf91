//! The destination of a message: a path with its time and its attributes in it.
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use gopiper_abi::{Error, FilePath, Message, Value, ValueTag};
use jiff::{Timestamp, fmt::strtime, tz::TimeZone};

pub(crate) const NANOSECONDS: i64 = 1_000_000_000;

/// A placeholder for an attribute of any message.
const ANY_NAME: &str = "\u{f8ff}\u{f8fe}";

/// A path to be filled in.
pub(crate) struct Template {
    parts: Vec<Part>,
    zone: TimeZone,
    /// The texts of the time parts in this second.
    second: Option<i64>,
}

enum Part {
    Text(String),
    /// In the notation of strftime, and what that says in the second of the template.
    Time(String, String),
    Attribute(String),
}

impl Template {
    /// `%Y` and the like are placeholders for the time, `{name}` for an attribute, `{{` and `}}`
    /// for braces.
    pub(crate) fn parse(path: &FilePath, zone: TimeZone) -> Result<Self, Error> {
        let text = path.as_written();
        if text.is_empty() {
            return Err(Error::attribute("path", "must not be empty"));
        }
        let refused = |why: String| Error::attribute("path", format!("'{text}': {why}"));
        let (mut parts, mut plain) = (Vec::new(), String::new());
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            plain.push_str(before);
            if brace.starts_with("{{") || brace.starts_with("}}") {
                plain.push_str(&brace[..1]);
                rest = &brace[2..];
                continue;
            }
            let name = brace.strip_prefix('{').and_then(|inside| inside.split_once('}'));
            let Some((name, behind)) = name.filter(|(name, _)| !name.is_empty()) else {
                return Err(refused("write {name} for an attribute, {{ or }} for a brace".into()));
            };
            parts.push(Part::plain(std::mem::take(&mut plain)));
            parts.push(Part::Attribute(name.to_owned()));
            rest = behind;
        }
        parts.push(Part::plain(plain + rest));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        let is_relative = !text.starts_with('/') && !path.folder().as_os_str().is_empty();
        if is_relative {
            let folder = path.folder().to_str().ok_or_else(|| {
                let folder = path.folder().display();
                refused(format!("the folder {folder} is not UTF-8: give an absolute path"))
            })?;
            let folder = format!("{folder}/");
            match &mut parts[0] {
                Part::Text(text) => text.insert_str(0, &folder),
                _ => parts.insert(0, Part::Text(folder)),
            }
        }
        let mut template = Template { parts, zone, second: None };
        template.check_times().map_err(refused)?;
        Ok(template)
    }

    fn check_times(&mut self) -> Result<(), String> {
        let (whole, within) = (Timestamp::new(1, 0), Timestamp::new(1, 123_456_789));
        let (Ok(whole), Ok(within)) = (whole, within) else { return Ok(()) };
        for part in &self.parts {
            let Part::Time(format, _) = part else { continue };
            let said = |time: Timestamp| {
                strtime::format(format, &time.to_zoned(self.zone.clone()))
                    .map_err(|e| e.to_string())
            };
            if said(whole)? != said(within)? {
                return Err("is finer than a second: that would be a file for each message".into());
            }
            for directive in directives(format) {
                let text = strtime::format(directive, &whole.to_zoned(self.zone.clone()));
                if text.is_ok_and(|text| text.contains('/') || text.contains(char::is_control)) {
                    return Err(format!(
                        "{directive} cannot be a part of a file name: it contains a slash or a \
                         control character"
                    ));
                }
            }
        }
        Ok(())
    }

    /// The path of all messages, if it is one.
    pub(crate) fn constant(&self) -> Option<PathBuf> {
        match &self.parts[..] {
            [Part::Text(path)] => Some(path.into()),
            _ => None,
        }
    }

    /// A path that represents all paths of the template. Attributes are replaced by a text that no
    /// pattern names, so a pattern matches this path only if it matches all of them.
    pub(crate) fn example(&mut self, second: i64) -> Option<String> {
        self.set_second(second).ok()?;
        let text = |part: &Part| match part {
            Part::Text(text) | Part::Time(_, text) => text.clone(),
            Part::Attribute(_) => ANY_NAME.to_owned(),
        };
        Some(self.parts.iter().map(text).collect())
    }

    /// How many of these messages, from the first on, go where the first one goes. `now` is the
    /// time of those that have none.
    pub(crate) fn run(&self, messages: &[Message], now: i64) -> usize {
        let Some(first) = messages.first() else { return 0 };
        if let [Part::Text(_)] = self.parts[..] {
            return messages.len();
        }
        let alike = |message: &&Message| {
            self.parts.iter().all(|part| match part {
                Part::Text(_) => true,
                Part::Time(..) => second_of(first, now) == second_of(message, now),
                Part::Attribute(name) => first.attribute(name) == message.attribute(name),
            })
        };
        1 + messages[1..].iter().take_while(alike).count()
    }

    /// The destination of this message.
    ///
    /// # Errors
    /// It has no such attribute, or one that cannot be part of a name.
    pub(crate) fn render(&mut self, message: &Message, now: i64) -> Result<PathBuf, String> {
        self.set_second(second_of(message, now))?;
        let mut path = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) | Part::Time(_, text) => path.push_str(text),
                Part::Attribute(name) => path.push_str(&name_of(name, message.attribute(name))?),
            }
        }
        Ok(path.into())
    }

    fn set_second(&mut self, second: i64) -> Result<(), String> {
        if self.second.replace(second) == Some(second) {
            return Ok(());
        }
        let time = Timestamp::from_second(second).map_err(|error| error.to_string())?;
        let time = time.to_zoned(self.zone.clone());
        for part in &mut self.parts {
            if let Part::Time(format, said) = part {
                *said = strtime::format(format, &time).map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }
}

/// The parts of a format that are replaced: `%Y`, `%-d`, `%:z`.
fn directives(format: &str) -> impl Iterator<Item = &str> {
    let mut rest = format;
    std::iter::from_fn(move || {
        let from = rest.find('%')?;
        let is_end = |letter: char| letter.is_ascii_alphabetic() || "%+".contains(letter);
        let end = rest[from + 1..].find(is_end).map_or(rest.len(), |end| from + end + 2);
        let (directive, behind) = (&rest[from..end], &rest[end..]);
        rest = behind;
        Some(directive)
    })
}

impl Part {
    fn plain(text: String) -> Self {
        if text.contains('%') { Part::Time(text, String::new()) } else { Part::Text(text) }
    }
}

fn second_of(message: &Message, now: i64) -> i64 {
    let time = if message.time() == 0 { now } else { message.time() };
    time.div_euclid(NANOSECONDS)
}

/// An attribute as a part of one name: it leads to no other folder.
fn name_of(name: &str, value: Option<&Value>) -> Result<String, String> {
    let Some(value) = value else {
        return Err(format!("it has no attribute '{name}', which the path needs"));
    };
    let text = match value.tag() {
        ValueTag::STRING => value.as_str().map(str::to_owned),
        ValueTag::I64 => value.as_i64().map(|number| number.to_string()),
        ValueTag::U64 => value.as_u64().map(|number| number.to_string()),
        ValueTag::BOOL => value.as_bool().map(|truth| truth.to_string()),
        _ => None,
    };
    let refused = |why: &str| format!("its attribute '{name}' {why}: it cannot be part of a path");
    let text = text.ok_or_else(|| refused("is neither text nor a whole number"))?;
    match &text[..] {
        "" => Err(refused("is empty")),
        _ if text.starts_with('.') => Err(refused(&format!("('{text}') begins with a dot"))),
        _ if text.contains(['/', '\0']) => Err(refused(&format!("({text:?}) has a slash or NUL"))),
        _ => Ok(text),
    }
}
