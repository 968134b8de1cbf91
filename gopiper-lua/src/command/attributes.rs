//! A component's attributes as text.
use gopiper_abi::schema::Schema;
use serde::Serialize;
use serde_json::Value;

/// An attribute.
#[derive(Serialize)]
pub(crate) struct ListedAttribute {
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
pub(crate) fn list(schema: &Value) -> Vec<ListedAttribute> {
    let mut found = Vec::new();
    list_within(Schema::new(schema), "", &mut found);
    found
}

/// The deepest level that is shown: types may be recursive.
const DEPTH: usize = 4;

fn list_within(table: Schema<'_>, path: &str, found: &mut Vec<ListedAttribute>) {
    let required: Vec<_> = table.required().collect();
    for (name, property) in table.properties() {
        let path = format!("{path}{name}");
        found.push(ListedAttribute {
            name: path.clone(),
            kind: property.in_words(),
            required: required.contains(&name),
            default: property.default().cloned().unwrap_or_default(),
            description: description_with_choices(property),
        });
        list_inside(property, &path, found);
    }
}

/// The fields of a table, of the tables in a list, or of one of several alternatives.
fn list_inside(property: Schema<'_>, path: &str, found: &mut Vec<ListedAttribute>) {
    if path.matches(['.', '[']).count() >= DEPTH {
        return;
    }
    list_within(property, &format!("{path}."), found);
    if property.alternatives().next().is_none()
        && let Some(items) = property.items()
    {
        list_inside(items, &format!("{path}[]"), found);
    }
    property.alternatives().for_each(|one| list_inside(one, path, found));
}

/// The documentation of a component or an attribute.
fn description_with_choices(property: Schema<'_>) -> String {
    let choices = property.constants().into_iter().filter(|(_, meaning)| !meaning.is_empty());
    let choices =
        choices.filter_map(|(word, meaning)| Some(format!("'{}': {meaning}", word.as_str()?)));
    let mut lines = vec![property.description().to_owned()];
    lines.extend(choices);
    lines.retain(|line| !line.is_empty());
    lines.join("\n")
}

/// The attributes as text.
pub(crate) fn describe(schema: &Value) -> String {
    let mut text = format!("\n{}\n", Schema::new(schema).description());
    let attributes = list(schema);
    if attributes.is_empty() {
        text += "\nthere are no attributes\n";
    }
    for ListedAttribute { name, kind, required, default, description } in attributes {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_types_defaults_and_required_attributes() {
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
    fn a_list_of_itself_has_an_end() {
        let tree = json!({ "type": "array", "items": { "$ref": "#/$defs/Tree" } });
        let schema = json!({
            "properties": { "tree": { "$ref": "#/$defs/Tree" } }, "$defs": { "Tree": tree },
        });
        assert_eq!(list(&schema).len(), 1);
    }

    #[test]
    fn values_in_tables_are_named_by_their_path() {
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
