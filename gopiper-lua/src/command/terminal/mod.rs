//! The output of the program: results on standard output, the log, drawings of pipelines. Commands
//! write through this folder alone; it knows none of them.
pub(crate) mod drawing;
pub(crate) mod logging;
pub(crate) mod output;
pub(crate) mod problems;
