//! A pipeline's file for Lua: its text, and the things it may use (values, secrets, the
//! environment, other files). The module `gopiper` itself is in `module`.
pub(crate) mod component_places;
pub(crate) mod convert;
pub(crate) mod env;
pub(crate) mod kind;
pub(crate) mod paths;
pub(crate) mod placeholder;
pub(crate) mod script;
pub(crate) mod search;
pub(crate) mod secret;
pub(crate) mod seeds;
pub(crate) mod settings;
