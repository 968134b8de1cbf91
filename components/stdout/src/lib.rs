//! Writes messages to standard output, each as a line.
use std::{
    fs, io,
    sync::{Mutex, PoisonError},
};

use gopiper_abi::{
    BatchCall, BatchComponent, Ending, Error, Factory, HandleFlags, Need, Parallel, Postponed,
    Report, attributes, export_component,
};
use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{OFlags, fcntl_getfl},
    io::Errno,
    pipe::fcntl_setpipe_size,
    stdio::stdout,
};

attributes! {
    /// Writes messages to standard output, each as a line.
    pub struct Attributes {
        /// What to write after each message. A message from the end of an input that had no
        /// delimiter gets one only when another message follows, so that an input comes out byte
        /// for byte. The pieces of a split line are joined again if nothing came between them.
        pub delimiter: String = "\n".into(),
    }
}

/// The size of the pipe after standard output, if it is one: fewer switches between processes.
const PIPE_SIZE: usize = 1 << 20;
/// The target of standard output.
const OUTPUT: &str = "/proc/self/fd/1";
/// Pieces of this size are written as they lie in memory; smaller ones are put together first.
const LARGE: usize = 32 << 10;
/// So much is put together at most.
const TOGETHER: usize = 256 << 10;

/// How the text written last ends, for all components of this process: they share one standard
/// output, and each writes the lines of a batch together.
static ENDING: Mutex<Ending> = Mutex::new(Ending::Whole);

/// Makes [`Stdout`]s.
pub struct StdoutFactory(Attributes);

impl Factory for StdoutFactory {
    type Component = Stdout;
    type Attributes = Attributes;

    fn new(attributes: Attributes) -> Result<Self, Error> {
        Ok(StdoutFactory(attributes))
    }

    fn check(&self) -> Result<(), Error> {
        match fcntl_getfl(stdout()).map(|flags| flags & (OFlags::PATH | OFlags::RWMODE)) {
            Ok(OFlags::WRONLY | OFlags::RDWR) => Ok(()),
            Ok(OFlags::RDONLY) => Err(Error::new("standard output is only open for reading")),
            _ => Err(Error::new(
                "standard output is closed; if its output is not needed, start it with `> /dev/null`",
            )),
        }
    }

    fn needs(&self) -> Vec<Need> {
        // Of a file the name by which it was opened.
        let is_file = fs::metadata(OUTPUT).is_ok_and(|there| there.is_file());
        let path = fs::read_link(OUTPUT).ok().filter(|_| is_file);
        let otherwise = "redirect standard output to another file, or read other files";
        let output = path.map(|path| Need::output(path.to_string_lossy()).otherwise(otherwise));
        output.into_iter().collect()
    }

    fn create(&self, postponed: Postponed) -> Result<Stdout, Error> {
        // Not a pipe, or not allowed to grow: it works all the same.
        let _ = fcntl_setpipe_size(stdout(), PIPE_SIZE);
        let delimiter = self.0.delimiter.clone().into_bytes();
        Ok(Stdout { delimiter, together: Vec::with_capacity(TOGETHER), postponed, closed: false })
    }

    fn parallel(&self) -> Parallel {
        Parallel::SINGLE
    }
}

/// The component of the one worker.
pub struct Stdout {
    delimiter: Vec<u8>,
    together: Vec<u8>,
    postponed: Postponed,
    closed: bool,
}

impl Stdout {
    /// Writes the messages; says how many were written whole, and what went wrong if not all.
    fn write(&mut self, call: &BatchCall<'_>) -> (usize, io::Result<()>) {
        let mut written = 0;
        let mut waiting = 0;
        self.together.clear();
        let mut ending = ENDING.lock().unwrap_or_else(PoisonError::into_inner);
        for piece in call.pieces(&self.delimiter, &mut ending) {
            if piece.delimiter_before {
                self.together.extend_from_slice(&self.delimiter);
            }
            if piece.data.len() >= LARGE || self.together.len() + piece.data.len() > TOGETHER {
                if let Err(error) = write_all(&self.together) {
                    return (written, Err(error));
                }
                written += std::mem::take(&mut waiting);
                self.together.clear();
            }
            if piece.data.len() >= LARGE {
                if let Err(error) = write_all(piece.data) {
                    return (written, Err(error));
                }
            } else {
                self.together.extend_from_slice(piece.data);
            }
            if piece.add_delimiter {
                self.together.extend_from_slice(&self.delimiter);
            }
            waiting += piece.messages.len();
        }
        match write_all(&self.together) {
            Ok(()) => (written + waiting, Ok(())),
            Err(error) => (written, Err(error)),
        }
    }
}

impl BatchComponent for Stdout {
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        if self.closed {
            return call.report_all(Report::DROP);
        }
        let (written, result) = self.write(&call);
        match result {
            Ok(()) => return call.report_all(Report::DONE),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                // The reader has had enough (`| head`): this is not a failure, and there is no
                // reader to write to.
                self.postponed.host().finish();
            }
            Err(error) => {
                let error = format!("cannot write to standard output: {error}");
                self.postponed.host().fail(&error);
            }
        }
        // Messages that are not done after the pipeline was ended are returned to their source.
        self.closed = true;
        call.report_each(|i, _| if i < written { Report::DONE } else { Report::DROP })
    }
}

fn write_all(mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(stdout(), bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => bytes = &bytes[n..],
            Err(Errno::INTR) => {}
            // Standard output may be shared with a program that made it non-blocking.
            Err(Errno::AGAIN) => {
                let out = stdout();
                match poll(&mut [PollFd::new(&out, PollFlags::OUT)], None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

export_component!(sink: StdoutFactory);
