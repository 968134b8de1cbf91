//! `gopiper inspect`.
use std::{path::Path, process::ExitCode};

use gopiper_abi::schema::Schema;
use gopiper_core::{
    at_work,
    loader::{self, Inspection, PanicStrategy, Refusal, Seal, Signature, Trust},
};
use serde_json::{Value, json};

use crate::command::{
    attributes,
    process::exit,
    terminal::output::print,
    terminal::problems::{show_refusal, show_warning},
};

/// Shows the note of a file, and why the file would be refused; with `load` also its attributes.
pub(crate) fn inspect(
    file: &Path,
    trust: &Trust,
    load: bool,
    as_json: bool,
) -> Result<ExitCode, Refusal> {
    let mut inspection = loader::inspect(file)?;
    if inspection.verdicts.is_empty() {
        inspection.verdicts.extend(loader::check(file, trust).err());
    }
    let signature = loader::signature(file, trust)?;
    let schema = match load && inspection.verdicts.is_empty() {
        true => {
            let opened = format!("file {}", file.display());
            let loaded = at_work::during(opened, || loader::load(file, trust))?;
            let schema = loaded.module.schema()();
            serde_json::from_str(&schema).unwrap_or_default()
        }
        false => Value::Null,
    };
    if as_json {
        print(as_object(&inspection, &signature, &schema));
    } else {
        for (name, value) in facts(&inspection, &signature) {
            print(format_args!("{name:<10} {value}"));
        }
        inspection.hazards.iter().for_each(show_warning);
        inspection.verdicts.iter().for_each(show_refusal);
        if !schema.is_null() {
            print(attributes::describe(&schema).trim_end());
        }
    }
    let refused = !inspection.verdicts.is_empty();
    Ok(if refused { ExitCode::from(exit::CONFIGURATION) } else { ExitCode::SUCCESS })
}

fn as_object(inspection: &Inspection, signature: &Signature, schema: &Value) -> Value {
    let facts = facts(inspection, signature);
    let mut object: serde_json::Map<_, _> =
        facts.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    object.insert("size".into(), inspection.file_size.into());
    let refused: Vec<_> = inspection.verdicts.iter().map(refusal).collect();
    object.insert("refused".into(), refused.into());
    object.insert("missing".into(), inspection.missing_libraries().into());
    object.insert("warnings".into(), inspection.hazards.clone().into());
    if !schema.is_null() {
        object.insert("description".into(), Schema::new(schema).description().into());
        object.insert("attributes".into(), json!(attributes::list(schema)));
        object.insert("schema".into(), schema.clone());
    }
    object.into()
}

fn refusal(refusal: &Refusal) -> Value {
    let Refusal { problem, found, wanted, remedy, .. } = refusal;
    json!({ "problem": problem, "found": found, "wanted": wanted, "remedy": remedy })
}

/// The facts that are known without running any of its code.
fn facts(of: &Inspection, signature: &Signature) -> [(&'static str, String); 15] {
    let panic = match of.panic {
        PanicStrategy::Unwind => "unwinds",
        PanicStrategy::None => "none",
        _ => "aborts",
    };
    let seal = match of.seal {
        Seal::Fits => "intact",
        Seal::Missing => "not sealed",
        Seal::Broken(_) => "broken: the file was changed after it was sealed",
    };
    let libraries = match &*of.missing_libraries() {
        [] => "all found".into(),
        missing => format!("not found: {}", missing.join(", ")),
    };
    let processor = if of.cpu.is_empty() { "any".into() } else { of.cpu.clone() };
    let signature = match signature {
        Signature::Missing => "none".into(),
        Signature::Unknown => "by a key that is not trusted".into(),
        Signature::Trusted(words) => format!("by a trusted key: {words}"),
        Signature::Wrong(why) => format!("wrong: {why}"),
    };
    [
        ("name", of.name.clone()),
        ("version", of.version.clone()),
        ("kind", of.kind.name().into()),
        ("interface", of.interface.clone()),
        ("layout", format!("{:016x}", of.layout)),
        ("target", of.target.clone()),
        ("compiler", of.compiler.clone()),
        ("panic", panic.into()),
        ("glibc", of.glibc.map_or("any".into(), |version| version.to_string())),
        ("libraries", libraries),
        ("processor", processor),
        ("size", format!("{} bytes", of.file_size)),
        ("digest", of.digest.iter().map(|byte| format!("{byte:02x}")).collect()),
        ("seal", seal.into()),
        ("signature", signature),
    ]
}
