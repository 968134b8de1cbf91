//! Converts values to Lua tables and back.
use std::collections::HashMap;

use gopiper_abi::{Map, Payload, Value, ValueTag, raw::Attributes};

use super::serialized::{EXACT, Reader, Writer, tag};
use crate::state::depth::{DEPTH, TOO_DEEP};

/// An error in a table, with its path: `.a[1] cannot be a function`.
#[derive(Debug)]
pub(super) struct ValueProblem {
    path: String,
    text: &'static str,
}

impl ValueProblem {
    fn new(text: &'static str) -> Self {
        ValueProblem { path: String::new(), text }
    }

    /// Adds a step to the path; not for values that are too deep, whose path would be long.
    fn within(self, step: impl std::fmt::Display) -> Self {
        if self.text == TOO_DEEP {
            return self;
        }
        ValueProblem { path: format!("{step}{}", self.path), ..self }
    }
}

impl std::fmt::Display for ValueProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.path, self.text)
    }
}

/// Writes a value for Lua.
pub(super) fn write(value: &Value, to: &mut Writer) -> Result<(), ValueProblem> {
    write_within(value, to, 0)
}

fn write_within(value: &Value, to: &mut Writer, depth: usize) -> Result<(), ValueProblem> {
    match value.tag() {
        ValueTag::LIST | ValueTag::MAP if depth >= DEPTH => {
            return Err(ValueProblem::new(TOO_DEEP));
        }
        ValueTag::NULL => to.null(),
        ValueTag::BOOL => to.truth(value.as_bool().unwrap_or_default()),
        ValueTag::I64 => to.signed(value.as_i64().unwrap_or_default()),
        ValueTag::U64 => to.uint64(value.as_u64().unwrap_or_default()),
        ValueTag::F64 => to.float(value.as_f64().unwrap_or_default()),
        ValueTag::TIME => to.int64(value.as_time().unwrap_or_default()),
        ValueTag::STRING => to.string(value.as_str().unwrap_or_default().as_bytes()),
        ValueTag::BYTES => to.string(value.as_bytes().unwrap_or_default()),
        ValueTag::LIST => {
            let items = value.as_list().unwrap_or_default();
            let place = to.list();
            for (i, item) in items.iter().enumerate() {
                write_within(item, to, depth + 1)
                    .map_err(|problem| problem.within(format_args!("[{}]", i + 1)))?;
            }
            to.close(place, items.len());
        }
        ValueTag::MAP => {
            write_fields(value.as_map().into_iter().flat_map(Map::iter), to, depth + 1)?;
        }
        _ => return Err(ValueProblem::new(" is of a kind that this gopiper does not support")),
    }
    Ok(())
}

fn write_fields<'a>(
    fields: impl Iterator<Item = (&'a str, &'a Value)>,
    to: &mut Writer,
    depth: usize,
) -> Result<(), ValueProblem> {
    let place = to.map();
    let mut count = 0;
    for (key, item) in fields {
        to.string(key.as_bytes());
        write_within(item, to, depth).map_err(|problem| problem.within(format_args!(".{key}")))?;
        count += 1;
    }
    to.close(place, count);
    Ok(())
}

/// Writes all attributes of a message: each may be as deep as a value may.
pub(super) fn write_all(attributes: Attributes<'_>, to: &mut Writer) -> Result<(), ValueProblem> {
    write_fields(attributes.iter(), to, 0)
}

/// Reads a table of Lua's.
pub(super) fn read(bytes: &[u8]) -> Result<Value, ValueProblem> {
    Ok(read_within(&mut Reader(bytes), DEPTH)?.unwrap_or_default())
}

/// Reads a table whose fields are a message's attributes: each may be as deep as a value may.
pub(super) fn read_all(bytes: &[u8]) -> Result<Value, ValueProblem> {
    Ok(read_within(&mut Reader(bytes), 1 + DEPTH)?.unwrap_or_default())
}

const CUT_OFF: ValueProblem = ValueProblem { path: String::new(), text: " is incomplete" };

/// `None` for nil. `levels` is how many levels of tables are allowed.
fn read_within(from: &mut Reader<'_>, levels: usize) -> Result<Option<Value>, ValueProblem> {
    let kind = from.number().ok_or(CUT_OFF)?;
    Ok(Some(match kind {
        tag::NIL => return Ok(None),
        tag::FALSE => false.into(),
        tag::TRUE => true.into(),
        tag::NULL => Value::NULL,
        tag::INT => i32::from_le_bytes(from.word().ok_or(CUT_OFF)?).into(),
        tag::NUMBER => number(f64::from_le_bytes(from.word().ok_or(CUT_OFF)?)),
        tag::I64 => i64::from_le_bytes(from.word().ok_or(CUT_OFF)?).into(),
        tag::U64 => u64::from_le_bytes(from.word().ok_or(CUT_OFF)?).into(),
        tag::STRING.. => text(from.bytes((kind - tag::STRING) as usize).ok_or(CUT_OFF)?),
        tag::TABLE..=tag::LAST_TABLE if levels == 0 => return Err(ValueProblem::new(TOO_DEEP)),
        tag::TABLE..=tag::LAST_TABLE => table(from, kind - tag::TABLE, levels - 1)?,
        tag::METATABLE => list(from, levels)?,
        _ => return Err(ValueProblem::new(" cannot be a pointer or a complex number")),
    }))
}

/// Bytes that are UTF-8 become text.
pub(super) fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => Payload::from(bytes.to_vec()).into(),
    }
}

fn number(number: f64) -> Value {
    let is_negative_zero = number == 0.0 && number.is_sign_negative();
    match number.fract() == 0.0 && number.abs() <= EXACT as f64 && !is_negative_zero {
        true => (number as i64).into(),
        false => number.into(),
    }
}

/// A table that is known to be a list.
fn list(from: &mut Reader<'_>, levels: usize) -> Result<Value, ValueProblem> {
    from.number().ok_or(CUT_OFF)?;
    let read = read_within(from, levels)?.unwrap_or_default();
    match read.as_map() {
        None => Ok(read),
        Some(map) if map.is_empty() => Ok(Vec::new().into()),
        Some(_) => Err(ValueProblem::new(" is a list, and has names")),
    }
}

/// A table with numbers is a list, all others are maps. It may contain that many `levels` more.
fn table(from: &mut Reader<'_>, parts: u32, levels: usize) -> Result<Value, ValueProblem> {
    let mut count = |part: u32| match parts & part {
        0 => Ok(0),
        _ => from.number().ok_or(CUT_OFF),
    };
    let places = count(tag::FROM_ZERO | tag::FROM_ONE)?;
    let keys = count(tag::HAS_KEYS)?;
    let mut items: Vec<(i64, Value)> = Vec::new();
    let mut entries: Vec<(&str, Value)> = Vec::new();
    for place in (parts & tag::FROM_ONE) / tag::FROM_ONE..places {
        let item = read_within(from, levels);
        let item = item.map_err(|problem| problem.within(format_args!("[{place}]")))?;
        items.extend(item.map(|item| (place.into(), item)));
    }
    for _ in 0..keys {
        match from.number().ok_or(CUT_OFF)? {
            kind @ tag::STRING.. => {
                let key = from.bytes((kind - tag::STRING) as usize).ok_or(CUT_OFF)?;
                let key = std::str::from_utf8(key)
                    .map_err(|_| ValueProblem::new(" has a key that is not UTF-8"))?;
                let value = read_within(from, levels)
                    .map_err(|problem| problem.within(format_args!(".{key}")))?;
                entries.extend(value.map(|value| (key, value)));
            }
            kind @ (tag::INT | tag::NUMBER) => {
                let place = match kind {
                    tag::INT => i32::from_le_bytes(from.word().ok_or(CUT_OFF)?).into(),
                    _ => f64::from_le_bytes(from.word().ok_or(CUT_OFF)?),
                };
                let item = read_within(from, levels)
                    .map_err(|problem| problem.within(format_args!("[{place}]")))?;
                // A number that is not a place in a list is refused below.
                let place = if place.fract() == 0.0 { place as i64 } else { -1 };
                items.extend(item.map(|item| (place, item)));
            }
            _ => return Err(ValueProblem::new(" has a key that is neither a string nor a number")),
        }
    }
    if items.is_empty() {
        // Lua's tables have no order: this one is the same every time.
        entries.sort_by_key(|(key, _)| *key);
        return Ok(Map::from_iter(entries).into());
    }
    if !entries.is_empty() {
        return Err(ValueProblem::new(" is both a list and a table with names: use one"));
    }
    items.sort_by_key(|(place, _)| *place);
    if items.iter().zip(1..).any(|((place, _), expected)| *place != expected) {
        return Err(ValueProblem::new(
            " is a list with holes (fill them with gopiper.NULL), or with numbers other than 1, 2, \
             …",
        ));
    }
    Ok(items.into_iter().map(|(_, item)| item).collect::<Vec<_>>().into())
}

/// A value that was put back where it was keeps its type if Lua sees no change: a time, bytes that
/// could be text, a number with a decimal point, a map in its order.
pub(super) fn like(new: Value, old: &Value) -> Value {
    let is_text_of = |bytes: &Value| new.as_str().map(str::as_bytes) == bytes.as_bytes();
    match (new.tag(), old.tag()) {
        (ValueTag::I64, ValueTag::TIME) if new.as_i64() == old.as_time() => old.clone(),
        (ValueTag::I64, ValueTag::F64) if new.as_i64().map(|n| n as f64) == old.as_f64() => {
            old.clone()
        }
        (ValueTag::STRING, ValueTag::BYTES) if is_text_of(old) => old.clone(),
        (ValueTag::MAP, ValueTag::LIST)
            if old.as_list().is_some_and(<[_]>::is_empty)
                && new.as_map().is_some_and(Map::is_empty) =>
        {
            old.clone()
        }
        (ValueTag::LIST, ValueTag::LIST) => {
            let (new, old) = (new.as_list().unwrap_or_default(), old.as_list().unwrap_or_default());
            let mut items: Vec<_> = new.to_vec();
            items.iter_mut().zip(old).for_each(|(item, old)| *item = like(item.clone(), old));
            items.into()
        }
        (ValueTag::MAP, ValueTag::MAP) => {
            let (Some(new), Some(old)) = (new.as_map(), old.as_map()) else { return new };
            let of_new: HashMap<_, _> = new.iter().collect();
            let of_old: HashMap<_, _> = old.iter().collect();
            let kept = old
                .iter()
                .filter_map(|(key, old)| Some((key, like((*of_new.get(key)?).clone(), old))));
            let added = new.iter().filter(|(key, _)| !of_old.contains_key(key));
            Map::from_iter(kept.chain(added.map(|(key, value)| (key, value.clone())))).into()
        }
        _ => new,
    }
}
