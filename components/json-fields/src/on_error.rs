//! What components for records do with a message that they cannot handle.
use gopiper_abi::attributes;

attributes! {
    /// What becomes of a message that cannot be handled: it is no JSON, a field is missing, a text
    /// is compared with a number.
    #[derive(Copy)]
    pub enum OnError {
        /// It fails, with the reason: by default a dead letter.
        Fail,
        /// It is dropped.
        Drop,
        /// It is passed on, as it came.
        Keep,
    }
}
