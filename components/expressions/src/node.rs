//! The parts of an expression.
use std::cell::RefCell;

use json_fields::Path;
use regex::Regex;

use crate::{functions::Function, known::Known};

/// A part, and where it begins in the text.
pub(crate) struct Node {
    pub(crate) at: usize,
    pub(crate) part: Part,
}

pub(crate) enum Part {
    Constant(Known<'static>),
    Read(Read),
    /// Whether there is such a field or attribute.
    Has(Read),
    Not(Box<Node>),
    Negative(Box<Node>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    /// `condition ? this : that`
    Choice(Box<[Node; 3]>),
    Compare(Comparison, Box<[Node; 2]>),
    Calculate(Calculation, Box<[Node; 2]>),
    /// An element of a list literal, or of a list of the message.
    In(Box<[Node; 2]>),
    Matches(Box<Node>, Regex),
    Call(Function, Vec<Node>),
    List(Vec<Node>),
}

/// A part of a message, or the present time.
pub(crate) enum Read {
    Data,
    Time,
    Now,
    /// A field of the message's JSON, as it is written in the expression. Reading it may find that
    /// a number in the path is a place in a list here and a key there.
    Json {
        path: RefCell<Path>,
        written: String,
    },
    /// The whole JSON text.
    WholeJson,
    /// An attribute, and the keys within it.
    Attribute {
        name: String,
        keys: Vec<String>,
    },
    /// The structured value, and the keys within it.
    Value {
        keys: Vec<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Different,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calculation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}
