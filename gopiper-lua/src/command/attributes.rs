//! A component's attributes as text.
use serde::Serialize;
use serde_json::Value;

/// An attribute.
#[derive(Serialize)]
pub(crate) struct Attribute {
    name: String,
    /// The type of its value, as text.
    #[serde(rename = "type")]
    kind: String,
    required: bool,
    #[serde(skip_serializing_if = "Value::is_null")]
    default: Value,
    description: String,
}

/// The attributes in a component's JSON schema. Fields of tables are listed, too, by their paths.
pub(crate) fn list(schema: &Value) -> Vec<Attribute> {
    let mut found = Vec::new();
    list_within(schema, schema, "", &mut found);
    found
}

/// The deepest level that is shown: types may be recursive.
const DEPTH: usize = 4;

fn list_within(of: &Value, schema: &Value, path: &str, found: &mut Vec<Attribute>) {
    let required: Vec<_> = of["required"].as_array().into_iter().flatten().collect();
    for (name, property) in of["properties"].as_object().into_iter().flatten() {
        let mut lines = [vec![description(property)], choices(property, schema)].concat();
        lines.retain(|line| !line.is_empty());
        let path = format!("{path}{name}");
        found.push(Attribute {
            name: path.clone(),
            kind: kind(property, schema),
            required: required.contains(&&Value::from(name.as_str())),
            default: property["default"].clone(),
            description: lines.join("\n"),
        });
        if path.matches(['.', '[']).count() < DEPTH {
            list_inside(property, schema, &path, found);
        }
    }
}

/// The fields of a table, of the tables in a list, or of one of several alternatives.
fn list_inside(property: &Value, schema: &Value, path: &str, found: &mut Vec<Attribute>) {
    let property = resolved(property, schema);
    list_within(property, schema, &format!("{path}."), found);
    if property["items"].is_object() {
        list_inside(&property["items"], schema, &format!("{path}[]"), found);
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        for choice in property[key].as_array().into_iter().flatten() {
            list_inside(choice, schema, path, found);
        }
    }
}

/// The documentation of a component or an attribute.
pub(crate) fn description(of: &Value) -> String {
    of["description"].as_str().unwrap_or_default().to_owned()
}

/// The attributes as text.
pub(crate) fn describe(schema: &Value) -> String {
    let mut text = format!("\n{}\n", description(schema));
    let attributes = list(schema);
    if attributes.is_empty() {
        text += "\nthere are no attributes\n";
    }
    for Attribute { name, kind, required, default, description } in attributes {
        let must = if required { ", required" } else { "" };
        let default = match default {
            Value::Null => String::new(),
            default => format!(", default {default}"),
        };
        text += &format!("\n{name}: {kind}{must}{default}\n");
        for line in description.lines() {
            text += &format!("    {line}\n");
        }
    }
    text
}

/// The meaning of each word that is allowed, one a line.
fn choices(property: &Value, schema: &Value) -> Vec<String> {
    let property = resolved(property, schema);
    let given = ["oneOf", "anyOf", "allOf"].iter().filter_map(|key| property[*key].as_array());
    let lines = given.flatten().flat_map(|choice| match (&choice["const"], description(choice)) {
        (Value::String(word), meaning) if !meaning.is_empty() => {
            vec![format!("'{word}': {meaning}")]
        }
        _ => choices(choice, schema),
    });
    lines.collect()
}

/// The type of a value.
fn kind(property: &Value, schema: &Value) -> String {
    let property = resolved(property, schema);
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

/// The target of a reference.
pub(crate) fn resolved<'s>(property: &'s Value, schema: &'s Value) -> &'s Value {
    match property["$ref"].as_str() {
        Some(reference) => {
            let place = schema.pointer(reference.trim_start_matches('#'));
            place.map_or(&Value::Null, |property| resolved(property, schema))
        }
        None => property,
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
            "$defs": { "Mode": { "oneOf": [
                { "const": "fast", "description": "As fast as it can." }, { "enum": ["slow"] },
            ] } },
        });
        let text = describe(&schema);
        assert!(text.contains("\nDoes a thing.\n"), "{text}");
        assert!(
            text.contains("\nword: a string, required\n    The word.\n    As it is.\n"),
            "{text}"
        );
        assert!(text.contains("\ncount: a whole number, default 3\n"), "{text}");
        let mode = "\nmode: \"fast\" or \"slow\"\n    'fast': As fast as it can.\n";
        assert!(text.contains(mode), "{text}");
        assert!(describe(&json!({})).contains("no attributes"));
    }

    #[test]
    fn what_is_in_tables_is_named_by_its_path() {
        let server = json!({ "required": ["host"], "properties": {
            "host": { "type": "string", "description": "Its name." },
            "next": { "anyOf": [{ "$ref": "#/$defs/Server" }, { "type": "null" }] },
        } });
        let schema = json!({
            "properties": { "servers": { "type": "array", "items": { "$ref": "#/$defs/Server" } } },
            "$defs": { "Server": server },
        });
        let names: Vec<_> = list(&schema).into_iter().map(|one| (one.name, one.required)).collect();
        let named = |name: &str, required| (name.to_owned(), required);
        assert_eq!(
            names[..3],
            [
                named("servers", false),
                named("servers[].host", true),
                named("servers[].next", false),
            ]
        );
        assert!(names.contains(&named("servers[].next.host", true)) && names.len() < 20);
    }
}
