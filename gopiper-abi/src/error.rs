//! Why a component refuses, or fails.
use std::{fmt, io};

use crate::raw::RawError;

/// Why a component refuses or fails: a text for the operator, and the attribute at fault if there
/// is one. Every type that implements [`std::error::Error`] becomes one by `?`. Text does not
/// implement it: use `Err(Error::new("…"))`.
///
/// ```
/// use gopiper_abi::Error;
/// fn port(text: &str) -> Result<u16, Error> {
///     Ok(text.parse()?)
/// }
/// assert_eq!(port("x").unwrap_err().to_string(), "invalid digit found in string");
/// let error = Error::attribute("port", "0 is no port: give 1 to 65535");
/// assert_eq!(error.to_string(), "attribute port: 0 is no port: give 1 to 65535");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(pub(crate) RawError);

impl Error {
    /// An error that concerns no particular attribute.
    pub fn new(message: impl Into<String>) -> Self {
        Self::attribute("", message)
    }

    /// An error in an attribute, named by its path (`retry.max_attempts`): say what is wrong and
    /// what would be right.
    pub fn attribute(path: impl Into<String>, message: impl Into<String>) -> Self {
        Error(RawError::new(path.into(), message.into()))
    }

    /// Marks the error as temporary: the host waits and tries again. A temporary I/O error (a full
    /// disk, a server that is not up yet) is marked automatically when it becomes an `Error` by
    /// `?`.
    ///
    /// ```
    /// use std::io;
    /// use gopiper_abi::Error;
    /// assert!(Error::from(io::Error::from(io::ErrorKind::StorageFull)).is_temporary());
    /// assert!(!Error::from(io::Error::from(io::ErrorKind::PermissionDenied)).is_temporary());
    /// assert!(Error::new("the database is being upgraded").temporary().is_temporary());
    /// ```
    pub fn temporary(mut self) -> Self {
        self.0.temporary = true;
        self
    }

    /// Whether the error is temporary.
    pub fn is_temporary(&self) -> bool {
        self.0.temporary
    }

    /// The same error, temporary if its cause is.
    ///
    /// ```
    /// # use std::io;
    /// # use gopiper_abi::Error;
    /// let cause = io::Error::from(io::ErrorKind::StorageFull);
    /// let error = Error::attribute("path", format!("/data/out: {cause}")).caused_by(&cause);
    /// assert!(error.is_temporary());
    /// ```
    pub fn caused_by(mut self, cause: &(dyn std::error::Error + 'static)) -> Self {
        self.0.temporary |= may_pass(cause);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: std::error::Error + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Error::new(error.to_string()).caused_by(&error)
    }
}

/// Whether an error, or one of its causes, is temporary: an I/O error of that kind, or the host's
/// own.
fn may_pass(error: &(dyn std::error::Error + 'static)) -> bool {
    use io::ErrorKind as Kind;
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut causes =
        causes.map(|error| (error.downcast_ref::<RawError>(), error.downcast_ref::<io::Error>()));
    causes.any(|(raw, error)| {
        if raw.is_some_and(|raw| raw.temporary) {
            return true;
        }
        let Some(error) = error else { return false };
        matches!(
            error.kind(),
            Kind::StorageFull
                | Kind::QuotaExceeded
                | Kind::ResourceBusy
                | Kind::ExecutableFileBusy
                | Kind::OutOfMemory
                | Kind::TimedOut
                | Kind::ConnectionRefused
                | Kind::ConnectionReset
                | Kind::ConnectionAborted
                | Kind::HostUnreachable
                | Kind::NetworkUnreachable
                | Kind::NetworkDown
        ) || matches!(error.raw_os_error(), Some(TOO_MANY_OPEN | TOO_MANY_OPEN_IN_SYSTEM))
    })
}

/// `EMFILE` and `ENFILE`, for which the standard library has no kind.
const TOO_MANY_OPEN: i32 = 24;
const TOO_MANY_OPEN_IN_SYSTEM: i32 = 23;

impl From<Error> for RawError {
    fn from(error: Error) -> Self {
        error.0
    }
}
