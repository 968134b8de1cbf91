//! The Lua module of gopiper: from a pipeline's file to pipelines that are ready to start.
#![warn(missing_docs)]

mod chance;
mod convert;
mod digits;
mod env;
mod file;
mod function;
mod module;
mod note;
mod place;
mod placeholder;
mod places;
mod problem;
mod search;
mod secret;
mod settings;
mod source;
mod syntax;

pub use file::{Loaded, load};
pub use note::Severity;
pub use places::Places;
pub use problem::Problem;
pub use search::SearchPath;
pub use settings::Settings;
