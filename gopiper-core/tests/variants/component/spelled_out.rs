//! The same, with the output of the export macro spelled out, so that parts of it can be changed.
mod pass;

use gopiper_abi::{
    export::{AsTransform, Exported},
    raw::{self, ComponentModule_Ref, EntryResult, Header, Note},
};

#[used]
#[unsafe(link_section = ".note.gopiper")]
static NOTE: Note = note();

const fn note() -> Note {
    let name = env!("CARGO_PKG_NAME");
    let version = env!("CARGO_PKG_VERSION");
    let kind = 1;
    Note::new(name, version, kind, cfg!(panic = "unwind"), gopiper_abi::compiled_for!())
}

fn module() -> ComponentModule_Ref {
    raw::module::<Exported<pass::PassFactory, AsTransform>>(
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
        None,
    )
}

extern "C" fn entry() -> EntryResult {
    raw::enter(module)
}

#[used]
#[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
static HEADER: Header = raw::header(entry);
