//! The loader over real files: those that it must refuse, in few words, before they can do harm,
//! and those that it must take although they look alike.
//!
//! The files come from `cargo xtask test`; `tests/variants` describes the fault of each.

#[path = "../common/mod.rs"]
mod common;
mod damaged;
mod files;
mod interface;
mod linked;
mod mutants;
mod note;
mod signed;
mod together;
