//! The Lua module of gopiper: from a pipeline's file to pipelines that are ready to start.
#![warn(missing_docs)]

mod convert;
mod env;
mod file;
mod function;
mod module;
mod search;
mod settings;
mod source;

pub use file::{LuaError, load};
pub use settings::Settings;
