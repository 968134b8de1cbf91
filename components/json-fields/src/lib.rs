//! Fields of JSON text, read and changed in place.
//!
//! A field is found without reading what comes after it, and a change leaves all other bytes as
//! they are: the order of keys, the spelling of numbers, escapes and spaces. Functions in Lua and
//! the components for JSON use this. Those components also share [`OnError`].
mod depth;
mod edit;
mod find;
mod on_error;
mod parts;
mod path;
mod problem;

pub use crate::{
    depth::{DEPTH, is_too_deep},
    edit::{Edit, put, replaced, replaced_by_text, with_field},
    find::{FoundField, find, items, reach, read_field},
    on_error::OnError,
    parts::{PartOf, parts},
    path::{Path, Paths},
    problem::{JsonProblem, after_mark},
};
