//! Texts on their way between C and Rust.
use std::{
    borrow::Cow,
    ffi::{CStr, c_char, c_void},
    slice,
    sync::OnceLock,
};

/// The component of this library, once its table has been read.
static COMPONENT: OnceLock<&str> = OnceLock::new();

pub(crate) fn speaks_for(component: &'static str) {
    let _ = COMPONENT.set(component);
}

/// The name of the component, in the log and in last words.
pub(crate) fn component() -> &'static str {
    COMPONENT.get().copied().unwrap_or_default()
}

/// A text of C's; empty for NULL. Bytes that are not UTF-8 are replaced.
///
/// # Safety
/// `text` is NULL, or ends with a NUL, and stays as it is for as long as the result is used.
pub(crate) unsafe fn text<'a>(text: *const c_char) -> Cow<'a, str> {
    if text.is_null() {
        return Cow::Borrowed("");
    }
    // SAFETY: `text` is not NULL, so it ends with a NUL, and stays as it is (`# Safety`).
    unsafe { CStr::from_ptr(text) }.to_string_lossy()
}

/// A text that names something; `None` for NULL, and for bytes that are not UTF-8 and so are no
/// name.
///
/// # Safety
/// As for [`text`].
pub(crate) unsafe fn name<'a>(name: *const c_char) -> Option<&'a str> {
    if name.is_null() {
        return None;
    }
    // SAFETY: `name` is not NULL, so it ends with a NUL, and stays as it is (`# Safety`).
    unsafe { CStr::from_ptr(name) }.to_str().ok()
}

/// Writes a text with a NUL after it, cut to `size` bytes. Returns the length of the whole text.
///
/// # Safety
/// `to` has room for `size` bytes.
pub(crate) unsafe fn write(text: &str, to: *mut c_char, size: usize) -> usize {
    if let Some(most) = size.checked_sub(1) {
        let mut end = most.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        // SAFETY: there is room for `end` bytes and a NUL (`# Safety`, `most`).
        unsafe {
            std::ptr::copy_nonoverlapping(text.as_ptr(), to.cast(), end);
            to.add(end).write(0);
        }
    }
    text.len()
}

/// A length that C has given. No memory is so large as what -1 becomes on its way, and a panic
/// below C's code could not be caught: the program ends, with a word.
pub(crate) fn length(length: usize) -> usize {
    if isize::try_from(length).is_err() {
        eprintln!("{}: {length} bytes are too many: is this the -1 of a failed call?", component());
        std::process::abort();
    }
    length
}

/// Bytes of C's; none for NULL.
///
/// # Safety
/// `data` is NULL, or leads to `length` bytes that stay as they are for as long as the result is
/// used.
pub(crate) unsafe fn bytes<'a>(data: *const c_void, length: usize) -> &'a [u8] {
    let length = self::length(length);
    match data.is_null() || length == 0 {
        true => &[],
        // SAFETY: `data` is not NULL, so it leads to `length` bytes, which stay as they are
        // (`# Safety`).
        false => unsafe { slice::from_raw_parts(data.cast(), length) },
    }
}
