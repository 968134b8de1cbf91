//! Everything that the program itself writes to the terminal, without secrets.
use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
};

use gopiper_core::{on_a_terminal, secrets::redact_bytes};
use parking_lot::Mutex;
use rustix::stdio::stdout;

/// Why a line could not be written to standard output: the first such error.
static UNWRITTEN: Mutex<Option<io::Error>> = Mutex::new(None);

/// Writes a line to standard error. There may be no reader.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(standard_error(), "{line}");
}

/// Writes a line to standard output. If that fails, so does the program at its end
/// ([`take_error`]).
pub(crate) fn print(line: impl Display) {
    note_error(writeln!(Redacted(standard_output()), "{line}"));
}

/// Writes bytes to standard output, as [`print()`] does.
pub(crate) fn print_bytes(bytes: &[u8]) {
    note_error(standard_output().write_all(bytes));
}

/// Whether writing to standard output has failed.
pub(crate) fn is_without_reader() -> bool {
    UNWRITTEN.lock().is_some()
}

/// As [`print()`], but a terminal receives the styles of the text: it has nothing but words of the
/// program.
pub(crate) fn print_styled(line: impl Display) {
    note_error(writeln!(Redacted(StandardOutput), "{line}"));
}

fn note_error(written: io::Result<()>) {
    if let Err(error) = written {
        UNWRITTEN.lock().get_or_insert(error);
    }
}

/// Standard error, for whole lines.
pub(crate) fn standard_error() -> Redacted<Escaped<io::Stderr>> {
    let to = io::stderr();
    Redacted(Escaped { is_terminal: to.is_terminal(), to })
}

/// Standard output, for whole texts. The bytes of messages go there, so nothing is redacted.
pub(crate) fn standard_output() -> Escaped<StandardOutput> {
    Escaped { is_terminal: io::stdout().is_terminal(), to: StandardOutput }
}

/// Why a line could not be written to standard output, if that is not because its reader has gone.
pub(crate) fn take_error() -> Option<io::Error> {
    UNWRITTEN.lock().take().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
}

/// Standard output without a buffer. The standard library ignores errors of a closed descriptor,
/// and of text that is still in its buffer when the program ends.
pub(crate) struct StandardOutput;

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        rustix::io::write(stdout(), bytes).map_err(|error| {
            let error = io::Error::from(error);
            io::Error::new(error.kind(), format!("cannot write to standard output: {error}"))
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A writer that shows control characters escaped to a terminal, and leaves the bytes as they are
/// for everything else.
pub(crate) struct Escaped<W> {
    to: W,
    is_terminal: bool,
}

impl<W: Write> Write for Escaped<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.is_terminal {
            true => self.write_all(bytes).map(|()| bytes.len()),
            // The count: after an error, a buffer writes only what is left.
            false => self.to.write(bytes),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.is_terminal {
            true => self.to.write_all(&on_a_terminal(bytes)),
            false => self.to.write_all(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// A writer of whole lines.
pub(crate) struct Redacted<W>(pub(crate) W);

impl<W: Write> Write for Redacted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(&redact_bytes(bytes))
    }

    /// In one write: otherwise each piece of the text would be a write of its own.
    fn write_fmt(&mut self, arguments: std::fmt::Arguments<'_>) -> io::Result<()> {
        self.write_all(arguments.to_string().as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufWriter;

    /// Takes two bytes, is full once, and has room again.
    struct FullOnce(Vec<u8>);

    impl Write for FullOnce {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.len() == 2 {
                self.0.push(b'|');
                return Err(io::ErrorKind::StorageFull.into());
            }
            let count = bytes.len().min(2);
            self.0.extend(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_byte_is_written_twice() {
        let mut out = BufWriter::new(Escaped { to: FullOnce(Vec::new()), is_terminal: false });
        out.write_all(b"abcd").unwrap();
        assert!(out.flush().is_err());
        out.flush().unwrap();
        assert_eq!(out.get_ref().to.0, b"ab|cd");
    }
}
