//! The bytes of a file, decompressed if need be.
use std::{
    fs::{File, Metadata},
    io::{self, BufRead, BufReader, Read, Seek},
    os::unix::fs::FileExt,
    sync::Arc,
};

use flate2::bufread::GzDecoder;

/// The first bytes of a gzip file.
const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
/// The number of bytes that are decompressed at once. Fewer than these are lost before a damaged
/// place.
const PIECE: usize = 1 << 10;

/// An open file.
pub(crate) struct Input {
    file: Arc<File>,
    content: Content,
    /// Its reported length is 0, but it has content: as in /proc.
    is_sizeless: bool,
    /// One without a size has ended.
    has_ended: bool,
}

enum Content {
    /// There was nothing in it yet.
    Unknown,
    Plain,
    Gzip(Box<Gzip>),
}

struct Gzip {
    /// The member of the moment; `None` between two.
    member: Option<GzDecoder<BufReader<Arc<File>>>>,
    /// The bytes after a member, between two members.
    rest: Option<BufReader<Arc<File>>>,
    /// How much of what it says has been read.
    position: u64,
    /// It has ended, or could not go on, when the file was so long.
    ended: Option<u64>,
    /// The result after the bytes that were read last: the end, or an error; and how long the file
    /// was before that was seen.
    behind: Option<(u64, io::Result<usize>)>,
}

impl Input {
    pub(crate) fn new(file: File) -> Self {
        let (is_sizeless, has_ended) = (false, false);
        Input { file: Arc::new(file), content: Content::Unknown, is_sizeless, has_ended }
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn is_gzip(&self) -> bool {
        matches!(self.content, Content::Gzip(_))
    }

    /// Sees by its beginning what it is; a compressed one is read from its beginning.
    pub(crate) fn begin(&mut self, head: &[u8]) -> io::Result<()> {
        self.content = match head {
            [] => Content::Unknown,
            // The first byte alone is nothing that text begins with.
            _ if head.starts_with(&MAGIC) || MAGIC.starts_with(head) => {
                (&*self.file).rewind()?;
                Content::Gzip(Box::new(Gzip {
                    member: Some(GzDecoder::new(BufReader::new(self.file.clone()))),
                    rest: None,
                    position: 0,
                    ended: None,
                    behind: None,
                }))
            }
            _ => Content::Plain,
        };
        Ok(())
    }

    /// Sees whether there is something in it though its length is 0: what the system makes up when
    /// it is read.
    pub(crate) fn look_for_size(&mut self, head: &[u8]) -> io::Result<()> {
        self.is_sizeless = !head.is_empty() && self.file.metadata()?.len() == 0;
        Ok(())
    }

    /// Whether its length says something.
    pub(crate) fn has_size(&self, metadata: &Metadata) -> bool {
        !self.is_sizeless || metadata.len() > 0
    }

    /// How many bytes of a compressed file's content were read; not counted for other files.
    pub(crate) fn position(&self) -> Option<u64> {
        match &self.content {
            Content::Gzip(gzip) => Some(gzip.position),
            _ => None,
        }
    }

    /// Whether the file may have more than the `read` bytes that were read of it.
    pub(crate) fn has_more(&self, read: u64, metadata: &Metadata) -> bool {
        match &self.content {
            _ if !self.has_size(metadata) => !self.has_ended,
            Content::Unknown => metadata.len() > 0,
            Content::Plain => metadata.len() > read,
            Content::Gzip(gzip) => gzip.ended.is_none_or(|length| length < metadata.len()),
        }
    }

    /// A compressed file has ended before, or was not whole, and has grown: it begins again.
    pub(crate) fn must_begin(&self) -> bool {
        match &self.content {
            Content::Unknown => true,
            Content::Plain => false,
            Content::Gzip(gzip) => gzip.ended.is_some(),
        }
    }

    /// How many bytes of a compressed file are to be read before those at `place` come.
    pub(crate) fn before(&self, place: u64) -> u64 {
        match &self.content {
            Content::Gzip(gzip) => place - gzip.position.min(place),
            _ => 0,
        }
    }

    /// Reads the bytes at `place`; of a compressed file, those that come next.
    pub(crate) fn read(&mut self, room: &mut [u8], place: u64) -> io::Result<usize> {
        match &mut self.content {
            Content::Unknown => Ok(0),
            Content::Plain => {
                let read = uninterrupted(|| self.file.read_at(room, place))?;
                self.has_ended = read == 0;
                Ok(read)
            }
            Content::Gzip(gzip) => gzip.read(room, &self.file),
        }
    }
}

impl Gzip {
    /// The next bytes, of one member after the other. Zeros between them and after them are
    /// padding.
    fn read_piece(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(member) = &mut self.member {
                match member.read(piece)? {
                    0 => self.rest = self.member.take().map(GzDecoder::into_inner),
                    read => return Ok(read),
                }
            }
            let Some(rest) = &mut self.rest else { return Ok(0) };
            let bytes = rest.fill_buf()?;
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            match (zeros, bytes.len()) {
                (_, 0) => return Ok(0),
                (zeros, length) if zeros == length => rest.consume(zeros),
                (zeros, _) => {
                    rest.consume(zeros);
                    self.member = self.rest.take().map(GzDecoder::new);
                }
            }
        }
    }

    fn read(&mut self, room: &mut [u8], file: &File) -> io::Result<usize> {
        let mut read = 0;
        if self.behind.is_none() {
            // Before it is read: it may grow at any moment.
            let length = file.metadata()?.len();
            while read < room.len() {
                let piece = &mut room[read..];
                let piece_length = piece.len().min(PIECE);
                match uninterrupted(|| self.read_piece(&mut piece[..piece_length])) {
                    Ok(more @ 1..) => read += more,
                    behind => {
                        self.behind = Some((length, behind));
                        break;
                    }
                }
            }
        }
        self.position += read as u64;
        match self.behind.take_if(|_| read == 0) {
            Some((length, behind)) => {
                self.ended = Some(length);
                behind
            }
            None => Ok(read),
        }
    }
}

fn uninterrupted(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
