//! What a pipeline's file is to Lua: its text and what that may reach (values, secrets, the environment, other files).
//! What the module `gopiper` makes of it is in `module`.
pub(crate) mod chance;
pub(crate) mod convert;
pub(crate) mod env;
pub(crate) mod placeholder;
pub(crate) mod places;
pub(crate) mod script;
pub(crate) mod search;
pub(crate) mod secret;
pub(crate) mod settings;
