//! Reads standard input, a message for each line.
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use gopiper_abi::{
    Batch, Error, Factory, Need, Parallel, Positions, Postponed, Produced, Source, attributes,
    export_component,
    lines::{Bom, Format, Lines, TooLong},
};
use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{OFlags, fcntl_getfl},
    io::Errno,
    pipe::fcntl_setpipe_size,
    stdio::stdin,
};

attributes! {
    /// Reads standard input, a message for each line.
    pub struct Attributes {
        /// The end of a line. It is not part of the message's data.
        pub delimiter: String = "\n".into(),
        /// The unit that becomes a message.
        pub split: Split = Split::Lines,
        /// The longest line, in bytes.
        pub max_length: usize = MAX_LENGTH,
        /// What to do with a longer line.
        pub too_long: TooLong = TooLong::Split,
        /// How much to read at once, in bytes.
        pub block_size: usize = 256 << 10,
        /// What to do with a byte order mark at the beginning.
        pub bom: Bom = Bom::Keep,
    }
}

attributes! {
    /// The unit that becomes a message.
    pub enum Split {
        /// Each line.
        Lines,
        /// All bytes of one read, without looking for lines.
        Blocks,
    }
}

/// The default of `max_length`.
const MAX_LENGTH: usize = 16 << 20;

/// The size of the pipe before standard input, if it is one: fewer switches between processes.
const PIPE_SIZE: usize = 1 << 20;

/// Whether a component reads standard input: two would cut each other's lines.
static READ: AtomicBool = AtomicBool::new(false);

/// Makes the [`Stdin`].
pub struct StdinFactory {
    format: Format,
    split: Split,
}

impl Factory for StdinFactory {
    type Component = Stdin;
    type Attributes = Attributes;

    fn new(attributes: Attributes) -> Result<Self, Error> {
        let Attributes { delimiter, split, max_length, too_long, block_size, bom } = attributes;
        if matches!((&split, bom), (Split::Blocks, Bom::Strip)) {
            return Err(Error::attribute(
                "bom",
                "'strip' needs lines: blocks are passed on as read",
            ));
        }
        if matches!(split, Split::Blocks) {
            let unused = [
                ("delimiter", delimiter != "\n"),
                ("max_length", max_length != MAX_LENGTH),
                ("too_long", !matches!(too_long, TooLong::Split)),
            ];
            if let Some((name, _)) = unused.into_iter().find(|(_, is_given)| *is_given) {
                return Err(Error::attribute(name, "has no effect with split = 'blocks'"));
            }
        }
        let format = Format::new(delimiter, max_length, too_long, block_size)?.with_bom(bom);
        Ok(StdinFactory { format, split })
    }

    fn check(&self) -> Result<(), Error> {
        match fcntl_getfl(stdin()).map(|flags| flags & (OFlags::PATH | OFlags::RWMODE)) {
            Ok(OFlags::RDONLY | OFlags::RDWR) => Ok(()),
            Ok(OFlags::WRONLY) => Err(Error::new("standard input is only open for writing")),
            _ => Err(Error::new(
                "standard input is closed; if there is nothing to read, start it with `< /dev/null`",
            )),
        }
    }

    fn needs(&self) -> Vec<Need> {
        let otherwise = "read it in one pipeline, and split it there with tee or route";
        vec![Need::alone("standard input").otherwise(otherwise)]
    }

    fn create(&self, postponed: Postponed) -> Result<Stdin, Error> {
        let Ok(_) = READ.compare_exchange(false, true, SeqCst, SeqCst) else {
            return Err(Error::new(
                "standard input is already read by another stdin of this process",
            ));
        };
        // Not a pipe, or not allowed to grow: it works all the same.
        let _ = fcntl_setpipe_size(stdin(), PIPE_SIZE);
        Ok(Stdin {
            lines: Lines::new(self.format.clone(), postponed.clone()),
            split: self.split.clone(),
            postponed,
            sent: 0,
        })
    }

    fn parallel(&self) -> Parallel {
        Parallel::SINGLE
    }
}

/// The component of the one worker.
pub struct Stdin {
    lines: Lines,
    split: Split,
    postponed: Postponed,
    /// How many messages were sent.
    sent: u64,
}

/// Sends messages, numbered from 1 on for the log.
fn send(postponed: &Postponed, batch: Batch, sent: &mut u64) -> Result<(), Error> {
    let positions = Positions::counted("standard input", "message", *sent + 1);
    *sent += batch.len() as u64;
    Ok(postponed.send_located(batch, None, positions)?)
}

impl Source for Stdin {
    fn produce(&mut self, _credit: usize) -> Result<Produced, Error> {
        if !self.wait_for_input()? {
            return Ok(Produced::WAITING);
        }
        let read = match rustix::io::read(stdin(), self.lines.room()) {
            Ok(read) => read,
            Err(Errno::INTR | Errno::AGAIN) => return Ok(Produced::MORE),
            Err(error) => return Err(Error::new(format!("cannot read standard input: {error}"))),
        };
        let Stdin { postponed, sent, .. } = self;
        let time = postponed.host().now();
        match (read, &self.split) {
            (0, _) => return Ok(Produced::FINISHED),
            (_, Split::Lines) => {
                self.lines.filled(read, time, &mut |batch, _| send(postponed, batch, sent))?;
            }
            (_, Split::Blocks) => {
                let mut message = self.lines.take(read);
                message.set_time(time);
                postponed.send(message)?;
            }
        }
        Ok(Produced::MORE)
    }

    fn end(&mut self, _deadline: i64) -> Result<(), Error> {
        // Bytes that were read are never lost: neither is the beginning of a line, if the pipeline
        // stops there.
        let Stdin { postponed, sent, .. } = self;
        let time = postponed.host().now();
        self.lines.end(time, &mut |batch, _| send(postponed, batch, sent))
    }
}

impl Drop for Stdin {
    fn drop(&mut self) {
        READ.store(false, SeqCst);
    }
}

impl Stdin {
    /// Waits until there is something to read; false if the pipeline ends before.
    fn wait_for_input(&self) -> Result<bool, Error> {
        let input = stdin();
        let mut waits = vec![PollFd::new(&input, PollFlags::IN)];
        let stop = self.postponed.host().stop_descriptor();
        waits.extend(stop.as_ref().map(|stop| PollFd::new(stop, PollFlags::IN)));
        match poll(&mut waits, None) {
            Ok(_) => Ok(waits.get(1).is_none_or(|stop| stop.revents().is_empty())),
            Err(Errno::INTR) => Ok(true),
            Err(error) => Err(Error::new(format!("cannot wait for standard input: {error}"))),
        }
    }
}

export_component!(source: StdinFactory);
