//! The limit for nested values.

/// How deeply lists and maps may be nested, including the outermost one: in JSON, Lua's tables and
/// attributes. All recursive code has enough stack for that. LuaJIT itself gives up at 100.
pub(crate) use json_fields::DEPTH;

/// The error for deeper values.
pub(crate) const TOO_DEEP: &str = ": nested deeper than 64 levels";
const _: () = assert!(DEPTH == 64);
