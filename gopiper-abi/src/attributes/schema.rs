//! A walk through the JSON schema of a component's attributes, as schemars writes it.
use serde_json::Value as Json;

use super::file_path::FORMAT;

/// A part of a schema. References in it lead to what they refer to.
#[derive(Clone, Copy, Debug)]
pub struct Schema<'s> {
    root: &'s Json,
    part: &'s Json,
    /// How many references and alternatives led to it: a type may be an alternative of itself.
    depth: u8,
}

/// Deeper levels are not looked at.
const DEPTH: u8 = 8;

impl<'s> Schema<'s> {
    /// The whole schema.
    pub fn new(root: &'s Json) -> Self {
        Schema { root, part: root, depth: 0 }
    }

    fn part(self, part: &'s Json) -> Self {
        Schema { part, ..self }
    }

    fn deeper(self, part: &'s Json) -> Self {
        Schema { part, depth: self.depth + 1, ..self }
    }

    /// The value of a keyword, here or behind a reference.
    fn keyword(self, name: &str) -> &'s Json {
        match self.part.get(name) {
            Some(value) => value,
            None => &self.resolved().part[name],
        }
    }

    fn resolved(self) -> Self {
        let target = |reference: &str| self.root.pointer(reference.strip_prefix('#')?);
        match self.part["$ref"].as_str().and_then(target) {
            Some(part) if self.depth < DEPTH => self.deeper(part).resolved(),
            _ => self,
        }
    }

    /// The parts of which one, or each, describes the value: empty if this part does so itself.
    pub fn alternatives(self) -> impl Iterator<Item = Schema<'s>> {
        let part = self.resolved();
        ["oneOf", "anyOf", "allOf"]
            .into_iter()
            .filter_map(move |key| part.part[key].as_array())
            .flatten()
            .filter(move |_| part.depth < DEPTH)
            .map(move |one| part.deeper(one))
    }

    /// Itself, and the alternatives, and theirs.
    fn all(self) -> Vec<Self> {
        let mut all = vec![self];
        self.alternatives().for_each(|one| all.extend(one.all()));
        all
    }

    /// The properties that a table may have, by name.
    pub fn properties(self) -> impl Iterator<Item = (&'s str, Schema<'s>)> {
        let properties = self.resolved().part["properties"].as_object();
        properties.into_iter().flatten().map(move |(name, part)| (&name[..], self.part(part)))
    }

    /// The property of a table by this name, also if the table may be left out.
    pub fn property(self, name: &str) -> Option<Self> {
        let found = |one: Self| Some(self.part(one.resolved().part["properties"].get(name)?));
        self.all().into_iter().find_map(found)
    }

    /// The items of a list, also if the list may be left out.
    pub fn items(self) -> Option<Self> {
        let items = |one: Self| Some(self.part(one.resolved().part.get("items")?));
        self.all().into_iter().find_map(items).filter(|items| items.part.is_object())
    }

    /// The names that a table must have.
    pub fn required(self) -> impl Iterator<Item = &'s str> {
        self.resolved().part["required"].as_array().into_iter().flatten().filter_map(Json::as_str)
    }

    /// Its purpose, as its author describes it; empty without a description.
    pub fn description(self) -> &'s str {
        self.keyword("description").as_str().unwrap_or_default()
    }

    /// The value that it has if none is given.
    pub fn default(self) -> Option<&'s Json> {
        Some(self.keyword("default")).filter(|default| !default.is_null())
    }

    /// The least number.
    pub fn minimum(self) -> Option<&'s Json> {
        Some(self.keyword("minimum")).filter(|minimum| minimum.is_number())
    }

    /// The values that it must be one of, each with what its author says of it.
    pub fn constants(self) -> Vec<(&'s Json, &'s str)> {
        let mut constants = Vec::new();
        for one in self.all() {
            let part = one.resolved().part;
            let listed = part["enum"].as_array().into_iter().flatten();
            constants.extend(part.get("const").map(|value| (value, one.description())));
            constants.extend(listed.map(|value| (value, "")));
        }
        constants
    }

    /// Whether a string there is a path of the operator's: [`FilePath`](crate::FilePath).
    pub fn is_path(self) -> bool {
        self.all().into_iter().any(|one| one.resolved().part["format"] == FORMAT)
    }

    /// Its types in JSON's words (`integer`, `string`, …); empty if it may be anything.
    pub fn types(self) -> Vec<&'s str> {
        let part = self.resolved().part;
        if let Some(constant) = part.get("const") {
            return vec![type_of(constant)];
        }
        if let Some(values) = part["enum"].as_array() {
            return values.iter().map(type_of).collect();
        }
        let alternatives: Vec<_> = self.alternatives().map(Schema::types).collect();
        if !alternatives.is_empty() {
            let anything = alternatives.iter().any(Vec::is_empty);
            return if anything { Vec::new() } else { alternatives.concat() };
        }
        match &part["type"] {
            Json::String(one) => vec![one],
            Json::Array(several) => several.iter().filter_map(Json::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// The allowed values, in an operator's words. They do not say that it may be left out.
    pub fn in_words(self) -> String {
        let part = self.resolved().part;
        let values = || part["enum"].as_array().into_iter().flatten().map(Json::to_string);
        let mut words: Vec<String> = match part.get("const") {
            Some(constant) => vec![constant.to_string()],
            None => values().collect(),
        };
        if words.is_empty() {
            words = self.alternatives().map(Schema::in_words).collect();
        }
        if words.is_empty() {
            let word =
                |one| if one == "string" && self.is_path() { "a path" } else { type_in_words(one) };
            words = self.types().into_iter().map(|one| word(one).to_owned()).collect();
        }
        words.retain(|word| word != NOTHING);
        match words.is_empty() {
            true if self.types() == ["null"] => NOTHING.into(),
            true => "a value".into(),
            false => words.join(" or "),
        }
    }
}

const NOTHING: &str = "nothing";

/// A type of JSON's in an operator's words.
pub fn type_in_words(name: &str) -> &'static str {
    match name {
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "a string",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a table",
        "null" => NOTHING,
        _ => "a value",
    }
}

/// The type of a value in JSON's words.
pub fn type_of(value: &Json) -> &'static str {
    match value {
        Json::Bool(_) => "boolean",
        Json::Number(number) if number.is_f64() => "number",
        Json::Number(_) => "integer",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
        Json::Null => "null",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn choices_are_found_through_references_and_alternatives() {
        let schema = json!({
            "required": ["word"],
            "properties": {
                "word": { "type": "string", "description": "The word." },
                "count": { "type": ["integer", "null"], "default": 3, "minimum": 1 },
                "mode": { "anyOf": [{ "$ref": "#/$defs/Mode" }, { "type": "null" }] },
                "servers": { "type": "array", "items": { "$ref": "#/$defs/Server" } },
                "anything": true,
            },
            "$defs": {
                "Mode": { "description": "How.", "oneOf": [
                    { "const": "fast", "description": "As fast as it can." }, { "enum": ["slow"] },
                ] },
                "Server": { "properties": { "host": { "type": "string" } } },
            },
        });
        let schema = Schema::new(&schema);
        assert_eq!(schema.required().collect::<Vec<_>>(), ["word"]);
        let (word, count) = (schema.property("word").unwrap(), schema.property("count").unwrap());
        assert_eq!((word.in_words(), word.description()), ("a string".into(), "The word."));
        assert_eq!(
            (count.in_words(), count.types()),
            ("a whole number".into(), vec!["integer", "null"])
        );
        assert_eq!((count.default(), count.minimum()), (Some(&json!(3)), Some(&json!(1))));
        let mode = schema.property("mode").unwrap();
        assert_eq!(mode.in_words(), "\"fast\" or \"slow\"");
        assert_eq!(mode.types(), ["string", "string", "null"]);
        let constants = [(&json!("fast"), "As fast as it can."), (&json!("slow"), "")];
        assert_eq!(mode.constants(), constants);
        let host = schema.property("servers").unwrap().items().unwrap().property("host").unwrap();
        assert_eq!(host.in_words(), "a string");
        let anything = schema.property("anything").unwrap();
        assert_eq!((anything.in_words(), anything.types().len()), ("a value".into(), 0));
        assert!(schema.property("nothing").is_none() && word.items().is_none());
    }

    #[test]
    fn a_type_that_is_an_alternative_of_itself_has_an_end() {
        let schema = json!({
            "properties": { "either": { "$ref": "#/$defs/Either" }, "self": { "$ref": "#/$defs/Loop" } },
            "$defs": {
                "Either": { "anyOf": [{ "type": "string" }, { "$ref": "#/$defs/Either" }] },
                "Loop": { "$ref": "#/$defs/Loop" },
            },
        });
        let schema = Schema::new(&schema);
        let either = schema.property("either").unwrap();
        assert!(either.in_words().starts_with("a string or "));
        assert!(either.property("nothing").is_none() && either.constants().is_empty());
        assert_eq!(schema.property("self").unwrap().types(), [""; 0]);
    }
}
