//! The form in which LuaJIT serializes values (`string.buffer`): LuaJIT creates and reads tables
//! itself, and Lua never holds a pointer to a value.

use std::ops::Range;

/// The tags that begin each value. A string begins with [`tag::STRING`] and its length as one
/// number.
pub(super) mod tag {
    pub(crate) const NIL: u32 = 0;
    pub(crate) const FALSE: u32 = 1;
    pub(crate) const TRUE: u32 = 2;
    /// `gopiper.NULL`.
    pub(crate) const NULL: u32 = 3;
    pub(crate) const INT: u32 = 6;
    pub(crate) const NUMBER: u32 = 7;
    /// To which the parts of it are added.
    pub(crate) const TABLE: u32 = 8;
    pub(crate) const HAS_KEYS: u32 = 1;
    pub(crate) const FROM_ZERO: u32 = 2;
    pub(crate) const FROM_ONE: u32 = 4;
    pub(crate) const LAST_TABLE: u32 = 13;
    /// With its number among those that are known: [`LIST`](super::LIST) is the only one.
    pub(crate) const METATABLE: u32 = 14;
    pub(crate) const I64: u32 = 0x10;
    pub(crate) const U64: u32 = 0x11;
    pub(crate) const STRING: u32 = 0x20;
}

/// The metatable that marks a table as a list, even an empty one.
pub(super) const LIST: u32 = 0;

/// Whole numbers up to this are exact in Lua.
pub(super) const EXACT: i64 = 1 << 53;

/// Writes values one after another, as long as there is room for them.
pub(super) struct Writer {
    bytes: Vec<u8>,
    /// How many bytes there may be.
    most: usize,
    /// Something was left out.
    is_over: bool,
}

impl Writer {
    /// Writes over the contents of a buffer.
    pub(super) fn new(mut bytes: Vec<u8>, most: usize) -> Self {
        bytes.clear();
        Writer { bytes, most, is_over: false }
    }

    pub(super) fn has_room(&self) -> bool {
        !self.is_over
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// How much is written, for [`Writer::back_to`].
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// A part of what is written; empty if it was left out.
    pub(super) fn written(&self, place: Range<usize>) -> &[u8] {
        self.bytes.get(place).unwrap_or_default()
    }

    pub(super) fn back_to(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// Bytes elsewhere that are needed to write the rest.
    pub(super) fn take_beside(&mut self, len: usize) {
        match self.most.checked_sub(len) {
            Some(most) => self.most = most,
            None => self.is_over = true,
        }
    }

    pub(super) fn give_back(&mut self, len: usize) {
        self.most = self.most.saturating_add(len);
    }

    fn add(&mut self, bytes: &[u8]) {
        let has_room = !self.is_over
            && bytes.len() <= self.most.saturating_sub(self.bytes.len())
            && self.bytes.try_reserve(bytes.len()).is_ok();
        match has_room {
            true => self.bytes.extend_from_slice(bytes),
            false => self.is_over = true,
        }
    }

    pub(super) fn null(&mut self) {
        self.add(&[tag::NULL as u8]);
    }

    pub(super) fn truth(&mut self, truth: bool) {
        self.add(&[if truth { tag::TRUE } else { tag::FALSE } as u8]);
    }

    pub(super) fn float(&mut self, number: f64) {
        self.word(tag::NUMBER, number.to_bits());
    }

    /// As a number if that is exact.
    pub(super) fn signed(&mut self, number: i64) {
        match (-EXACT..=EXACT).contains(&number) {
            true => self.float(number as f64),
            false => self.int64(number),
        }
    }

    pub(super) fn int64(&mut self, number: i64) {
        self.word(tag::I64, number as u64);
    }

    pub(super) fn uint64(&mut self, number: u64) {
        self.word(tag::U64, number);
    }

    pub(super) fn string(&mut self, bytes: &[u8]) {
        self.number(tag::STRING as usize + bytes.len());
        self.add(bytes);
    }

    /// A list whose items follow. Returns what [`Writer::close`] wants.
    pub(super) fn list(&mut self) -> usize {
        self.add(&[tag::METATABLE as u8, LIST as u8]);
        self.open(tag::FROM_ONE)
    }

    /// A map whose keys and values follow, in turn.
    pub(super) fn map(&mut self) -> usize {
        self.open(tag::HAS_KEYS)
    }

    fn open(&mut self, part: u32) -> usize {
        self.add(&[(tag::TABLE + part) as u8]);
        let place = self.bytes.len();
        self.number(usize::from(u16::MAX));
        place
    }

    /// Sets the number of items of the list or map.
    pub(super) fn close(&mut self, place: usize, items: usize) {
        if self.is_over {
            return;
        }
        // The first of the places of a list is for 0.
        let is_list = self.bytes[place - 1] == (tag::TABLE + tag::FROM_ONE) as u8;
        let count = items as u32 + u32::from(is_list);
        self.bytes[place + 1..place + 5].copy_from_slice(&count.to_le_bytes());
    }

    fn word(&mut self, tag: u32, bits: u64) {
        let [a, b, c, d, e, f, g, h] = bits.to_le_bytes();
        self.add(&[tag as u8, a, b, c, d, e, f, g, h]);
    }

    fn number(&mut self, number: usize) {
        match number {
            0..0xe0 => self.add(&[number as u8]),
            0xe0..0x1fe0 => {
                let above = number - 0xe0;
                self.add(&[0xe0 | (above >> 8) as u8, above as u8]);
            }
            _ => {
                let [a, b, c, d] = (number as u32).to_le_bytes();
                self.add(&[0xff, a, b, c, d]);
            }
        }
    }
}

/// Reads what LuaJIT has written; `None` after its end.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn word<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    /// A tag, or how many there are.
    pub(super) fn number(&mut self) -> Option<u32> {
        Some(match self.bytes(1)?[0] {
            first @ 0..0xe0 => first.into(),
            0xff => u32::from_le_bytes(self.word()?),
            first => {
                let [second] = self.word()?;
                (u32::from(first & 0x1f) << 8) + u32::from(second) + 0xe0
            }
        })
    }
}
