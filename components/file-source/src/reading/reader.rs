//! One file that is being read.
mod block;

use std::{
    fs::File,
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use gopiper_abi::{Error, Message, Payload, lines::Lines};

use self::block::Block;
use crate::{
    Start,
    files::{
        found::real,
        identity::{Fingerprint, Inode, Mark, born, head},
        order::log_of,
    },
    outlet::{Counted, Outlet},
    progress::{
        checkpoint::Entry,
        resume::{Known, place_of},
    },
    reading::{input::Input, tail::Tail},
};

/// A shorter beginning of a line is read again when the rest has come: so files that do not grow
/// take no memory.
const SMALL: usize = 64 << 10;
/// How much is read at once at least: of a file that grows, no more than is there, as all of a
/// block stays in memory while a line of it is under way.
const LEAST: usize = 4 << 10;

/// So many bytes before a place say enough.
const FEW: u64 = 64;

/// The outcome of an attempt to read.
#[derive(Debug)]
pub(crate) enum Step {
    /// There may be more.
    Read,
    /// There is no more just now.
    AtEnd,
    /// The file holds something else now, and is read from its beginning.
    Overwritten,
    /// It cannot be read, at this place.
    Failed(io::Error, u64),
}

/// An open file, and how far it has been read.
pub(crate) struct Reader {
    path: PathBuf,
    /// The target of its link, if its name is one.
    real: Option<PathBuf>,
    inode: Inode,
    born: Option<i64>,
    input: Input,
    fingerprint: Fingerprint,
    /// The bytes read last.
    tail: Tail,
    /// The bytes before the place where a compressed file is continued, if they were not passed
    /// yet.
    mark: Option<Mark>,
    /// Its number in the ledger.
    number: u64,
    lines: Option<Lines>,
    /// The bytes read last end here.
    read: u64,
    /// The bytes not sent yet begin here.
    unsent: u64,
    /// How many messages were sent since it was begun, without a checkpoint.
    sent: u64,
    /// The attributes of all its messages.
    of_all: Message,
    /// Whether there may be something to read.
    pub(crate) is_ready: bool,
    /// It is not found by its name any more: what there is of it is read, and then it ends.
    pub(crate) is_last: bool,
    /// Since when it has not been found by its name, and nothing was read of it.
    pub(crate) quiet_since: Option<i64>,
    /// It was said that it cannot be read.
    pub(crate) complained: bool,
    /// Of which log it is a part.
    pub(crate) log: u64,
    /// In which order those of one log were opened.
    pub(crate) turn: u64,
    /// Others of its log wait until it has been read to its end.
    pub(crate) is_awaited: bool,
    /// It waits for others of its log.
    pub(crate) waits: bool,
}

impl Reader {
    /// Opens a file, and reads on where the ledger says; one that it does not know, from its
    /// beginning or its end.
    pub(crate) fn open(path: &Path, from: Start, outlet: &mut Outlet) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let head = head(&file)?;
        let mut input = Input::new(file);
        input.begin(&head)?;
        input.look_for_size(&head)?;
        let inode = Inode::from(&metadata);
        // What has no size has other content each time: its places identify nothing.
        let born = born(&metadata).filter(|_| input.has_size(&metadata));
        let known = place_of(path, &metadata, &input, &head, from, outlet.ledger.as_mut())?;
        let mut reader = Reader {
            path: path.to_owned(),
            real: real(path),
            inode,
            born,
            tail: Tail::default(),
            mark: None,
            log: log_of(known.remembered.as_deref().unwrap_or(path)),
            turn: 0,
            is_awaited: false,
            waits: false,
            input,
            fingerprint: Fingerprint::of(b""),
            number: 0,
            lines: None,
            read: 0,
            unsent: 0,
            sent: 0,
            of_all: Message::new(""),
            is_ready: true,
            is_last: false,
            quiet_since: None,
            complained: false,
        };
        reader.set_path(path, outlet);
        if !reader.input.is_gzip() {
            reader.tail = Tail::at(reader.input.file(), known.place)?;
        }
        reader.begin(known, &head, outlet);
        Ok(reader)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn inode(&self) -> Inode {
        self.inode
    }

    /// The target of its link, if its name is one.
    pub(crate) fn real(&self) -> Option<&Path> {
        self.real.as_deref()
    }

    /// It is found under this name now.
    pub(crate) fn set_path(&mut self, path: &Path, outlet: &mut Outlet) {
        path.clone_into(&mut self.path);
        self.real = real(path);
        if let Some(ledger) = &mut outlet.ledger {
            ledger.set_path(self.number, path, self.real.as_deref());
        }
        if let Some(name) = &outlet.path_attribute {
            // A name that is no text stays what it is.
            match path.to_str() {
                Some(text) => self.of_all.set_attribute(name, text),
                None => {
                    let bytes = Payload::from(path.as_os_str().as_bytes().to_vec());
                    self.of_all.set_attribute(name, bytes);
                }
            }
        }
    }

    fn begin(&mut self, known: Known, head: &[u8], outlet: &mut Outlet) {
        let Known { place, mark, beyond, generation, is_replaced, .. } = known;
        self.fingerprint = Fingerprint::of(head);
        self.lines = None;
        (self.read, self.unsent, self.sent) = (place, place, 0);
        self.mark = mark;
        if let Some(ledger) = &mut outlet.ledger {
            let entry = Entry {
                fingerprint: self.fingerprint.clone(),
                offset: place,
                seen: outlet.postponed.host().now(),
                real: self.real.clone(),
                mark: self.mark.clone(),
                beyond,
                generation,
                ..Entry::new(&self.path, self.inode, self.born)
            };
            self.number = ledger.open(entry, is_replaced);
        }
    }

    /// Reads a block, and sends the lines that end in it.
    ///
    /// # Errors
    /// The pipeline takes no more.
    pub(crate) fn step(&mut self, outlet: &mut Outlet) -> Result<Step, Error> {
        let begun = self.read - self.unsent;
        let read = match self.read_block(outlet) {
            Ok(Block::Read(read)) => read,
            Ok(Block::Skipped) => return Ok(Step::Read),
            Ok(Block::None) => return Ok(Step::AtEnd),
            Ok(Block::Overwritten(head)) => {
                let before = outlet.ledger.as_mut().and_then(|ledger| ledger.forget(self.number));
                let generation = before.map_or(0, |entry| entry.generation.saturating_add(1));
                log::warn!(
                    "{} was truncated: reading it from the beginning{}",
                    self.path.display(),
                    match begun {
                        0 => String::new(),
                        begun => format!(" ({begun} bytes of an unfinished line are lost)"),
                    }
                );
                self.tail = Tail::default();
                let known = Known { generation, is_replaced: true, ..Known::default() };
                self.begin(known, &head, outlet);
                return Ok(Step::Overwritten);
            }
            Err(error) => return Ok(Step::Failed(error, self.read)),
        };
        self.read += read as u64;
        let time = outlet.postponed.host().now();
        let Reader { lines, number, of_all, path, sent, .. } = self;
        if let Some(lines) = lines {
            let send = &mut |batch, ends| {
                outlet.send(*number, of_all, batch, ends, Counted { path, before: sent })
            };
            lines.filled(read, time, send)?;
        }
        self.note_unsent(outlet);
        self.set_mark(outlet);
        Ok(Step::Read)
    }

    /// Tells the ledger what lies before the place up to which all was sent.
    fn set_mark(&self, outlet: &mut Outlet) {
        let (Some(ledger), Ok(metadata)) = (&mut outlet.ledger, self.input.file().metadata())
        else {
            return;
        };
        // A few bytes would say less than those before.
        let before = self.tail.before(self.unsent);
        let enough = before.len() as u64 >= self.unsent.min(FEW);
        let length = if self.input.is_gzip() { self.read } else { metadata.len() };
        ledger.marked(self.number, self.unsent, if enough { before } else { &[] }, length);
    }

    /// Whether bytes that were read, and let go unsent, must be read again.
    fn has_left_some(&self) -> bool {
        self.is_last && self.lines.is_none() && self.unsent < self.read
    }

    fn note_unsent(&mut self, outlet: &mut Outlet) {
        let Some(lines) = &self.lines else { return };
        self.unsent = match outlet.ledger {
            Some(_) => lines.boundary(),
            None => self.read - lines.begun() as u64,
        };
        if let Some(ledger) = &mut outlet.ledger {
            ledger.passed(self.number, self.unsent);
        }
    }

    /// Lets the memory go, as nothing comes just now.
    pub(crate) fn rest(&mut self) {
        let may_go = |lines: &Lines| !lines.is_in_long_line() && lines.begun() <= SMALL;
        if !self.input.is_gzip() && self.lines.as_ref().is_some_and(may_go) {
            self.lines = None;
        }
        self.tail.rest();
    }

    /// No more bytes come: an unfinished line counts as a line.
    ///
    /// # Errors
    /// The pipeline takes no more.
    pub(crate) fn finish(mut self, outlet: &mut Outlet) -> Result<(), Error> {
        let time = outlet.postponed.host().now();
        let Reader { lines, number, of_all, path, sent, .. } = &mut self;
        if let Some(lines) = lines {
            lines.end(time, &mut |batch, ends| {
                outlet.send(*number, of_all, batch, ends, Counted { path, before: sent })
            })?;
        }
        self.note_unsent(outlet);
        self.set_mark(outlet);
        self.close(outlet, self.is_last);
        Ok(())
    }

    /// It is not read any further. An unfinished line is read again when the file is next opened.
    pub(crate) fn abandon(self, outlet: &mut Outlet) {
        self.close(outlet, false);
    }

    fn close(&self, outlet: &mut Outlet, ended: bool) {
        let now = outlet.postponed.host().now();
        if let Some(ledger) = &mut outlet.ledger {
            ledger.close(self.number, now, ended);
        }
    }

    /// The bytes that are not read yet; of a compressed file it is not known.
    pub(crate) fn left(&self) -> u64 {
        let length = match self.input.is_gzip() {
            true => 0,
            false => self.input.file().metadata().map_or(0, |metadata| metadata.len()),
        };
        length.saturating_sub(self.read)
    }

    /// Whether a gzip file, which is not to be left in the middle.
    pub(crate) fn is_gzip(&self) -> bool {
        self.input.is_gzip()
    }
}
