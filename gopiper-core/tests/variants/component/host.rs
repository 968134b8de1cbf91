//! A host of another version of the interface: loads each file, and reports the result.
mod loader;

use std::{env, path::Path, process::ExitCode};

fn main() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for file in env::args_os().skip(1) {
        match loader::load(Path::new(&file), &loader::Trust::default()) {
            Ok(component) => {
                let (module, interface) = (component.module, component.inspection.interface);
                let introduced = module.introduced().map(|entry| entry());
                println!("{} {} {interface} {introduced:?}", module.name(), module.version());
            }
            Err(refusal) => {
                eprintln!("{refusal}");
                code = ExitCode::from(78);
            }
        }
    }
    code
}
