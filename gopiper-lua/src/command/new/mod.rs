//! `gopiper new`: creates a crate with a component to start from. It replaces no file, and runs
//! neither cargo nor a compiler.
use std::{fs, path::PathBuf, process::ExitCode};

use clap::{Args, ValueEnum};
use gopiper_abi::raw::INTERFACE_VERSION;

use crate::command::{new_files, process::exit::refuse, terminal::output::print};

#[derive(Debug, Args)]
pub(crate) struct NewArguments {
    /// The name of the component, its crate and the new folder.
    name: String,
    /// The kind of the component.
    #[arg(long, value_enum)]
    kind: NewKind,
    /// The folder of gopiper-abi; without it, the crate comes from a registry.
    #[arg(long, value_name = "DIR")]
    abi_path: Option<PathBuf>,
}

/// Names that a crate, or a type in it, cannot have.
const TAKEN: &[&str] = &[
    "as",
    "async",
    "attributes",
    "await",
    "break",
    "component",
    "const",
    "continue",
    "crate",
    "dyn",
    "else",
    "enum",
    "error",
    "extern",
    "factory",
    "false",
    "file",
    "fn",
    "for",
    "if",
    "impl",
    "in",
    "let",
    "log",
    "loop",
    "match",
    "message",
    "mod",
    "move",
    "mut",
    "parallel",
    "postponed",
    "produced",
    "pub",
    "ref",
    "report",
    "result",
    "return",
    "self",
    "source",
    "static",
    "string",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "type",
    "unsafe",
    "use",
    "vec",
    "where",
    "while",
    "write",
];

#[derive(Debug, Clone, Copy, ValueEnum)]
enum NewKind {
    Source,
    Transform,
    Sink,
}

/// The differences between the kinds.
struct TemplateKind {
    name: &'static str,
    source: &'static str,
    /// The list in `pipeline.lua`.
    list: &'static str,
    /// How to try it.
    input: &'static str,
    /// The same attributes for `gopiper verify`.
    attributes: &'static str,
}

impl NewKind {
    fn kind(self) -> TemplateKind {
        match self {
            NewKind::Source => TemplateKind {
                name: "source",
                source: include_str!("template/src/source.rs"),
                list: "  gopiper.loadComponent('crate_template_component.so', { last = 3 }),\n  \
                       gopiper.loadComponent('stdout_component.so', {}),\n",
                input: "",
                attributes: r#"{"last": 3}"#,
            },
            NewKind::Transform => TemplateKind {
                name: "transform",
                source: include_str!("template/src/transform.rs"),
                list: "  gopiper.loadComponent('stdin_component.so', {}),\n  \
                       gopiper.loadComponent('crate_template_component.so', { word = 'an' }),\n  \
                       gopiper.loadComponent('stdout_component.so', {}),\n",
                input: " < README.md",
                attributes: r#"{"word": "an"}"#,
            },
            NewKind::Sink => TemplateKind {
                name: "sink",
                source: include_str!("template/src/sink.rs"),
                list: "  gopiper.loadComponent('stdin_component.so', {}),\n  \
                       gopiper.loadComponent('crate_template_component.so', { path = 'output.txt' }),\n",
                input: " < README.md",
                attributes: r#"{"path": "output.txt"}"#,
            },
        }
    }
}

/// Makes the crate, in a folder that is not there yet.
pub(crate) fn new(arguments: &NewArguments) -> ExitCode {
    match create(arguments) {
        Ok(folder) => {
            print(format_args!(
                "created {folder}/, a {}. Read {folder}/README.md; test it with cargo test",
                arguments.kind.kind().name,
                folder = folder.display()
            ));
            ExitCode::SUCCESS
        }
        Err(error) => refuse(&error),
    }
}

fn create(arguments: &NewArguments) -> Result<PathBuf, String> {
    let NewArguments { name, kind, abi_path } = arguments;
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c));
    if !is_name || name.len() > 60 {
        return Err(format!(
            "'{name}' cannot be the name of a component: begin with a letter, and continue with \
             small letters, digits, '-' and '_'"
        ));
    }
    if TAKEN.contains(&name.as_str()) {
        return Err(format!(
            "'{name}' is a keyword of Rust or a name that the component uses: choose another"
        ));
    }
    let abi = match abi_path {
        Some(path) => {
            let path = fs::canonicalize(path.join("Cargo.toml"));
            let path =
                path.map_err(|error| format!("--abi-path does not lead to a crate: {error}"))?;
            let folder = path.parent().expect("a file has a folder").display().to_string();
            format!("{{ version = {INTERFACE_VERSION:?}, path = {folder:?} }}")
        }
        None => format!("{INTERFACE_VERSION:?}"),
    };
    let is_source = matches!(kind, NewKind::Source);
    let (given, about_messages) = match is_source {
        true => {
            ("--fixture fixture", "\n`--while COMMAND` feeds a source that waits for something.")
        }
        false => (
            "--fixture fixture --messages messages.jsonl",
            "\n`messages.jsonl` has messages that it sends: add those \
             with which yours does something special.",
        ),
    };
    let kind = kind.kind();
    let fill = |text: &str| {
        let crate_name = name.replace('-', "_");
        text.replace("crate_template", &crate_name)
            .replace("Template", &camel_case(name))
            .replace("template", name)
            .replace("{{kind}}", kind.name)
            .replace("{{input}}", kind.input)
            .replace("{{attributes}}", kind.attributes)
            .replace("{{given}}", given)
            .replace("{{about_messages}}", about_messages)
            .replace("{{abi}}", &abi)
    };
    let pipeline = format!(
        "-- Tries {name}.\nlocal gopiper = require('gopiper')\n\ngopiper.createPipeline({{\n{}}})\n",
        kind.list
    );
    let files = [
        ("Cargo.toml", include_str!("template/Cargo.toml.txt")),
        ("build.rs", include_str!("template/build.rs")),
        ("src/lib.rs", kind.source),
        ("pipeline.lua", &pipeline),
        ("README.md", include_str!("template/README.md")),
        ("CHANGELOG.md", include_str!("template/CHANGELOG.md")),
        ("LICENSE", include_str!("template/LICENSE")),
        (".github/workflows/ci.yml", include_str!("template/ci.yml")),
        (".github/workflows/release.yml", include_str!("template/release.yml")),
        (".gitignore", include_str!("template/gitignore")),
        ("fixture/README.md", include_str!("template/fixture.md")),
    ];
    let messages = ("messages.jsonl", include_str!("template/messages.jsonl"));
    let files = files.into_iter().chain((!is_source).then_some(messages));
    let folder = PathBuf::from(name);
    fs::create_dir(&folder).map_err(|error| format!("cannot create {name}: {error}"))?;
    for (file, text) in files {
        new_files::write(&folder, file, fill(text).as_bytes())?;
    }
    Ok(folder)
}

/// As a type is called.
fn camel_case(name: &str) -> String {
    let words = name.split(['-', '_']);
    let capitalized = words.map(|word| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters)
    });
    capitalized.flatten().collect()
}
