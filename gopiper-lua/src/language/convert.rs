//! Attributes from Lua.
use gopiper_abi::{Map, Payload, Value};
use mlua::{Table, Value as LuaValue};

use crate::{
    language::{kind::kind_of, placeholder::Placeholder, secret::Secret},
    state::depth::{DEPTH, TOO_DEEP},
};

/// The most values in a table: one that contains the same tables many times would use up memory.
const MOST: usize = 1_000_000;

/// Whole numbers up to this are exact in Lua.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Attributes from a table, and its errors.
#[derive(Default)]
pub(crate) struct GivenAttributes {
    pub(crate) map: Map,
    /// Paths, and the errors there.
    pub(crate) errors: Vec<(String, String)>,
    /// Paths whose values are unknown, because their creation failed.
    pub(crate) unknown: Vec<String>,
    /// How deeply the table is nested in an attribute, and how many values were read before.
    depth: usize,
    count: usize,
    /// The limit is exceeded, and nothing more is read.
    is_over: bool,
}

impl GivenAttributes {
    pub(crate) fn read(table: &Table) -> Self {
        let mut attributes = GivenAttributes::default();
        attributes.map = attributes.map(table, "");
        attributes
    }

    fn wrong(&mut self, path: &str, error: impl Into<String>) -> Value {
        self.errors.push((path.to_owned(), error.into()));
        Value::NULL
    }

    /// A table with text keys.
    fn map(&mut self, table: &Table, path: &str) -> Map {
        let mut pairs = Vec::new();
        for (key, value) in table.pairs::<LuaValue, LuaValue>().flatten() {
            let key = match &key {
                LuaValue::String(key) => key.to_str().map(|key| key.to_owned()).ok(),
                _ => None,
            };
            match key {
                Some(key) => pairs.push((key, value)),
                None => drop(self.wrong(path, format!("{}: a key must be a string", name(path)))),
            }
        }
        // Lua's tables have no order: a stable one makes errors and logs the same every time.
        pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        let read = pairs.into_iter().map(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            (key, self.value(value, &path))
        });
        read.collect()
    }

    /// A table within another one.
    fn table(&mut self, table: &Table, path: &str) -> Value {
        let wrong = match (self.depth >= DEPTH, self.count > MOST) {
            _ if self.is_over => return Value::NULL,
            (true, _) => format!("{TOO_DEEP} (a table that contains itself is)"),
            (_, true) => format!(": more than {MOST} values"),
            _ => {
                self.depth += 1;
                let read = match table.raw_len() {
                    0 => self.map(table, path).into(),
                    _ => self.list(table, path),
                };
                self.depth -= 1;
                return read;
            }
        };
        self.is_over = true;
        // The operator looks for its beginning.
        let begins = path.split_inclusive(['.', '[']).take(3).collect::<String>();
        let begins = begins.trim_end_matches(['.', '[']);
        self.wrong(begins, format!("attribute {begins}{wrong}"))
    }

    fn value(&mut self, value: LuaValue, path: &str) -> Value {
        self.count += 1;
        match value {
            LuaValue::Nil => Value::NULL,
            LuaValue::Boolean(truth) => truth.into(),
            LuaValue::Integer(number) => number.into(),
            LuaValue::Number(number) if number.fract() == 0.0 && number.abs() <= EXACT => {
                (number as i64).into()
            }
            LuaValue::Number(number) if number.is_finite() => number.into(),
            LuaValue::Number(number) => {
                let error = format!("attribute {path}: {number} cannot be an attribute's value");
                self.wrong(path, error)
            }
            LuaValue::String(text) => match text.to_str() {
                Ok(text) => Value::from(&*text),
                Err(_) => Payload::from(text.as_bytes().to_vec()).into(),
            },
            LuaValue::Table(table) => self.table(&table, path),
            LuaValue::UserData(data) => {
                if let Ok(secret) = data.borrow::<Secret>() {
                    return Value::from(&*secret.0);
                }
                if data.is::<Placeholder>() {
                    self.unknown.push(path.to_owned());
                    return Value::NULL;
                }
                self.no_value(path, &kind_of(&LuaValue::UserData(data.clone())))
            }
            // LuaJIT's 64-bit integers come as this, and their text is exact.
            other @ LuaValue::Other(_) => {
                integer(&other).unwrap_or_else(|| self.no_value(path, "a cdata"))
            }
            other => self.no_value(path, &kind_of(&other)),
        }
    }

    fn no_value(&mut self, path: &str, kind: &str) -> Value {
        self.wrong(path, format!("attribute {path}: {kind} cannot be an attribute's value"))
    }

    fn list(&mut self, table: &Table, path: &str) -> Value {
        let mut items = Vec::new();
        for (i, item) in table.sequence_values::<LuaValue>().flatten().enumerate() {
            items.push(self.value(item, &format!("{path}[{}]", i + 1)));
        }
        if table.pairs::<LuaValue, LuaValue>().count() != items.len() {
            let error = format!("attribute {path}: a table is either a list or has keys, not both");
            return self.wrong(path, error);
        }
        items.into()
    }
}

fn name(path: &str) -> String {
    if path.is_empty() { "the attributes".into() } else { format!("attribute {path}") }
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
        let read = GivenAttributes::read(&Lua::new().load(lua).eval::<Table>().unwrap());
        match read.errors.into_iter().next() {
            None => Ok(read.map),
            Some((_, error)) => Err(error),
        }
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
        assert_eq!(map.get("a").and_then(Value::as_bytes).unwrap(), b"\xff");
    }

    #[test]
    fn unsupported_values_are_named() {
        assert_eq!(
            read("return { a = { b = print } }").unwrap_err(),
            "attribute a.b: a function cannot be an attribute's value"
        );
        assert!(read("return { a = { 1, x = 2 } }").unwrap_err().contains("not both"));
        assert!(
            read("return { 1 }").unwrap_err().contains("the attributes: a key must be a string")
        );
    }

    #[test]
    fn endless_tables_are_refused() {
        for made in [
            "local t = {} t.a = t return t",
            "local t = {} t.a = { b = { t, t }, c = t } return t",
            "local t = {} local u = t for i = 1, 100000 do u.a = {} u = u.a end return t",
        ] {
            let error = read(made).unwrap_err();
            assert!(error.starts_with("attribute a"), "{error}");
            assert!(error.contains(": nested deeper than 64 levels"), "{error}");
        }
        let deep = |n| {
            format!("local t = {{}} local u = t for i = 2, {n} do u.a = {{}} u = u.a end return t")
        };
        // The outermost table is that of the attributes, and no value of one.
        assert!(read(&deep(1 + DEPTH)).is_ok());
        assert!(read(&deep(1 + DEPTH + 1)).is_err());
        let many = "local t = {} for i = 1, 40 do t = { a = t, b = t } end return t";
        assert!(read(many).unwrap_err().ends_with("more than 1000000 values"));
    }

    #[test]
    fn nan_and_infinity_are_refused() {
        assert_eq!(
            read("return { a = { 0/0 } }").unwrap_err().replace("-nan", "nan").to_lowercase(),
            "attribute a[1]: nan cannot be an attribute's value"
        );
        assert!(
            read("return { a = math.huge }")
                .unwrap_err()
                .contains(": inf cannot be an attribute's value")
        );
        assert!(
            read("return { a = -math.huge }")
                .unwrap_err()
                .contains("-inf cannot be an attribute's value")
        );
    }
}
