//! `gopiper kit`: writes the files for building a component in another language than Rust. It
//! replaces no file, and does not build: the library that it copies was built with the program.
mod library;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};

use crate::command::{new_files, process::exit::refuse, terminal::output::print};

#[derive(Debug, Subcommand)]
pub(crate) enum KitCommand {
    /// Write the files for building a component in C: header, library, Makefile, example
    C(CArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CArguments {
    /// The folder, which is new or empty.
    folder: PathBuf,
    /// The folder of the library and its header, as `cargo xtask build-c` lays it out [default: c
    /// beside the program or its folder, or /usr/lib/gopiper/c].
    #[arg(long, value_name = "DIR", env = "GOPIPER_C_KIT")]
    from: Option<PathBuf>,
}

/// The files that are not of the library.
const FILES: [(&str, &str); 5] = [
    ("upper.c", include_str!("../../../../examples/c/upper.c")),
    ("Makefile", include_str!("template/Makefile.txt")),
    ("README.md", include_str!("template/README.md")),
    ("pipeline.lua", include_str!("template/pipeline.lua")),
    (".gitignore", include_str!("template/gitignore")),
];

pub(crate) fn execute(command: &KitCommand) -> ExitCode {
    let KitCommand::C(arguments) = command;
    match write(arguments) {
        Ok(()) => {
            print(format_args!(
                "created {folder}/ with an example, upper.c. Read {folder}/README.md; build it \
                 with make",
                folder = arguments.folder.display()
            ));
            ExitCode::SUCCESS
        }
        Err(error) => refuse(&error),
    }
}

fn write(arguments: &CArguments) -> Result<(), String> {
    let library = library::find(arguments.from.as_deref())?;
    let folder = &arguments.folder;
    empty(folder)?;
    for (file, text) in FILES {
        new_files::write(folder, file, text.as_bytes())?;
    }
    for (file, content) in library {
        new_files::write(folder, file, &content)?;
    }
    Ok(())
}

/// Creates the folder, unless it exists and is empty.
fn empty(folder: &Path) -> Result<(), String> {
    let shown = folder.display();
    if let Ok(mut files) = fs::read_dir(folder) {
        return match files.next() {
            None => Ok(()),
            Some(_) => Err(format!(
                "{shown} is not empty, and no file in it is replaced: name a new folder. (To \
                 change to another version of the kit, copy include and lib from there.)"
            )),
        };
    }
    fs::create_dir_all(folder).map_err(|error| format!("cannot create {shown}: {error}"))
}
