//! Turns a list of steps into a pipeline that fits together: everything that is decided before a
//! thread starts. This folder does not know threads, channels or messages.
pub(crate) mod check;
pub(crate) mod error;
pub(crate) mod names;
pub(crate) mod options;
pub(crate) mod pipeline;
pub(crate) mod placement;
pub(crate) mod planned_stage;
pub(crate) mod policy;
pub(crate) mod routes;
pub(crate) mod step;
pub(crate) mod ways;
