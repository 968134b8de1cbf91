//! Names the kinds of Lua values in an operator's terms.
use mlua::Value;

/// The kind of a value, with its article. Each userdata of ours has its name.
pub(crate) fn kind_of(value: &Value) -> String {
    match value {
        Value::UserData(data) => match data.type_name() {
            Ok(name) => a(&name.to_string_lossy()),
            Err(_) => a("userdata"),
        },
        null if null.is_null() => "gopiper.NULL".into(),
        other => a(other.type_name()),
    }
}

/// A type's name with its article.
fn a(noun: &str) -> String {
    match noun {
        "nil" => "nil".into(),
        // An operator knows numbers only.
        "integer" => "a number".into(),
        noun => format!("a {noun}"),
    }
}
