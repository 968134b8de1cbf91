//! One file that is being read.
use std::{
    fs::{File, Metadata},
    io,
    path::{Path, PathBuf},
};

use gopiper_abi::{Error, Message, lines::Lines};

use crate::{
    Start,
    checkpoint::Entry,
    identity::{Fingerprint, Inode, head},
    input::Input,
    ledger::Ledger,
    outlet::Outlet,
};

/// A shorter beginning of a line is read again when the rest has come: so the files that stand still
/// take no memory.
const SMALL: usize = 64 << 10;
/// How much is read at once at least: of a file that grows, no more than is there, as all of a block
/// stays in memory while a line of it is under way.
const LEAST: usize = 4 << 10;

/// What came of an attempt to read.
#[derive(Debug)]
pub(crate) enum Step {
    /// There may be more.
    Read,
    /// There is no more just now.
    AtEnd,
    /// The file holds something else now, and is read from its beginning.
    Overwritten,
    /// It can't be read, at this place.
    Failed(io::Error, u64),
}

/// An open file, and how far it has been read.
pub(crate) struct Reader {
    path: PathBuf,
    inode: Inode,
    input: Input,
    fingerprint: Fingerprint,
    /// What the ledger calls it.
    number: u64,
    lines: Option<Lines>,
    /// What was read last ends here.
    read: u64,
    /// What was not sent begins here.
    unsent: u64,
    /// The attributes of all its messages.
    of_all: Message,
    /// Whether there may be something to read.
    pub(crate) is_ready: bool,
    /// It is not found by its name any more: what there is of it is read, and then it ends.
    pub(crate) is_last: bool,
    /// Since when it has not been found by its name, and nothing was read of it.
    pub(crate) quiet_since: Option<i64>,
    /// It was said that it can't be read.
    pub(crate) complained: bool,
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
        let inode = Inode::from(&metadata);
        let place = place_of(path, &metadata, &input, &head, from, outlet.ledger.as_mut());
        let mut reader = Reader {
            path: path.to_owned(),
            inode,
            input,
            fingerprint: Fingerprint::of(b""),
            number: 0,
            lines: None,
            read: 0,
            unsent: 0,
            of_all: Message::new(""),
            is_ready: true,
            is_last: false,
            quiet_since: None,
            complained: false,
        };
        reader.set_path(path, outlet);
        reader.begin(place, &head, outlet);
        Ok(reader)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn inode(&self) -> Inode {
        self.inode
    }

    /// It is found under this name now.
    pub(crate) fn set_path(&mut self, path: &Path, outlet: &mut Outlet) {
        path.clone_into(&mut self.path);
        if let Some(ledger) = &mut outlet.ledger {
            ledger.set_path(self.number, path);
        }
        if let Some(name) = &outlet.path_attribute {
            self.of_all.set_attribute(name, path.to_string_lossy().into_owned());
        }
    }

    fn begin(&mut self, place: u64, head: &[u8], outlet: &mut Outlet) {
        self.fingerprint = Fingerprint::of(head);
        self.lines = None;
        (self.read, self.unsent) = (place, place);
        if let Some(ledger) = &mut outlet.ledger {
            self.number = ledger.open(Entry {
                path: self.path.clone(),
                inode: self.inode,
                fingerprint: self.fingerprint.clone(),
                offset: place,
                seen: outlet.postponed.host().now(),
            });
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
                if let Some(ledger) = &mut outlet.ledger {
                    ledger.forget(self.number);
                }
                log::warn!(
                    "{} was truncated: reading it from its beginning{}",
                    self.path.display(),
                    match begun {
                        0 => String::new(),
                        begun => format!(" ({begun} bytes of a line that had begun are lost)"),
                    }
                );
                self.begin(0, &head, outlet);
                return Ok(Step::Overwritten);
            }
            Err(error) => return Ok(Step::Failed(error, self.read)),
        };
        self.read += read as u64;
        let time = outlet.postponed.host().now();
        let Reader { lines, number, of_all, .. } = self;
        if let Some(lines) = lines {
            let send = &mut |batch, ends| outlet.send(*number, of_all, batch, ends);
            lines.filled(read, time, send)?;
        }
        self.note_unsent(outlet);
        Ok(Step::Read)
    }

    fn read_block(&mut self, outlet: &mut Outlet) -> io::Result<Block> {
        let metadata = self.input.file().metadata()?;
        let is_short = !self.input.is_gzip() && metadata.len() < self.read;
        if !is_short && !self.input.has_more(self.read, &metadata) && !self.has_left_some() {
            return Ok(Block::None);
        }
        if self.input.must_begin() {
            let head = head(self.input.file())?;
            self.input.begin(&head)?;
        }
        if self.lines.is_none() {
            self.read = self.unsent;
            let mut format = outlet.format.clone();
            if !self.input.is_gzip() {
                let there = metadata.len().saturating_sub(self.read);
                let there = usize::try_from(there).unwrap_or(usize::MAX);
                format = format.limit_block_size(there.max(LEAST));
            }
            let postponed = outlet.postponed.clone();
            self.lines = Some(match &outlet.ledger {
                Some(_) => Lines::tracked(format, postponed, self.unsent),
                None => Lines::new(format, postponed),
            });
        }
        let Some(lines) = &mut self.lines else { return Ok(Block::None) };
        let mut room = lines.room();
        let before = self.input.before(self.read);
        if before > 0 {
            let length = room.len().min(usize::try_from(before).unwrap_or(usize::MAX));
            room = &mut room[..length];
        }
        let read = self.input.read(room, self.read);
        // After it was read: if it begins as it did, these bytes were of that file.
        let head = head(self.input.file())?;
        if is_short || !self.fingerprint.fits(&head) {
            self.input.begin(&head)?;
            return Ok(Block::Overwritten(head));
        }
        if self.fingerprint.grows_with(&head) {
            self.fingerprint = Fingerprint::of(&head);
            if let Some(ledger) = &mut outlet.ledger {
                ledger.set_fingerprint(self.number, self.fingerprint.clone());
            }
        }
        Ok(match read? {
            0 => Block::None,
            _ if before > 0 => Block::Skipped,
            read => Block::Read(read),
        })
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
        let may_go = |lines: &Lines| !lines.is_skipping() && lines.begun() <= SMALL;
        if !self.input.is_gzip() && self.lines.as_ref().is_some_and(may_go) {
            self.lines = None;
        }
    }

    /// Nothing comes any more: what has begun is a line.
    ///
    /// # Errors
    /// The pipeline takes no more.
    pub(crate) fn finish(mut self, outlet: &mut Outlet) -> Result<(), Error> {
        let time = outlet.postponed.host().now();
        let Reader { lines, number, of_all, .. } = &mut self;
        if let Some(lines) = lines {
            lines.end(time, &mut |batch, ends| outlet.send(*number, of_all, batch, ends))?;
        }
        self.note_unsent(outlet);
        self.abandon(outlet);
        Ok(())
    }

    /// It is not read any further. What has begun is read again when it is next opened.
    pub(crate) fn abandon(self, outlet: &mut Outlet) {
        let now = outlet.postponed.host().now();
        if let Some(ledger) = &mut outlet.ledger {
            ledger.close(self.number, now);
        }
    }

    /// Whether a gzip file, which is not to be left in the middle.
    pub(crate) fn is_gzip(&self) -> bool {
        self.input.is_gzip()
    }
}

/// Where to begin a file that was just opened.
fn place_of(
    path: &Path,
    metadata: &Metadata,
    input: &Input,
    head: &[u8],
    from: Start,
    ledger: Option<&mut Ledger>,
) -> u64 {
    let known = ledger.map(|ledger| ledger.claim(Inode::from(metadata))).unwrap_or_default();
    let is_first = known.is_empty();
    match known.into_iter().find(|entry| entry.fingerprint.fits(head)) {
        Some(entry) if input.is_gzip() || entry.offset <= metadata.len() => entry.offset,
        None if is_first && from == Start::End && !input.is_gzip() => metadata.len(),
        None if is_first => 0,
        _ => {
            log::warn!(
                "{} is not what it was when it was last read: reading it from its beginning",
                path.display()
            );
            0
        }
    }
}

/// What came of reading a block.
enum Block {
    Read(usize),
    /// Bytes that have gone through already.
    Skipped,
    None,
    Overwritten(Vec<u8>),
}
