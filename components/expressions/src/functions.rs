//! The functions of expressions.
use std::borrow::Cow;

use json_fields::items;

use crate::known::Known;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    Lower,
    Upper,
    Trim,
    Size,
    Int,
    Double,
    Text,
    Timestamp,
    Duration,
}

/// Each with its name, whether a value stands before it (`text.contains('a')`), and how many
/// arguments are in its brackets.
const ALL: [(Function, &str, bool, usize); 14] = [
    (Function::Contains, "contains", true, 1),
    (Function::StartsWith, "startsWith", true, 1),
    (Function::EndsWith, "endsWith", true, 1),
    (Function::Matches, "matches", true, 1),
    (Function::Lower, "lowerAscii", true, 0),
    (Function::Upper, "upperAscii", true, 0),
    (Function::Trim, "trim", true, 0),
    (Function::Size, "size", true, 0),
    (Function::Size, "size", false, 1),
    (Function::Int, "int", false, 1),
    (Function::Double, "double", false, 1),
    (Function::Text, "string", false, 1),
    (Function::Timestamp, "timestamp", false, 1),
    (Function::Duration, "duration", false, 1),
];

/// The names of those with or without a value before them.
pub(crate) fn names(has_target: bool) -> Vec<&'static str> {
    ALL.iter().filter(|it| it.2 == has_target).map(|it| it.1).collect()
}

impl Function {
    /// The function of this name, and how many arguments it takes in its brackets.
    pub(crate) fn named(name: &str, has_target: bool) -> Option<(Self, usize)> {
        let found = ALL.iter().find(|it| it.1 == name && it.2 == has_target)?;
        Some((found.0, found.3))
    }

    pub(crate) fn call<'a>(self, arguments: Vec<Known<'a>>) -> Result<Known<'a>, String> {
        let mut arguments = arguments.into_iter();
        let (first, second) = (arguments.next().unwrap_or(Known::Null), arguments.next());
        let second = second.unwrap_or(Known::Null);
        match self {
            Function::Contains | Function::StartsWith | Function::EndsWith => {
                let (text, part) = (text_of(&first)?, text_of(&second)?);
                Ok(Known::Bool(match self {
                    Function::Contains => text.contains(part),
                    Function::StartsWith => text.starts_with(part),
                    _ => text.ends_with(part),
                }))
            }
            Function::Lower => Ok(Known::Text(text_of(&first)?.to_ascii_lowercase().into())),
            Function::Upper => Ok(Known::Text(text_of(&first)?.to_ascii_uppercase().into())),
            Function::Trim => Ok(Known::Text(match first {
                Known::Text(Cow::Borrowed(text)) => text.trim().into(),
                other => text_of(&other)?.trim().to_owned().into(),
            })),
            Function::Size => size(&first),
            Function::Int => int(&first),
            Function::Double => float(&first),
            Function::Text => Ok(Known::Text(text(first)?)),
            Function::Timestamp => time(text_of(&first)?),
            Function::Duration => duration(text_of(&first)?),
            Function::Matches => Err("the regular expression has to be written out".into()),
        }
    }
}

pub(crate) fn text_of<'k>(known: &'k Known<'_>) -> Result<&'k str, String> {
    match known {
        Known::Text(text) => Ok(text),
        other => Err(format!("it is {}, and not a text", other.kind())),
    }
}

fn size(of: &Known<'_>) -> Result<Known<'static>, String> {
    let size = match of {
        Known::Text(text) => text.chars().count(),
        Known::Bytes(bytes) => bytes.len(),
        Known::List(list) => list.len(),
        Known::Json(text) if text.starts_with(b"[") => items(text).count(),
        Known::Table(value) => match (value.as_list(), value.as_map()) {
            (Some(list), _) => list.len(),
            (_, map) => map.map_or(0, |map| map.iter().count()),
        },
        other => return Err(format!("{} has no size", other.kind())),
    };
    Ok(Known::Int(size as i64))
}

fn int(of: &Known<'_>) -> Result<Known<'static>, String> {
    let too_large = || "the result has more than 64 bits".to_owned();
    match of {
        Known::Int(number) => Ok(Known::Int(*number)),
        Known::Uint(number) => Ok(Known::Uint(*number)),
        // Toward zero. The comparison is false for NaN.
        Known::Double(number) if number.abs() < 9.2e18 => Ok(Known::Int(*number as i64)),
        Known::Double(_) => Err(too_large()),
        Known::Time(nanoseconds) => Ok(Known::Int(nanoseconds.div_euclid(1_000_000_000))),
        Known::Text(text) => match (text.parse(), text.parse()) {
            (Ok(number), _) => Ok(Known::Int(number)),
            (_, Ok(number)) => Ok(Known::Uint(number)),
            _ => Err(format!("'{}' is not a whole number", shortened(text))),
        },
        other => Err(format!("{} is not a number", other.kind())),
    }
}

fn float(of: &Known<'_>) -> Result<Known<'static>, String> {
    match of {
        Known::Int(number) => Ok(Known::Double(*number as f64)),
        Known::Uint(number) => Ok(Known::Double(*number as f64)),
        Known::Double(number) => Ok(Known::Double(*number)),
        Known::Text(text) => match text.parse() {
            Ok(number) => Ok(Known::Double(number)),
            Err(_) => Err(format!("'{}' is not a number", shortened(text))),
        },
        other => Err(format!("{} is not a number", other.kind())),
    }
}

fn text(of: Known<'_>) -> Result<Cow<'_, str>, String> {
    Ok(match of {
        Known::Text(text) => text,
        Known::Bool(truth) => truth.to_string().into(),
        Known::Int(number) => number.to_string().into(),
        Known::Uint(number) => number.to_string().into(),
        Known::Double(number) => format!("{number:?}").into(),
        Known::Time(nanoseconds) => {
            let time = jiff::Timestamp::from_nanosecond(nanoseconds.into());
            time.map_err(|error| error.to_string())?.to_string().into()
        }
        Known::Duration(nanoseconds) => format!("{}s", nanoseconds as f64 / 1e9).into(),
        Known::Json(text) => String::from_utf8_lossy(text),
        other => return Err(format!("{} has no text", other.kind())),
    })
}

pub(crate) fn time(text: &str) -> Result<Known<'static>, String> {
    let time: jiff::Timestamp = text
        .parse()
        .map_err(|_| format!("'{}' is not a time: write 2026-12-01T08:00:00Z", shortened(text)))?;
    let nanoseconds = i64::try_from(time.as_nanosecond());
    nanoseconds.map(Known::Time).map_err(|_| "a time before 1678 or after 2261".into())
}

pub(crate) fn duration(text: &str) -> Result<Known<'static>, String> {
    let wrong = || format!("'{}' is not a duration: write 1h30m, 5s or 200ms", shortened(text));
    let duration: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    let nanoseconds = i64::try_from(duration.as_nanos()).map_err(|_| wrong())?;
    Ok(Known::Duration(nanoseconds))
}

/// As much of a text as fits into a message for people.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
