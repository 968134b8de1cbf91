//! The Lua module of gopiper: from a pipeline's file to pipelines that are ready to start.
#![warn(missing_docs)]

mod function;
mod language;
mod module;
mod problem;
mod state;

pub use language::{
    component_places::Places, script::unreadable, search::SearchPath, settings::Settings,
};
pub use module::file::{Loaded, load};
pub use problem::{Problem, remark::Severity};
