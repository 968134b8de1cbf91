//! The commands that don't run a pipeline.
use std::{path::Path, process::ExitCode};

use gopiper_abi::raw::{INTERFACE_VERSION, RUSTC_VERSION};
use gopiper_core::loader::{self, Inspection, Refusal, Seal, Trust};
use serde_json::json;

use crate::{
    cli::{Arguments, Command, exit},
    dlq,
    inspect::inspect,
    list::list,
    logging,
    new::new,
    output::{print, say},
    run::{check, draw, run},
    trust::TrustArguments,
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
        Command::Inspect { file, load, json, trust } => {
            with_trust(&trust, |trust| inspect(&file, trust, load, json))
        }
        Command::Verify { file, seal, trust } => {
            with_trust(&trust, |trust| verify(&file, trust, seal))
        }
        Command::New(arguments) => new(&arguments),
        Command::Dlq { command } => dlq::execute(command),
        Command::Version { json } => version(json),
    }
}

/// Looks at a file, as far as the operator trusts it.
fn with_trust(
    given: &TrustArguments,
    look: impl FnOnce(&Trust) -> Result<ExitCode, Refusal>,
) -> ExitCode {
    let trust = match given.trust() {
        Ok(trust) => trust.unwrap_or_default(),
        Err(code) => return code,
    };
    look(&trust).unwrap_or_else(|refusal| {
        say(refusal);
        ExitCode::from(exit::CONFIGURATION)
    })
}

/// Takes the file through all gates.
fn verify(file: &Path, trust: &Trust, seal: bool) -> Result<ExitCode, Refusal> {
    if seal {
        loader::seal(file)?;
    }
    let component = loader::load(file, trust)?;
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
