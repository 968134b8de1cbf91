//! Reads attributes from the pipeline's file into the author's struct. Every rule here follows from
//! the schema: conditions between several attributes are the component's own.
pub(crate) mod declare;
pub(crate) mod file_path;
mod refusal;
pub mod schema;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Number, Value as Json, json};
use serde_path_to_error::Segment;

use self::{
    refusal::{placeholder, refusal},
    schema::Schema,
};
use crate::raw::{Map, RawError, Value, ValueTag};

/// A type declared by [`attributes!`](crate::attributes). You may implement it for a type of your
/// own that serde reads and schemars describes; unknown attributes are then refused only if it says
/// so.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not declared with `attributes!`",
    label = "not declared with `gopiper_abi::attributes!`",
    note = "write `gopiper_abi::attributes! {{ pub struct … {{ … }} }}`, or take `gopiper_abi::NoAttributes`; a factory lacks `impl Factory`"
)]
pub trait DeclaredAttributes: DeserializeOwned + JsonSchema {
    /// Its JSON schema: `properties`, which of them are `required`, and what each may be.
    ///
    /// A type that knows it at run time alone may write it itself: then schemars' generator is not
    /// in the component's file.
    fn schema() -> schemars::Schema {
        schemars::schema_for!(Self)
    }
}

/// For a component without attributes.
#[derive(Debug, Clone, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoAttributes {}

impl DeclaredAttributes for NoAttributes {}

/// Reads attributes into the author's struct; each error names the attribute and its value.
///
/// # Errors
/// One for each attribute that is wrong.
pub fn read<A: DeclaredAttributes>(attributes: &Map) -> Result<A, Vec<RawError>> {
    let mut json = object(attributes);
    let mut errors: Vec<RawError> = Vec::new();
    loop {
        let (mut path, message): (Vec<_>, _) = match serde_path_to_error::deserialize(&json) {
            Ok(read) if errors.is_empty() => return Ok(read),
            Ok(_) => return Err(errors),
            Err(error) => (error.path().iter().cloned().collect(), error.inner().to_string()),
        };
        // Lua has no empty list but `{}`, which is a table without keys just as well.
        let wants_list = message.ends_with(", expected a sequence");
        if let Some(table) =
            place(&mut json, &path).filter(|table| wants_list && **table == json!({}))
        {
            *table = json!([]);
            continue;
        }
        let schema = A::schema().to_value();
        let error = refusal(&mut path, &message, &json, Schema::new(&schema));
        // Serde stops at the first: so it tries again without that one, until all are found, or one
        // for which nothing right could be put in its place.
        if errors.iter().any(|known| is_within(&error.attribute, &known.attribute)) {
            return Err(errors);
        }
        errors.push(error);
        let Some((last, parent)) = path.split_last() else { return Err(errors) };
        let right = placeholder(Schema::new(&schema), &path);
        match (place(&mut json, parent), last, right) {
            (Some(Json::Object(table)), Segment::Map { key }, Some(right)) => {
                table.insert(key.clone(), right);
            }
            (Some(Json::Object(table)), Segment::Map { key }, None) => drop(table.remove(key)),
            (Some(Json::Array(list)), Segment::Seq { index }, right) if *index < list.len() => {
                list[*index] = right.unwrap_or_default();
            }
            _ => return Err(errors),
        }
    }
}

/// Whether a path equals another one, or leads to something in it.
fn is_within(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The value at a place in the attributes.
fn place<'j>(json: &'j mut Json, path: &[Segment]) -> Option<&'j mut Json> {
    path.iter().try_fold(json, |at, segment| match segment {
        Segment::Seq { index } => at.get_mut(index),
        Segment::Map { key } | Segment::Enum { variant: key } => at.get_mut(key),
        Segment::Unknown => None,
    })
}

/// JSON as an attribute.
pub fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::NULL,
        Json::Bool(it) => (*it).into(),
        Json::Number(it) => match (it.as_i64(), it.as_u64()) {
            (Some(signed), _) => signed.into(),
            (None, Some(unsigned)) => unsigned.into(),
            _ => it.as_f64().unwrap_or_default().into(),
        },
        Json::String(it) => it.as_str().into(),
        Json::Array(it) => it.iter().map(from_json).collect::<Vec<_>>().into(),
        Json::Object(it) => it.iter().map(|(key, it)| (key, from_json(it))).collect::<Map>().into(),
    }
}

fn to_json(value: &Value) -> Json {
    match value.tag() {
        ValueTag::BOOL => value.as_bool().into(),
        ValueTag::I64 | ValueTag::U64 => match value.as_i64() {
            Some(signed) => signed.into(),
            None => value.as_u64().into(),
        },
        ValueTag::TIME => value.as_time().into(),
        ValueTag::F64 => value.as_f64().and_then(Number::from_f64).into(),
        ValueTag::STRING => value.as_str().into(),
        // Bytes that are no text: a list of numbers, which serde reads into a Vec<u8>.
        ValueTag::BYTES => value.as_bytes().map(|bytes| bytes.to_vec()).into(),
        ValueTag::LIST => value.as_list().unwrap_or_default().iter().map(to_json).collect(),
        ValueTag::MAP => value.as_map().map_or_else(|| json!({}), object),
        _ => Json::Null,
    }
}

/// One entry after another: `collect` would sort them, which is several KB of code in each
/// component.
fn object(map: &Map) -> Json {
    let mut object = serde_json::Map::new();
    for (key, value) in map.iter() {
        object.insert(key.to_owned(), to_json(value));
    }
    object.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        size: u64,
        #[serde(default)]
        inner: Option<Inner>,
    }

    impl DeclaredAttributes for Outer {}

    #[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
    struct Inner {
        name: String,
        #[serde(default)]
        parts: Option<Vec<Vec<u8>>>,
    }

    #[test]
    fn values_arrive_as_they_are() {
        let inner = Map::from_iter([("name", "a")]);
        let mut map = Map::from_iter([("size", u64::MAX)]);
        map.insert("inner", inner);
        let outer: Outer = read(&map).unwrap();
        assert_eq!((outer.size, outer.inner.unwrap().name.as_str()), (u64::MAX, "a"));
    }

    #[test]
    fn an_empty_table_is_an_empty_list_where_one_is_wanted() {
        let mut inner = Map::from_iter([("name", "a")]);
        inner.insert("parts", Value::from(vec![Value::from(Map::default())]));
        let mut map = Map::from_iter([("size", 1u64)]);
        map.insert("inner", inner);
        let outer: Outer = read(&map).unwrap();
        assert_eq!(outer.inner.unwrap().parts, Some(vec![vec![]]));
        map.insert("size", Map::default());
        assert_eq!(&read::<Outer>(&map).unwrap_err()[0].attribute[..], "size");
    }

    #[test]
    fn all_that_is_wrong_is_told() {
        let said = |map: &Map| {
            let errors = read::<Outer>(map).unwrap_err();
            errors.iter().map(|error| error.attribute.to_string()).collect::<Vec<_>>()
        };
        let mut parts = Map::from_iter([("name", Value::from(7i64))]);
        parts.insert("parts", Value::from(vec![Value::from("x"), Value::from(true)]));
        let mut map = Map::from_iter([("sise", 1i64), ("thing", 2)]);
        map.insert("inner", parts);
        assert_eq!(
            said(&map),
            ["inner.name", "inner.parts[1]", "inner.parts[2]", "sise", "thing", "size"]
        );
        assert_eq!(said(&Map::from_iter([("inner", 3i64)])), ["inner", "size"]);
    }
}
