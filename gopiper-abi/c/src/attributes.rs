//! The attributes that an operator can set, as the author's file declares and reads them; and how
//! it refuses a value.
use std::ffi::c_char;

use gopiper_abi::Error;

use crate::{
    text,
    value::{GOPIPER_TEXT, gopiper_bytes, gopiper_content, gopiper_value},
};

/// An attribute that the operator can set: a row of a table that ends with one whose name is NULL.
/// From it come the checks and their errors, and what `gopiper inspect --load` shows.
#[repr(C)]
pub struct gopiper_attribute {
    /// Its name.
    pub name: *const c_char,
    /// Its type: GOPIPER_BOOLEAN, GOPIPER_INT64, GOPIPER_UINT64, GOPIPER_DOUBLE, GOPIPER_TEXT or
    /// GOPIPER_PATH.
    pub kind: u32,
    /// Whether it must be given.
    pub required: bool,
    /// Its value unless it is given, written as in a pipeline's file, text without quotes: "100",
    /// "true". NULL for none: then its value is GOPIPER_NULL. A double that is no int64 has at most
    /// 15 digits, and a power of ten from -22 to 22.
    pub default_value: *const c_char,
    /// Its purpose, in a sentence or more.
    pub documentation: *const c_char,
}

/// The attributes that were given, with the defaults of the others. Valid during `configure`.
pub struct gopiper_attributes {
    pub(crate) values: Vec<(&'static str, Given)>,
}

/// The value of one attribute.
#[derive(Clone)]
pub(crate) enum Given {
    Plain(gopiper_value),
    /// Ends with a NUL.
    Text(Vec<u8>),
    Nothing,
}

// SAFETY: a plain value has no pointer in it: texts are in `Text`, and a table has no other bytes.
unsafe impl Send for Given {}

impl Given {
    pub(crate) fn text(text: impl Into<Vec<u8>>) -> Self {
        let mut bytes = text.into();
        bytes.push(0);
        Given::Text(bytes)
    }
}

/// Why a callback has failed: see gopiper_refuse.
#[derive(Default)]
pub struct gopiper_error(pub(crate) Option<Error>);

impl gopiper_error {
    /// The error that the callback gave.
    pub(crate) fn into_result(self) -> Result<(), Error> {
        self.0.map_or(Ok(()), Err)
    }
}

/// The value of an attribute in the component's table. It has the type from the table (a path is
/// GOPIPER_TEXT), or is GOPIPER_NULL if it was not given and has no default. Text ends with a NUL.
/// It is valid as long as `attributes` is: copy it if you keep it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_attribute_value(
    attributes: &gopiper_attributes,
    name: *const c_char,
) -> gopiper_value {
    // SAFETY: `name` is NULL or a text that C keeps for the call (the header).
    let name = unsafe { text::name(name) };
    let given = attributes.values.iter().find(|(known, _)| Some(*known) == name);
    match given.map(|(_, given)| given) {
        Some(Given::Plain(value)) => *value,
        Some(Given::Text(text)) => {
            let bytes = gopiper_bytes { data: text.as_ptr(), length: text.len() - 1 };
            gopiper_value { kind: GOPIPER_TEXT, content: gopiper_content { bytes } }
        }
        Some(Given::Nothing) | None => gopiper_value::NULL,
    }
}

/// Says why the callback that got `error` has failed: `text` says what is wrong and what would be
/// right; `attribute` is the one at fault, or NULL. Both are copied. Of several calls the last one
/// counts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_refuse(
    error: &mut gopiper_error,
    attribute: *const c_char,
    text: *const c_char,
) {
    // SAFETY: both texts are NULL, or C keeps them for the call (the header).
    error.0 = Some(unsafe { said(attribute, text) });
}

/// As gopiper_refuse, for a cause that may pass by itself: a server that is not there yet. When
/// `create` or `start` fails so, the host logs it, waits, and begins again with `create`. In
/// `check` it is no reason to refuse. In other callbacks it is the same as gopiper_refuse.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_refuse_for_now(
    error: &mut gopiper_error,
    attribute: *const c_char,
    text: *const c_char,
) {
    // SAFETY: both texts are NULL, or C keeps them for the call (the header).
    error.0 = Some(unsafe { said(attribute, text) }.temporary());
}

/// An error in these words.
///
/// # Safety
/// Both are NULL, or end with a NUL.
unsafe fn said(attribute: *const c_char, text: *const c_char) -> Error {
    // SAFETY: both are NULL or end with a NUL (`# Safety`), and are copied before this returns.
    let (attribute, text) = unsafe { (text::text(attribute), text::text(text)) };
    let said = if text.is_empty() { "failed without a message".into() } else { text.into_owned() };
    match attribute.is_empty() {
        true => Error::new(said),
        false => Error::attribute(attribute, said),
    }
}
