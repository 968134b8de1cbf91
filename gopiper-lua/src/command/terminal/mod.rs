//! What the program writes: results on standard output, the log, drawings of pipelines.
pub(crate) mod drawing;
pub(crate) mod logging;
pub(crate) mod output;
pub(crate) mod problems;
