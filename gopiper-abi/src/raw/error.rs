//! Why an entry of a component failed.
use abi_stable::{StableAbi, std_types::RString};

/// Why an entry failed.
#[repr(C)]
#[derive(Debug, Clone, PartialEq, Eq, StableAbi)]
pub struct RawError {
    /// The path of the attribute that is at fault (`retry.max_attempts`); empty for none.
    pub attribute: RString,
    /// The problem, and the expected value.
    pub message: RString,
    /// Whether the error is temporary: the host then tries again.
    pub temporary: bool,
}

impl RawError {
    /// An error in an attribute (empty for none) that does not pass by itself.
    pub fn new(attribute: impl Into<RString>, message: impl Into<RString>) -> Self {
        RawError { attribute: attribute.into(), message: message.into(), temporary: false }
    }
}

impl std::fmt::Display for RawError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.attribute.as_str() {
            "" => f.write_str(&self.message),
            attribute => write!(f, "attribute {attribute}: {}", self.message),
        }
    }
}

impl std::error::Error for RawError {}
