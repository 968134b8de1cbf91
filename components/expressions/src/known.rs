//! The values of parts of an expression.
use std::{borrow::Cow, cmp::Ordering};

use gopiper_abi::{Value, ValueTag};
use json_fields::{FoundField, items, read_field};

use crate::node::{Calculation, Comparison};

/// A value. It borrows from the message that it was read of.
#[derive(Debug, Clone, PartialEq)]
pub enum Known<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    /// Nanoseconds since 1970.
    Time(i64),
    /// Nanoseconds.
    Duration(i64),
    /// An object or a list, as its JSON text.
    Json(&'a [u8]),
    /// A list or a map of the message's attributes or structured value.
    Table(&'a Value),
    List(Vec<Known<'a>>),
}

/// Why a part has no value, and where it begins in the text.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) what: String,
}

impl Fault {
    pub(crate) fn new(at: usize, what: impl Into<String>) -> Self {
        Fault { at, what: what.into() }
    }
}

/// A number of any kind.
enum Number {
    Whole(i128),
    Double(f64),
}

impl<'a> Known<'a> {
    /// What it is, in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Known::Null => "null",
            Known::Bool(_) => "true or false",
            Known::Int(_) | Known::Uint(_) => "a whole number",
            Known::Double(_) => "a number",
            Known::Text(_) => "a text",
            Known::Bytes(_) => "bytes",
            Known::Time(_) => "a time",
            Known::Duration(_) => "a duration",
            Known::Json(text) if text.starts_with(b"[") => "a list",
            Known::Json(_) => "an object",
            Known::Table(value) if value.tag() == ValueTag::LIST => "a list",
            Known::Table(_) => "a map",
            Known::List(_) => "a list",
        }
    }

    pub(crate) fn of_value(value: &'a Value) -> Self {
        let known = match value.tag() {
            ValueTag::BOOL => value.as_bool().map(Known::Bool),
            ValueTag::I64 => value.as_i64().map(Known::Int),
            ValueTag::U64 => value.as_u64().map(Known::of_unsigned),
            ValueTag::F64 => value.as_f64().map(Known::Double),
            ValueTag::TIME => value.as_time().map(Known::Time),
            ValueTag::STRING => value.as_str().map(|text| Known::Text(text.into())),
            ValueTag::BYTES => value.as_bytes().map(|bytes| Known::Bytes(bytes.into())),
            ValueTag::LIST | ValueTag::MAP => Some(Known::Table(value)),
            _ => None,
        };
        known.unwrap_or(Known::Null)
    }

    /// The value of a field's JSON text.
    pub(crate) fn of_json(text: &'a [u8]) -> Result<Self, String> {
        Ok(match read_field(text).map_err(|problem| problem.to_string())? {
            FoundField::Nothing => Known::Null,
            FoundField::Bool(truth) => Known::Bool(truth),
            FoundField::Integer(number) => Known::Int(number),
            FoundField::Unsigned(number) => Known::of_unsigned(number),
            FoundField::Float(number) => Known::Double(number),
            FoundField::Text(text) => Known::Text(text.into()),
            FoundField::Raw(text) if text.starts_with(b"{") || text.starts_with(b"[") => {
                Known::Json(text)
            }
            FoundField::Raw(text) => match std::str::from_utf8(text) {
                Ok(text) => Known::Text(text.into()),
                Err(_) => return Err(": a string that is not UTF-8".into()),
            },
        })
    }

    /// A whole number has one form, so that equal ones are equal.
    fn of_unsigned(number: u64) -> Self {
        i64::try_from(number).map_or(Known::Uint(number), Known::Int)
    }

    fn number(&self) -> Option<Number> {
        Some(match self {
            Known::Int(number) => Number::Whole((*number).into()),
            Known::Uint(number) => Number::Whole((*number).into()),
            Known::Double(number) => Number::Double(*number),
            _ => return None,
        })
    }

    /// Whether they are equal. Values of different kinds never are.
    fn is_equal(&self, other: &Known<'_>) -> bool {
        match (self.number(), other.number()) {
            (Some(one), Some(two)) => order(&one, &two) == Some(Ordering::Equal),
            _ => self == other,
        }
    }

    /// Their order, if they have one.
    fn order(&self, other: &Known<'_>) -> Result<Option<Ordering>, String> {
        Ok(match (self, other) {
            (Known::Text(one), Known::Text(two)) => Some(one.cmp(two)),
            (Known::Bytes(one), Known::Bytes(two)) => Some(one.cmp(two)),
            (Known::Bool(one), Known::Bool(two)) => Some(one.cmp(two)),
            (Known::Time(one), Known::Time(two)) => Some(one.cmp(two)),
            (Known::Duration(one), Known::Duration(two)) => Some(one.cmp(two)),
            _ => match (self.number(), other.number()) {
                (Some(one), Some(two)) => order(&one, &two),
                _ => {
                    let (one, two) = (self.kind(), other.kind());
                    return Err(format!("{one} and {two} cannot be compared"));
                }
            },
        })
    }

    pub(crate) fn compared(&self, how: Comparison, other: &Known<'_>) -> Result<bool, String> {
        let order = match how {
            Comparison::Equal => return Ok(self.is_equal(other)),
            Comparison::Different => return Ok(!self.is_equal(other)),
            _ => self.order(other)?,
        };
        Ok(match how {
            Comparison::Less => order == Some(Ordering::Less),
            Comparison::AtMost => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Comparison::Greater => order == Some(Ordering::Greater),
            _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        })
    }

    /// Whether a list has it, or a map has it as a key.
    pub(crate) fn is_in(&self, of: &Known<'_>) -> Result<bool, String> {
        match of {
            Known::List(list) => Ok(list.iter().any(|item| self.is_equal(item))),
            Known::Json(text) if text.starts_with(b"[") => {
                Ok(items(text).any(|item| Known::of_json(item).is_ok_and(|it| self.is_equal(&it))))
            }
            Known::Table(value) => match (value.as_list(), value.as_map(), self) {
                (Some(list), ..) => {
                    Ok(list.iter().any(|item| self.is_equal(&Known::of_value(item))))
                }
                (_, Some(map), Known::Text(key)) => Ok(map.get(key).is_some()),
                _ => Err(format!("{} is never a key", self.kind())),
            },
            other => Err(format!("'in' looks into a list, and not into {}", other.kind())),
        }
    }

    pub(crate) fn calculated(
        &self,
        how: Calculation,
        other: &Known<'_>,
    ) -> Result<Known<'a>, String> {
        use Calculation::{Add, Subtract};
        let nanoseconds = |result: Option<i64>| result.ok_or("it is beyond the limits of times");
        Ok(match (self, how, other) {
            (Known::Text(one), Add, Known::Text(two)) => Known::Text(format!("{one}{two}").into()),
            (Known::Time(one), Add, Known::Duration(two)) => {
                Known::Time(nanoseconds(one.checked_add(*two))?)
            }
            (Known::Time(one), Subtract, Known::Duration(two)) => {
                Known::Time(nanoseconds(one.checked_sub(*two))?)
            }
            (Known::Time(one), Subtract, Known::Time(two)) => {
                Known::Duration(nanoseconds(one.checked_sub(*two))?)
            }
            (Known::Duration(one), Add, Known::Duration(two)) => {
                Known::Duration(nanoseconds(one.checked_add(*two))?)
            }
            (Known::Duration(one), Subtract, Known::Duration(two)) => {
                Known::Duration(nanoseconds(one.checked_sub(*two))?)
            }
            _ => match (self.number(), other.number()) {
                (Some(Number::Whole(one)), Some(Number::Whole(two))) => whole(one, how, two)?,
                (Some(one), Some(two)) => {
                    Known::Double(double(one.as_double(), how, two.as_double()))
                }
                _ => {
                    let (one, two) = (self.kind(), other.kind());
                    let text = "; string(…) makes a text of anything";
                    let text = if matches!(how, Add) { text } else { "" };
                    return Err(format!("{one} and {two} cannot be calculated with{text}"));
                }
            },
        })
    }
}

impl Number {
    fn as_double(&self) -> f64 {
        match self {
            Number::Whole(number) => *number as f64,
            Number::Double(number) => *number,
        }
    }
}

/// Exact, also where a double cannot hold the whole number. NaN has no order.
fn order(one: &Number, two: &Number) -> Option<Ordering> {
    match (one, two) {
        (Number::Whole(one), Number::Whole(two)) => Some(one.cmp(two)),
        (Number::Double(one), Number::Double(two)) => one.partial_cmp(two),
        (Number::Whole(one), Number::Double(two)) => whole_to_double(*one, *two),
        (Number::Double(one), Number::Whole(two)) => {
            whole_to_double(*two, *one).map(Ordering::reverse)
        }
    }
}

fn whole_to_double(whole: i128, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    // The conversion stops at the limits, which lie beyond all whole numbers here.
    let fraction = double - double.trunc();
    let of_fraction = 0.0.partial_cmp(&fraction)?;
    Some(whole.cmp(&(double.trunc() as i128)).then(of_fraction))
}

fn whole(one: i128, how: Calculation, two: i128) -> Result<Known<'static>, String> {
    let is_by_zero = two == 0 && matches!(how, Calculation::Divide | Calculation::Remainder);
    if is_by_zero {
        return Err("a division by zero".into());
    }
    // None of these is beyond 128 bits: both have at most 65.
    let result = match how {
        Calculation::Add => one + two,
        Calculation::Subtract => one - two,
        Calculation::Multiply => one * two,
        Calculation::Divide => one / two,
        Calculation::Remainder => one % two,
    };
    match (i64::try_from(result), u64::try_from(result)) {
        (Ok(number), _) => Ok(Known::Int(number)),
        (_, Ok(number)) => Ok(Known::Uint(number)),
        _ => Err("the result has more than 64 bits".into()),
    }
}

fn double(one: f64, how: Calculation, two: f64) -> f64 {
    match how {
        Calculation::Add => one + two,
        Calculation::Subtract => one - two,
        Calculation::Multiply => one * two,
        Calculation::Divide => one / two,
        Calculation::Remainder => one % two,
    }
}
