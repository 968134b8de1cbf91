//! The commands that don't run a pipeline.
use std::{path::Path, process::ExitCode};

use gopiper_abi::raw::{INTERFACE_VERSION, RUSTC_VERSION};
use gopiper_core::loader::{self, Inspection, PanicStrategy, Refusal, Seal};
use serde_json::json;

use crate::{
    attributes,
    cli::{Arguments, Command, exit},
    dlq,
    list::list,
    logging,
    output::{print, say},
    run::{check, draw, run},
};

/// Does what the command line says.
pub(crate) fn execute(arguments: Arguments) -> ExitCode {
    if let Err(error) = logging::init(&arguments.log) {
        say(format_args!("gopiper: {error}"));
        return ExitCode::from(exit::USAGE);
    }
    match arguments.command {
        Command::Run(arguments) => run(&arguments),
        Command::Check { deny_warnings, run } => {
            check(&run, deny_warnings, arguments.log.log_format)
        }
        Command::Graph { format, run } => draw(&run, format),
        Command::List(arguments) => list(&arguments),
        Command::Inspect { file, load } => or_refusal(inspect(&file, load)),
        Command::Verify { file, seal } => or_refusal(verify(&file, seal)),
        Command::Dlq { command } => dlq::execute(command),
        Command::Version { json } => version(json),
    }
}

fn or_refusal(result: Result<ExitCode, Refusal>) -> ExitCode {
    result.unwrap_or_else(|refusal| {
        say(refusal);
        ExitCode::from(exit::CONFIGURATION)
    })
}

/// Shows the note, and why the file would be refused if it would; then what can be set.
fn inspect(file: &Path, load: bool) -> Result<ExitCode, Refusal> {
    let inspection = loader::inspect(file)?;
    let glibc = inspection.glibc.map_or("any".into(), |version| version.to_string());
    let panic = match inspection.panic {
        PanicStrategy::Unwind => "unwinds",
        PanicStrategy::None => "knows none",
        _ => "aborts",
    };
    let digest: String = inspection.digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let seal = match inspection.seal {
        Seal::Fits => "fits",
        Seal::Missing => "not sealed",
        Seal::Broken(_) => "broken: the file was changed after it was sealed",
    };
    for (what, value) in [
        ("name", inspection.name.as_str()),
        ("version", &inspection.version),
        ("kind", inspection.kind.name()),
        ("interface", &inspection.interface),
        ("layout", &format!("{:016x}", inspection.layout)),
        ("target", &inspection.target),
        ("rustc", &inspection.rustc),
        ("panic", panic),
        ("glibc", &glibc),
        ("size", &format!("{} bytes", inspection.file_size)),
        ("digest", &digest),
        ("seal", seal),
    ] {
        print(format_args!("{what:<10} {value}"));
    }
    if !inspection.verdicts.is_empty() {
        inspection.verdicts.iter().for_each(say);
        return Ok(ExitCode::from(exit::CONFIGURATION));
    }
    if load {
        let schema = loader::load(file)?.module.schema()();
        attributes::show(&schema);
    }
    Ok(ExitCode::SUCCESS)
}

/// Takes the file through all gates.
fn verify(file: &Path, seal: bool) -> Result<ExitCode, Refusal> {
    if seal {
        loader::seal(file)?;
    }
    let component = loader::load(file)?;
    component.warnings.iter().for_each(|warning| say(format_args!("warning: {warning}")));
    print(format_args!("{}: {}", file.display(), in_a_line(&component.inspection)));
    Ok(ExitCode::SUCCESS)
}

fn in_a_line(inspection: &Inspection) -> String {
    let Inspection { kind, name, version, interface, rustc, .. } = inspection;
    let seal = if inspection.seal == Seal::Fits { "sealed" } else { "not sealed" };
    format!("{} {name} {version}, interface {interface}, {seal}, {rustc}", kind.name())
}

fn version(as_json: bool) -> ExitCode {
    let luajit = mlua::Lua::new().load("return jit.version").eval::<String>().unwrap_or_default();
    let luajit = luajit.trim_start_matches("LuaJIT ");
    let (program, rustc) = (env!("CARGO_PKG_VERSION"), RUSTC_VERSION);
    if as_json {
        let version = json!({ "program": program, "interface": INTERFACE_VERSION, "luajit": luajit, "rustc": rustc });
        print(version);
    } else {
        print(format_args!(
            "gopiper   {program}\ninterface {INTERFACE_VERSION}\nLuaJIT    {luajit}\nrustc     {rustc}"
        ));
    }
    ExitCode::SUCCESS
}
