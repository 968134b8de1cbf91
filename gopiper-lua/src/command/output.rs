//! All that the program shows of itself: without secrets.
use std::{
    fmt::Display,
    io::{self, Write},
};

use gopiper_core::secrets::redact;

/// A line on standard error. Nobody may be there to read it.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(Redacted(io::stderr()), "{line}");
}

/// A line on standard output.
pub(crate) fn print(line: impl Display) {
    let _ = writeln!(Redacted(io::stdout()), "{line}");
}

/// A writer of whole lines.
pub(crate) struct Redacted<W>(pub(crate) W);

impl<W: Write> Write for Redacted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.0.write_all(redact(text).as_bytes()),
            Err(_) => self.0.write_all(bytes),
        }
    }

    /// At once: else each piece of the text would come by itself.
    fn write_fmt(&mut self, arguments: std::fmt::Arguments<'_>) -> io::Result<()> {
        self.write_all(arguments.to_string().as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
