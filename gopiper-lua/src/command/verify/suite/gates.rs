//! The loader's requirements for a file.
use gopiper_core::loader::Seal;

use super::test::Test;
use crate::command::verify::verdict::Verdict;

/// The test that a file passes by being opened.
pub(crate) const LOADS: &str = "gates::loads";

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: LOADS,
        advice: "do what the refusal says",
        in_c: "",
        // A file that is refused never comes this far.
        run: |_| Ok(()),
    },
    Test {
        name: "gates::sealed",
        advice: "run gopiper verify --seal after everything that changes the file",
        in_c: "",
        run: |subject| match subject.seal {
            Seal::Fits => Ok(()),
            _ => Err(Verdict::Warning("damage to the file would not be noticed".into())),
        },
    },
];
