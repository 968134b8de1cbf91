//! The Lua module of gopiper: from a pipeline's file to pipelines that are ready to start.
#![warn(missing_docs)]

mod function;
mod language;
mod problem;

pub use language::{
    file::{Loaded, load},
    search::SearchPath,
    settings::Settings,
};
pub use problem::{Problem, note::Severity, places::Places};
