//! How the text that a sink has written ends, and so what must come before the next message.
use crate::raw::Message;

/// How what a sink has written last ends: it keeps one for each place that it writes to, and lends
/// it to
/// [`BatchCall::pieces`](crate::raw::BatchCall::pieces). A message without a delimiter gets none
/// after it, so that
/// an input comes out byte for byte; but what follows is a line of its own, unless it is the rest
/// of that one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ending {
    /// Nothing was written yet, or a delimiter stands at the end.
    #[default]
    Whole,
    /// A delimiter is missing: whatever comes next is another line.
    Open,
    /// This piece of a line: the rest of it may follow.
    Piece(u16),
}

impl Ending {
    /// How a place ends to which this message was written last, with `delimiter` after those that
    /// have one.
    pub fn of(last: &Message, delimiter: &[u8]) -> Self {
        match last.lacks_delimiter() && !last.ends_with_own(delimiter) {
            true if !last.data().is_empty() && last.data().ends_with(delimiter) => Ending::Whole,
            true if last.continues() => Ending::Piece(last.piece()),
            true => Ending::Open,
            false => Ending::Whole,
        }
    }

    /// Whether a delimiter must be written before this message.
    pub fn is_apart_from(self, next: &Message) -> bool {
        match self {
            Ending::Whole => false,
            Ending::Open => true,
            Ending::Piece(piece) => next.piece() != number_behind(piece),
        }
    }
}

/// The number of the piece after this one: 0 is a whole line's.
pub(crate) fn number_behind(piece: u16) -> u16 {
    piece.checked_add(1).unwrap_or(1)
}
