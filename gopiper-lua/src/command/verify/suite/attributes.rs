//! Tests of a component's attributes.
use gopiper_abi::{Map, export::from_json, schema::Schema};
use serde_json::json;

use super::test::Test;
use crate::command::verify::{
    subject::Subject,
    verdict::{Judged, Verdict, must},
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "attributes::described",
        advice: "write a doc comment on the struct and on each of its fields",
        in_c: "set `.documentation` of the component, and of each attribute in its table",
        run: described,
    },
    Test {
        name: "attributes::unknown",
        advice: "declare the attributes with `attributes!`, which refuses unknown ones",
        in_c: "list the attributes in the component's table: unknown ones are then refused",
        run: unknown,
    },
    Test {
        name: "attributes::missing",
        advice: "the schema marks it as required: refuse to work without it",
        in_c: "",
        run: missing,
    },
    Test {
        name: "attributes::wrong-type",
        advice: "declare the attributes with `attributes!`, each with its type",
        in_c: "give each attribute its type in the component's table",
        run: wrong_type,
    },
    Test {
        name: "attributes::huge",
        advice: "return Error::attribute instead of panicking",
        in_c: "refuse the value with `gopiper_refuse`",
        run: huge,
    },
];

fn described(subject: &Subject) -> Judged {
    let schema = subject.schema();
    must(schema.is_object(), || "its schema is not a JSON object".into())?;
    let schema = Schema::new(&schema);
    if schema.description().is_empty() {
        return Err(Verdict::Warning("the component has no description".into()));
    }
    match schema.properties().find(|(_, of)| of.description().is_empty()) {
        Some((name, _)) => Err(Verdict::Warning(format!("attribute '{name}' has no description"))),
        None => Ok(()),
    }
}

fn unknown(subject: &Subject) -> Judged {
    let mut attributes = subject.given.attributes.clone();
    attributes.insert("verify_unknown", 1i64);
    match subject.with(attributes) {
        Ok(_) => Err(Verdict::Failed("it accepts an attribute that does not exist".into())),
        Err(errors) => must(errors.iter().any(|it| it.attribute == "verify_unknown"), || {
            "it refuses an attribute that does not exist without naming it".into()
        }),
    }
}

fn missing(subject: &Subject) -> Judged {
    let schema = subject.schema();
    for name in Schema::new(&schema).required() {
        let mut attributes = subject.given.attributes.clone();
        attributes.remove(name);
        let errors = subject.with(attributes).err().unwrap_or_default();
        must(errors.iter().any(|it| it.attribute == name), || {
            format!("it does not refuse by name that '{name}' is missing")
        })?;
    }
    Ok(())
}

fn wrong_type(subject: &Subject) -> Judged {
    let schema = subject.schema();
    for (name, property) in Schema::new(&schema).properties() {
        let types = property.types();
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
            let mut attributes = subject.given.attributes.clone();
            attributes.insert(name, from_json(&wrong));
            let errors = subject.with(attributes).err().unwrap_or_default();
            let is_about = |path: &str| path.split(['.', '[']).next() == Some(name);
            must(errors.iter().any(|it| is_about(&it.attribute)), || {
                format!("it does not refuse by name that '{name}' is {wrong}")
            })?;
        }
    }
    Ok(())
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
    for (name, _) in Schema::new(&schema).properties() {
        for huge in &all {
            let mut attributes = subject.given.attributes.clone();
            attributes.insert(name, from_json(huge));
            if let Some(said) = panic_at(subject, attributes) {
                return Err(Verdict::Failed(format!("'{name}' too large or long: it {said}")));
            }
        }
    }
    Ok(())
}

/// The text of a panic on these attributes, if there was one.
pub(crate) fn panic_at(subject: &Subject, attributes: Map) -> Option<String> {
    let checked = subject.with(attributes).and_then(|mut factory| factory.check());
    let said = checked.err().into_iter().flatten().map(|error| error.message.to_string());
    said.into_iter().find(|said| said.starts_with("panicked"))
}
