//! A component's attributes, in words.
use serde_json::Value;

use crate::output::print;

/// Shows what can be set, from the JSON schema that the component gives.
pub(crate) fn show(schema: &str) {
    print(describe(&serde_json::from_str(schema).unwrap_or_default()).trim_end());
}

fn describe(schema: &Value) -> String {
    let description = schema["description"].as_str().unwrap_or_default();
    let mut text = format!("\n{description}\n");
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().collect();
    let properties = schema["properties"].as_object();
    if properties.is_none_or(|properties| properties.is_empty()) {
        text += "\nthere are no attributes\n";
    }
    for (name, property) in properties.into_iter().flatten() {
        let must =
            if required.iter().any(|required| *required == name) { ", required" } else { "" };
        let default = match &property["default"] {
            Value::Null => String::new(),
            default => format!(", default {default}"),
        };
        text += &format!("\n{name}: {}{must}{default}\n", kind(property, schema));
        let described = property["description"].as_str().into_iter();
        for line in described.flat_map(str::lines) {
            text += &format!("    {line}\n");
        }
    }
    text
}

/// What a value may be.
fn kind(property: &Value, schema: &Value) -> String {
    if let Some(reference) = property["$ref"].as_str() {
        return kind(
            schema.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null),
            schema,
        );
    }
    if let Some(constant) = property.get("const") {
        return constant.to_string();
    }
    let several = |values: &[Value], of: &dyn Fn(&Value) -> String| {
        let kinds: Vec<_> = values.iter().map(of).filter(|kind| kind != "nothing").collect();
        kinds.join(" or ")
    };
    for key in ["oneOf", "anyOf", "allOf"] {
        if let Some(choices) = property[key].as_array() {
            return several(choices, &|choice| kind(choice, schema));
        }
    }
    if let Some(values) = property["enum"].as_array() {
        return several(values, &|value| value.to_string());
    }
    match &property["type"] {
        Value::Array(types) => several(types, &|one| word(one).into()),
        one => word(one).into(),
    }
}

fn word(kind: &Value) -> &str {
    match kind.as_str().unwrap_or_default() {
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "a string",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a table",
        "null" => "nothing",
        _ => "a value",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_types_defaults_and_what_is_required() {
        let schema = json!({
            "description": "Does a thing.",
            "required": ["word"],
            "properties": {
                "word": { "type": "string", "description": "The word.\nAs it is." },
                "count": { "type": ["integer", "null"], "default": 3 },
                "mode": { "$ref": "#/$defs/Mode" },
            },
            "$defs": { "Mode": { "oneOf": [{ "const": "fast" }, { "enum": ["slow"] }] } },
        });
        let text = describe(&schema);
        assert!(text.contains("\nDoes a thing.\n"), "{text}");
        assert!(
            text.contains("\nword: a string, required\n    The word.\n    As it is.\n"),
            "{text}"
        );
        assert!(text.contains("\ncount: a whole number, default 3\n"), "{text}");
        assert!(text.contains("\nmode: \"fast\" or \"slow\"\n"), "{text}");
        assert!(describe(&json!({})).contains("no attributes"));
    }
}
