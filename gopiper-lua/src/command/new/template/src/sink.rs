//! Appends each message to a file, as a line.
use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::PathBuf,
};

use gopiper_abi::{
    Component, Error, Factory, HandledCallback, Message, Parallel, Postponed, Report, attributes,
    export_component,
};

attributes! {
    /// Appends each message to a file, as a line.
    pub struct Attributes {
        /// The file; it is created if it does not exist.
        pub path: PathBuf,
        /// The end of each line.
        pub delimiter: String = "\n".into(),
    }
}

/// Created once from the attributes; creates a component for each worker.
pub struct TemplateFactory(Attributes);

impl Factory for TemplateFactory {
    type Component = Template;
    type Attributes = Attributes;

    fn new(attributes: Attributes) -> Result<Self, Error> {
        Ok(TemplateFactory(attributes))
    }

    fn create(&self, _postponed: Postponed) -> Result<Template, Error> {
        let file = OpenOptions::new().create(true).append(true).open(&self.0.path);
        let file = file.map_err(|error| Error::attribute("path", error.to_string()))?;
        let written = file.metadata()?.len();
        Ok(Template { file, written, delimiter: self.0.delimiter.clone() })
    }

    /// Two workers would write into each other's lines.
    fn parallel(&self) -> Parallel {
        Parallel::SINGLE
    }
}

/// The component of one worker: only one thread calls it.
pub struct Template {
    file: File,
    /// How long the file is.
    written: u64,
    delimiter: String,
}

impl Component for Template {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        let line = [message.data(), self.delimiter.as_bytes()].concat();
        match self.file.write_all(&line) {
            Ok(()) => {
                self.written += line.len() as u64;
                handled.done(message);
            }
            // The host sends the message again later, as often as the operator wants: so the part
            // that was written is removed.
            Err(error) => {
                let _ = self.file.set_len(self.written);
                handled.report(message, Report::retry(1, error.to_string()));
            }
        }
    }
}

export_component!(sink: TemplateFactory);

#[cfg(test)]
mod tests {
    use gopiper_abi::testing::Harness;

    use super::*;

    #[test]
    fn writes_a_line_for_each_message() {
        let name = format!("template-test-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let path = path.to_str().expect("UTF-8").to_owned();
        let mut harness =
            Harness::sink::<TemplateFactory>([("path", path.clone().into())]).unwrap();
        let handled = harness.handle(["one", "two"]);
        assert!(handled.iter().all(|handled| handled.status == 0), "{handled:?}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let error = Harness::sink::<TemplateFactory>([("path", "/".into())]).unwrap_err();
        assert!(error.to_string().contains("path"), "{error}");
    }
}
