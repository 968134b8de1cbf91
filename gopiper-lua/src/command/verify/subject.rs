//! The component under test.
use std::{path::PathBuf, sync::Arc};

use gopiper_abi::{
    Kind, Map,
    raw::{ComponentModule_Ref, RawError, client::FactoryHandle},
};
use gopiper_core::loader::Seal;
use serde_json::Value as Json;

use super::{options::VerifyInput, process::Snapshot, verdict::Verdict};

/// How a test begins that was skipped because nothing works without attributes.
pub(super) const REFUSES: &str = "it refuses its attributes";

/// The component that is looked at, and how.
#[derive(Clone)]
pub(crate) struct Subject {
    /// The file that is tested: with `--seal` a sealed copy.
    pub(super) file: PathBuf,
    pub(super) module: ComponentModule_Ref,
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Whether it was compiled from C: its advice has the words of C.
    pub(super) is_in_c: bool,
    pub(super) seal: Seal,
    /// By which a process of its own knows that it has the same file.
    pub(super) digest: [u8; 32],
    /// The seed of random attributes and messages.
    pub(super) seed: u64,
    /// The attributes, messages and limits from the options.
    pub(super) given: Arc<VerifyInput>,
    /// The folder of the test: a component may change the working directory.
    pub(super) folder: PathBuf,
    /// For folders of tests and other files; it goes with the process.
    pub(super) scratch: PathBuf,
    /// The state of the process before.
    pub(super) before: Snapshot,
}

impl Subject {
    /// With the attributes that were given. None may have been given that it needs: that is not its
    /// fault.
    pub(super) fn factory(&self) -> Result<FactoryHandle, Verdict> {
        self.with(self.given.attributes.clone()).map_err(|errors| {
            let said: Vec<_> = errors.iter().map(RawError::to_string).collect();
            let said = format!("{REFUSES}: {}", said.join("; "));
            let has_some =
                self.schema()["properties"].as_object().is_some_and(|all| !all.is_empty());
            match has_some && !said.contains("panicked") {
                true if !self.given.attributes.is_empty() => Verdict::Skipped(said),
                true => {
                    let names = errors.iter().map(|error| match &*error.attribute {
                        "" => "…".to_owned(),
                        name => format!("\"{name}\": …"),
                    });
                    let names = names.collect::<Vec<_>>().join(", ");
                    let said = said.trim_end_matches('.');
                    Verdict::Skipped(format!("{said}; give --attributes '{{{names}}}'"))
                }
                false => Verdict::Failed(said),
            }
        })
    }

    pub(super) fn with(&self, attributes: Map) -> Result<FactoryHandle, Vec<RawError>> {
        let mut factory = FactoryHandle::new(self.module).map_err(|error| vec![error])?;
        factory.configure(attributes)?;
        Ok(factory)
    }

    pub(super) fn schema(&self) -> Json {
        let schema: String = self.module.schema()().into();
        serde_json::from_str(&schema).unwrap_or_default()
    }
}
