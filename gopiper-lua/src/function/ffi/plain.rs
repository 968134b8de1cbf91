//! Passes values to Lua and back.
#![allow(unsafe_code)]

use std::{fmt::Display, slice};

use gopiper_abi::{AttributeValue, Value, ValueTag};

use crate::{
    function::{serialized::Writer, structured},
    state::memory::NOT_ENOUGH,
};

/// A value that is one word, or bytes with another owner: text, or a table in LuaJIT's form.
#[repr(C)]
pub(super) struct Plain {
    pub(super) tag: i32,
    pub(super) integer: i64,
    pub(super) number: f64,
    pub(super) data: *const u8,
    pub(super) len: usize,
}

/// There is no value.
pub(super) const ABSENT: i32 = -1;
/// The bytes say why there is no value.
pub(super) const PROBLEM: i32 = -2;
/// The same for a message that is not JSON, which is not an error of the function.
pub(super) const UNREADABLE: i32 = -3;
/// A table. (No list is handed over otherwise.)
pub(super) const TABLE: i32 = ValueTag::LIST.0 as i32;

impl Plain {
    pub(super) fn is(&mut self, tag: ValueTag) {
        self.tag = tag.0 as i32;
    }

    pub(super) fn point_to(&mut self, tag: i32, bytes: &[u8]) {
        (self.tag, self.data, self.len) = (tag, bytes.as_ptr(), bytes.len());
    }

    /// Writes an error to `text` instead. Returns the tag for it.
    pub(super) fn refuse(&mut self, text: &mut Vec<u8>, problem: impl Display) -> i32 {
        *text = problem.to_string().into_bytes();
        self.point_to(PROBLEM, text);
        0
    }

    /// There is no memory for it.
    pub(super) fn lacks_room(&mut self, text: &mut Vec<u8>) -> i32 {
        self.refuse(text, format_args!(": {NOT_ENOUGH}"))
    }

    /// How many bytes it takes as a value, about.
    pub(super) fn weight(&self) -> usize {
        match self.tag {
            // Each item of a table is a value of its own.
            TABLE => 8 * self.len,
            tag if tag == ValueTag::STRING.0 as i32 => self.len,
            _ => 0,
        }
    }

    /// Says why JSON gives no answer.
    pub(super) fn no_answer(&mut self, text: &mut Vec<u8>, problem: json_fields::JsonProblem) {
        match problem {
            json_fields::JsonProblem::Unreadable(why) => {
                *text = why.into_bytes();
                self.point_to(UNREADABLE, text);
            }
            problem => _ = self.refuse(text, problem),
        }
    }

    /// Passes a table, which is then in `text`.
    pub(super) fn write(
        &mut self,
        (text, most): (&mut Vec<u8>, usize),
        write: impl FnOnce(&mut Writer) -> Result<(), structured::ValueProblem>,
    ) {
        let mut writer = Writer::new(std::mem::take(text), most);
        let written = write(&mut writer);
        let has_room = writer.has_room();
        *text = writer.into_bytes();
        match written {
            Ok(()) if has_room => self.point_to(TABLE, text),
            Ok(()) => _ = self.lacks_room(text),
            Err(problem) => _ = self.refuse(text, problem),
        }
    }

    /// Passes a value, which stays where it is, or is then in `text`.
    pub(super) fn put(&mut self, value: Option<&Value>, (text, most): (&mut Vec<u8>, usize)) {
        let Some(value) = value else {
            self.tag = ABSENT;
            return;
        };
        self.is(value.tag());
        match value.tag() {
            ValueTag::NULL => {}
            ValueTag::BOOL => self.integer = value.as_bool().unwrap_or_default().into(),
            ValueTag::I64 => self.integer = value.as_i64().unwrap_or_default(),
            ValueTag::U64 => self.integer = value.as_u64().unwrap_or_default() as i64,
            ValueTag::F64 => self.number = value.as_f64().unwrap_or_default(),
            ValueTag::TIME => self.integer = value.as_time().unwrap_or_default(),
            ValueTag::STRING | ValueTag::BYTES => {
                let bytes = value.as_str().map(str::as_bytes).or(value.as_bytes());
                self.point_to(self.tag, bytes.unwrap_or_default());
            }
            _ => self.write((text, most), |to| structured::write(value, to)),
        }
    }

    /// Reads the value that Lua has written.
    ///
    /// # Safety
    /// Its bytes live for the call.
    pub(super) unsafe fn read(&self) -> Result<Option<Value>, structured::ValueProblem> {
        // SAFETY: a value with one of the tags below for which this is called has bytes, which live
        // for the call (`# Safety`).
        let bytes = || unsafe { bytes(self.data, self.len) };
        if self.tag == ABSENT {
            return Ok(None);
        }
        Ok(Some(match ValueTag(self.tag as u32) {
            ValueTag::BOOL => (self.integer != 0).into(),
            ValueTag::I64 => self.integer.into(),
            ValueTag::U64 => (self.integer as u64).into(),
            ValueTag::F64 => self.number.into(),
            ValueTag::STRING => structured::text(bytes()),
            ValueTag::LIST => structured::read(bytes())?,
            _ => Value::NULL,
        }))
    }

    /// The same for an attribute: text is not copied.
    ///
    /// # Safety
    /// Its bytes outlive the result.
    pub(super) unsafe fn read_attribute<'a>(
        &self,
    ) -> Result<Option<AttributeValue<'a>>, structured::ValueProblem> {
        // SAFETY: its bytes outlive the result (`# Safety`).
        unsafe {
            if self.tag != ValueTag::STRING.0 as i32 {
                return Ok(self.read()?.map(AttributeValue::from));
            }
            let bytes = bytes(self.data, self.len);
            Ok(Some(std::str::from_utf8(bytes).map_or(bytes.into(), AttributeValue::from)))
        }
    }

    /// The same for a table of attributes or nothing.
    ///
    /// # Safety
    /// Its bytes live for the call.
    pub(super) unsafe fn read_attributes(&self) -> Result<Value, structured::ValueProblem> {
        match self.tag {
            ABSENT => Ok(Value::NULL),
            // SAFETY: a table has bytes, which live for the call (`# Safety`).
            _ => structured::read_all(unsafe { bytes(self.data, self.len) }),
        }
    }
}

/// # Safety
/// `data` leads to `len` bytes that live for the call.
pub(super) unsafe fn bytes<'a>(data: *const u8, len: usize) -> &'a [u8] {
    // SAFETY: `data` leads to `len` bytes that live for the call (`# Safety`). It may be null for
    // none, which a slice's pointer must not be.
    if len == 0 { &[] } else { unsafe { slice::from_raw_parts(data, len) } }
}
