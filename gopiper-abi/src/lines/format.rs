//! The common attributes of sources of lines.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{DeclaredAttributes, Error};

/// What to do with a line that is too long: an attribute of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TooLong {
    /// Split it into several messages; written in order they are the line again.
    Split,
    /// Fail a message with its beginning, as long as the longest line.
    Fail,
    /// Drop it, and count it.
    Drop,
}

impl DeclaredAttributes for TooLong {}

/// What to do with a byte order mark, the bytes EF BB BF at an input's beginning: an attribute of a
/// source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bom {
    /// It is part of the first line.
    Keep,
    /// It is left out.
    Strip,
}

impl DeclaredAttributes for Bom {}

/// The mark itself.
pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";

/// How to cut lines: the checked values of a source's attributes of these names.
#[derive(Debug, Clone)]
pub struct Format {
    pub(super) delimiter: Vec<u8>,
    pub(super) max_length: usize,
    pub(super) too_long: TooLong,
    pub(super) block_size: usize,
    pub(super) bom: Bom,
}

impl Format {
    /// The delimiter of lines, their greatest length, the treatment of longer ones, and how much to
    /// read at once.
    ///
    /// # Errors
    /// One of them is out of its bounds; the error names it as the attribute `delimiter`,
    /// `max_length` or `block_size`.
    pub fn new(
        delimiter: impl Into<Vec<u8>>,
        max_length: usize,
        too_long: TooLong,
        block_size: usize,
    ) -> Result<Self, Error> {
        let delimiter = delimiter.into();
        if !(1..=255).contains(&delimiter.len()) {
            return Err(Error::attribute("delimiter", "must be 1 to 255 bytes long"));
        }
        if max_length == 0 {
            return Err(Error::attribute("max_length", "must be 1 or more"));
        }
        if !(1..=1 << 30).contains(&block_size) {
            return Err(Error::attribute("block_size", "must be 1 byte to 1 GB"));
        }
        Ok(Format { delimiter, max_length, too_long, block_size, bom: Bom::Keep })
    }

    /// The same, with this done to a byte order mark at the beginning.
    pub fn with_bom(self, bom: Bom) -> Self {
        Format { bom, ..self }
    }

    /// The same with smaller blocks, for an input of which little is there: at most this many
    /// bytes.
    pub fn limit_block_size(mut self, block_size: usize) -> Self {
        self.block_size = self.block_size.min(block_size.max(1));
        self
    }
}
