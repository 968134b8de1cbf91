//! Why a component refuses, or fails.
use std::fmt;

use crate::raw::RawError;

/// Why a component refuses, or fails: words for the operator, and the attribute at fault if one is.
/// Whatever implements [`std::error::Error`] becomes one by `?`; text does not (it implements nothing
/// of the kind): that is `Err(Error::new("…"))`.
///
/// ```
/// use gopiper_abi::Error;
/// fn port(text: &str) -> Result<u16, Error> {
///     Ok(text.parse()?)
/// }
/// assert_eq!(port("x").unwrap_err().to_string(), "invalid digit found in string");
/// let error = Error::attribute("port", "0 is no port: give 1 to 65535");
/// assert_eq!(error.to_string(), "port: 0 is no port: give 1 to 65535");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    attribute: String,
    message: String,
}

impl Error {
    /// An error that is not about one attribute.
    pub fn new(message: impl Into<String>) -> Self {
        Error { attribute: String::new(), message: message.into() }
    }

    /// An error in an attribute, named by its path (`retry.max_attempts`): say what is wrong and
    /// what would be right.
    pub fn attribute(path: impl Into<String>, message: impl Into<String>) -> Self {
        Error { attribute: path.into(), message: message.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.attribute.as_str() {
            "" => f.write_str(&self.message),
            attribute => write!(f, "{attribute}: {}", self.message),
        }
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        Error::new(error.to_string())
    }
}

impl From<Error> for RawError {
    fn from(error: Error) -> Self {
        RawError { attribute: error.attribute.into(), message: error.message.into() }
    }
}
