//! Expressions over a message, in the Common Expression Language: `json.status >= 500`.
//!
//! An expression is taken apart once, and its mistakes are found then: names that do not exist,
//! functions with wrong arguments, regular expressions. Evaluating it reads only the fields that it
//! names, from the bytes of the message. It is for one thread: each worker takes the text apart.
//!
//! ```
//! use expressions::{Expression, Scope};
//! use gopiper_abi::Message;
//!
//! let expression = Expression::parse("json.status >= 500 && has(attributes.host)").unwrap();
//! let mut message = Message::new(r#"{"status":503}"#);
//! message.set_attribute("host", "a");
//! assert!(expression.is_true(&Scope::new(&message, 0)).unwrap());
//! ```
mod evaluate;
mod functions;
mod known;
mod mistake;
mod node;
mod parse;
mod target;
#[cfg(test)]
mod tests;

use crate::{known::Fault, node::Node};
pub use crate::{
    known::Known,
    mistake::{Failure, Mistake},
    target::{Kept, Target},
};
use gopiper_abi::Message;

/// What an expression can read.
pub struct Scope<'a> {
    pub(crate) message: &'a Message,
    pub(crate) now: i64,
}

impl<'a> Scope<'a> {
    /// A message, and the present time in nanoseconds since 1970.
    pub fn new(message: &'a Message, now: i64) -> Self {
        Scope { message, now }
    }
}

/// An expression that was taken apart.
pub struct Expression {
    text: String,
    root: Node,
}

impl Expression {
    /// Takes a text apart.
    ///
    /// # Errors
    /// The first mistake in it, with its place.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        Ok(Expression { text: text.to_owned(), root: parse::parse(text)? })
    }

    /// The value for a message.
    ///
    /// # Errors
    /// A part that has no value: a missing field, a text that is compared with a number.
    pub fn value<'a>(&'a self, scope: &Scope<'a>) -> Result<Known<'a>, Failure> {
        self.root.value(scope).map_err(|fault| self.failure(fault))
    }

    /// The value, which has to be true or false.
    ///
    /// # Errors
    /// As [`Expression::value`], and for any other value.
    pub fn is_true(&self, scope: &Scope<'_>) -> Result<bool, Failure> {
        let value = self.root.value(scope).map_err(|fault| self.failure(fault))?;
        match value {
            Known::Bool(truth) => Ok(truth),
            other => {
                let what = format!("it is {}, neither true nor false", other.kind());
                Err(self.failure(Fault::new(0, what)))
            }
        }
    }

    fn failure(&self, fault: Fault) -> Failure {
        Failure { column: mistake::column(&self.text, fault.at), what: fault.what }
    }
}
