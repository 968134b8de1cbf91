//! Attributes from Lua.
use gopiper_abi::{Map, Payload, Value};
use mlua::{Table, Value as LuaValue};

/// Whole numbers up to this are exact in Lua.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A table with text keys. Errors say where in it.
pub(crate) fn map(table: &Table, path: &str) -> Result<Map, String> {
    let mut pairs = Vec::new();
    for pair in table.pairs::<LuaValue, LuaValue>() {
        let (key, value) = pair.map_err(|error| error.to_string())?;
        let LuaValue::String(key) = key else {
            return Err(format!(
                "{}: a key must be a string, not a {}",
                name(path),
                key.type_name()
            ));
        };
        let key =
            key.to_str().map_err(|_| format!("{}: a key is not UTF-8", name(path)))?.to_owned();
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        pairs.push((key, self::value(value, &path)?));
    }
    // Lua's tables have no order: a stable one makes errors and logs the same every time.
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(Map::from_iter(pairs))
}

fn name(path: &str) -> &str {
    if path.is_empty() { "attributes" } else { path }
}

fn value(value: LuaValue, path: &str) -> Result<Value, String> {
    Ok(match value {
        LuaValue::Nil => Value::NULL,
        LuaValue::Boolean(truth) => truth.into(),
        LuaValue::Integer(number) => number.into(),
        LuaValue::Number(number) if number.fract() == 0.0 && number.abs() <= EXACT => {
            (number as i64).into()
        }
        LuaValue::Number(number) => number.into(),
        LuaValue::String(text) => match text.to_str() {
            Ok(text) => Value::from(&*text),
            Err(_) => Payload::from(text.as_bytes().to_vec()).into(),
        },
        LuaValue::Table(table) if table.raw_len() > 0 => list(&table, path)?,
        LuaValue::Table(table) => map(&table, path)?.into(),
        // LuaJIT's 64-bit integers come as this, and their text is exact.
        other @ LuaValue::Other(_) => integer(&other).ok_or_else(|| not_a_value(path, "cdata"))?,
        other => return Err(not_a_value(path, other.type_name())),
    })
}

fn not_a_value(path: &str, kind: &str) -> String {
    format!("attribute {path}: {} is no value for an attribute", a(kind))
}

fn list(table: &Table, path: &str) -> Result<Value, String> {
    let mut items = Vec::new();
    for (i, item) in table.sequence_values::<LuaValue>().enumerate() {
        let item = item.map_err(|error| error.to_string())?;
        items.push(value(item, &format!("{path}[{}]", i + 1))?);
    }
    if table.pairs::<LuaValue, LuaValue>().count() != items.len() {
        return Err(format!("attribute {path}: a table is either a list or has keys, not both"));
    }
    Ok(items.into())
}

/// With its article.
pub(crate) fn a(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}

/// The value of an int64_t or uint64_t cdata.
fn integer(cdata: &LuaValue) -> Option<Value> {
    let text = cdata.to_string().ok()?;
    match text.strip_suffix("ULL") {
        Some(unsigned) => unsigned.parse::<u64>().ok().map(Value::from),
        None => text.strip_suffix("LL")?.parse::<i64>().ok().map(Value::from),
    }
}

#[cfg(test)]
mod tests {
    use mlua::Lua;

    use super::*;

    fn read(lua: &str) -> Result<Map, String> {
        map(&Lua::new().load(lua).eval::<Table>().unwrap(), "")
    }

    #[test]
    fn numbers_keep_their_kind() {
        let map =
            read("return { a = 3, b = 0.5, c = 9007199254740993LL, d = 18446744073709551615ULL }");
        let map = map.unwrap();
        assert_eq!(map.get("a"), Some(&Value::from(3i64)));
        assert_eq!(map.get("b"), Some(&Value::from(0.5)));
        assert_eq!(map.get("c"), Some(&Value::from(9_007_199_254_740_993i64)));
        assert_eq!(map.get("d"), Some(&Value::from(u64::MAX)));
    }

    #[test]
    fn tables_are_lists_or_maps() {
        let map = read("return { l = { 'a', { x = true } }, e = {} }").unwrap();
        let list = map.get("l").and_then(Value::as_list).unwrap();
        assert_eq!(list[0].as_str(), Some("a"));
        assert_eq!(list[1].as_map().and_then(|m| m.get("x")).and_then(Value::as_bool), Some(true));
        assert!(map.get("e").and_then(Value::as_map).is_some_and(Map::is_empty));
    }

    #[test]
    fn bytes_that_are_no_text_stay_bytes() {
        let map = read("return { a = '\\255' }").unwrap();
        assert_eq!(&map.get("a").and_then(Value::as_bytes).unwrap()[..], b"\xff");
    }

    #[test]
    fn what_is_no_value_is_named() {
        assert_eq!(
            read("return { a = { b = print } }").unwrap_err(),
            "attribute a.b: a function is no value for an attribute"
        );
        assert!(read("return { a = { 1, x = 2 } }").unwrap_err().contains("not both"));
        assert!(read("return { 1 }").unwrap_err().contains("a key must be a string"));
    }
}
