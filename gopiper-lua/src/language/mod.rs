//! What a pipeline's file sees: the module `gopiper`, its values, and where components are searched for. What is wrong
//! with a file goes to `problem`.
pub(crate) mod chance;
pub(crate) mod convert;
pub(crate) mod env;
pub(crate) mod file;
pub(crate) mod module;
pub(crate) mod placeholder;
pub(crate) mod script;
pub(crate) mod search;
pub(crate) mod secret;
pub(crate) mod settings;
