//! What a component does with attributes.
use serde_json::{Value as Json, json};

use super::{
    subject::{Subject, value},
    test::{Judged, Test, Verdict, must},
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
        name: "attributes::huge",
        advice: "answer with Error::attribute rather than panic",
        run: huge,
    },
];

fn properties(schema: &Json) -> impl Iterator<Item = (&String, &Json)> {
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
            let checked = subject.with(attributes).and_then(|mut factory| factory.check());
            let panic = checked.err().into_iter().flatten().map(|error| error.message.to_string());
            if let Some(said) = panic.into_iter().find(|said| said.starts_with("panicked")) {
                return Err(Verdict::Failed(format!("'{name}' too large or long: it {said}")));
            }
        }
    }
    Ok(())
}
