//! Passes every message on, and leaves a mark when its library is opened.
use std::{env, fs::OpenOptions, io::Write};

use gopiper_abi::{Component, Error, Factory, HandledCallback, Message, NoAttributes, Postponed};

pub struct PassFactory;

impl Factory for PassFactory {
    type Component = Pass;
    type Attributes = NoAttributes;

    fn new(_: NoAttributes) -> Result<Self, Error> {
        Ok(PassFactory)
    }

    fn create(&self, _: Postponed) -> Result<Pass, Error> {
        Ok(Pass)
    }
}

pub struct Pass;

impl Component for Pass {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        handled.done(message);
    }
}

/// The dynamic linker calls this before any other code of the library runs.
#[used]
#[unsafe(link_section = ".init_array")]
static ON_OPEN: extern "C" fn() = on_open;

extern "C" fn on_open() {
    let Some(file) = env::var_os("GOPIPER_TEST_MARKER") else {
        return;
    };
    let marker = OpenOptions::new().create(true).append(true).open(file);
    let _ = marker.and_then(|mut file| writeln!(file, "{} ran", env!("CARGO_PKG_NAME")));
}
