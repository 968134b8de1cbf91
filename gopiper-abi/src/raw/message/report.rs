//! A component's report of one message.
use std::borrow::Cow;

/// A status with an optional description. The ranges are the pipeline's rules:
///
/// | status | the pipeline |
/// | --- | --- |
/// | 0 | gives the message to the next component |
/// | 1 | leaves it with the component, which keeps it |
/// | 100–199 | gives the same component the message again, later |
/// | 200–299 | has failed with it |
/// | 300 and up | drops it in silence |
/// | all others | takes it for a fault of the component, and so for a failure |
///
/// ```
/// use gopiper_abi::Report;
/// let report = Report::fail(4, "no such customer");
/// assert_eq!(report.status(), 204);
/// assert_eq!(Report::fail(200, "no such customer").status(), 299);
/// assert!(Report::DROP.is_drop());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub(in crate::raw) status: i32,
    pub(in crate::raw) description: Option<Cow<'static, str>>,
}

impl Report {
    /// The next component should process the message.
    pub const DONE: Report = Report { status: 0, description: None };
    /// Discard the message in silence; to the source that is a success.
    pub const DROP: Report = Report { status: 300, description: None };
    pub(in crate::raw) const CONTINUE: i32 = 1;
    const RESERVED: i32 = 2;

    /// Any status, also one out of the ranges (which the pipeline takes for a failure).
    pub fn new(status: i32, description: impl Into<Cow<'static, str>>) -> Self {
        Report { status, description: Some(description.into()) }
    }

    /// Try again later: the status is 100 and `code`, your number for the reason; one above 99
    /// counts as 99.
    pub fn retry(code: u8, description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(100 + i32::from(code.min(99)), description)
    }

    /// It failed, and trying again would not help: the status is 200 and `code`, your number for
    /// the reason; one above 99 counts as 99.
    pub fn fail(code: u8, description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(200 + i32::from(code.min(99)), description)
    }

    /// The status as it stands on a message: negative numbers (a slot's own) and Continue without
    /// keeping are faults of the component, as the reserved ones are.
    pub(in crate::raw) fn settled_status(&self) -> i32 {
        match self.status {
            0 => 0,
            ..=Self::CONTINUE => Self::RESERVED,
            status => status,
        }
    }

    /// The status as a number.
    pub fn status(&self) -> i32 {
        self.status
    }

    /// Its description.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Whether the message goes on.
    pub fn is_done(&self) -> bool {
        self.status == 0
    }

    /// Whether it leaves nothing on a message that has no report on it.
    #[inline]
    pub(in crate::raw) fn is_plain_done(&self) -> bool {
        self.status == 0 && self.description.is_none()
    }

    /// Whether the message is dropped on purpose.
    pub fn is_drop(&self) -> bool {
        self.status >= 300
    }
}
