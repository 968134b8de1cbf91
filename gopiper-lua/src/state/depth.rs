//! How deep values may be nested.

/// So deep may lists and maps lie in each other, the outermost one counted: in JSON, in Lua's tables, in attributes.
/// Whatever goes through one of them level by level has room for that. LuaJIT itself gives up at 100.
pub(crate) const DEPTH: usize = 64;

/// What is said of what lies deeper.
pub(crate) const TOO_DEEP: &str = ": nested deeper than 64 levels";
const _: () = assert!(DEPTH == 64);
