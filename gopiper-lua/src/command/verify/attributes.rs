//! Tests of a component's attributes.
use gopiper_abi::Map;
use serde_json::{Value as Json, json};

use crate::command::attributes::resolved;

use super::{
    subject::{Subject, value},
    test::Test,
    verdict::{Judged, Verdict, must},
};

pub(super) const TESTS: &[Test] = &[
    Test {
        name: "attributes::described",
        advice: "write a doc comment on the struct and on each of its fields",
        run: described,
    },
    Test {
        name: "attributes::unknown",
        advice: "declare the attributes with `attributes!`, which refuses others",
        run: unknown,
    },
    Test {
        name: "attributes::missing",
        advice: "the schema says that it is required: refuse to work without it",
        run: missing,
    },
    Test {
        name: "attributes::wrong-type",
        advice: "declare the attributes with `attributes!`, and each with the type that it has",
        run: wrong_type,
    },
    Test {
        name: "attributes::huge",
        advice: "answer with Error::attribute rather than panic",
        run: huge,
    },
];

pub(super) fn properties(schema: &Json) -> impl Iterator<Item = (&String, &Json)> {
    schema["properties"].as_object().into_iter().flatten()
}

fn described(subject: &Subject) -> Judged {
    let schema = subject.schema();
    must(schema.is_object(), || "its schema is no JSON object".into())?;
    let lacks = |of: &Json| of["description"].as_str().unwrap_or_default().is_empty();
    if lacks(&schema) {
        return Err(Verdict::Warning("nothing says what the component is for".into()));
    }
    match properties(&schema).find(|(_, of)| lacks(of)) {
        Some((name, _)) => Err(Verdict::Warning(format!("nothing says what '{name}' is for"))),
        None => Ok(()),
    }
}

fn unknown(subject: &Subject) -> Judged {
    let mut attributes = subject.attributes.clone();
    attributes.insert("verify_unknown", 1i64);
    match subject.with(attributes) {
        Ok(_) => Err(Verdict::Failed("an attribute that does not exist is taken".into())),
        Err(errors) => must(errors.iter().any(|it| it.attribute == "verify_unknown"), || {
            "its refusal of an attribute that does not exist does not name that".into()
        }),
    }
}

fn missing(subject: &Subject) -> Judged {
    let schema = subject.schema();
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str);
    for name in required {
        let mut attributes = subject.attributes.clone();
        attributes.remove(name);
        let errors = subject.with(attributes).err().unwrap_or_default();
        must(errors.iter().any(|it| it.attribute == name), || {
            format!("that '{name}' is missing is not refused by name")
        })?;
    }
    Ok(())
}

fn wrong_type(subject: &Subject) -> Judged {
    let schema = subject.schema();
    for (name, property) in properties(&schema) {
        let types = types(property, &schema);
        for (kind, wrong) in [
            ("boolean", json!(true)),
            ("number", json!(0.5)),
            ("string", json!("x")),
            ("array", json!([["x"]])),
            // An empty table is an empty list as well.
            ("object", json!({ "verify": {} })),
        ] {
            if types.is_empty() || types.contains(&kind) {
                continue;
            }
            let mut attributes = subject.attributes.clone();
            attributes.insert(name, value(&wrong));
            let errors = subject.with(attributes).err().unwrap_or_default();
            let is_about = |path: &str| path.split(['.', '[']).next() == Some(name);
            must(errors.iter().any(|it| is_about(&it.attribute)), || {
                format!("that '{name}' is {wrong} is not refused by name")
            })?;
        }
    }
    Ok(())
}

/// The JSON types that a value may have; none if it may have any.
pub(super) fn types<'s>(property: &'s Json, schema: &'s Json) -> Vec<&'s str> {
    let property = resolved(property, schema);
    if let Some(constant) = property.get("const") {
        return vec![type_of(constant)];
    }
    if let Some(values) = property["enum"].as_array() {
        return values.iter().map(type_of).collect();
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        if let Some(choices) = property[key].as_array() {
            let each: Vec<_> = choices.iter().map(|choice| types(choice, schema)).collect();
            let any = each.iter().any(Vec::is_empty);
            return if any { Vec::new() } else { each.concat() };
        }
    }
    match &property["type"] {
        Json::String(one) => vec![one],
        Json::Array(several) => several.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

pub(super) fn type_of(value: &Json) -> &'static str {
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

fn huge(subject: &Subject) -> Judged {
    let schema = subject.schema();
    let list = vec!["x"; 10_000];
    let all = [
        json!("x".repeat(1 << 20)),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1e308),
        json!(list),
    ];
    for (name, _) in properties(&schema) {
        for huge in &all {
            let mut attributes = subject.attributes.clone();
            attributes.insert(name, value(huge));
            if let Some(said) = panic_at(subject, attributes) {
                return Err(Verdict::Failed(format!("'{name}' too large or long: it {said}")));
            }
        }
    }
    Ok(())
}

/// The text of a panic on these attributes, if there was one.
pub(super) fn panic_at(subject: &Subject, attributes: Map) -> Option<String> {
    let checked = subject.with(attributes).and_then(|mut factory| factory.check());
    let said = checked.err().into_iter().flatten().map(|error| error.message.to_string());
    said.into_iter().find(|said| said.starts_with("panicked"))
}
