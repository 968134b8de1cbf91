//! The checkpoint: how far each file has gone through, on disk.
//!
//! A line that names the format, its version and the digest of what follows; then the entries as
//! JSON.
#[cfg(test)]
mod tests;

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use gopiper_abi::Error;
use serde::{Deserialize, Serialize, Serializer};

use crate::{
    files::{
        found::Found,
        identity::{Fingerprint, Inode, Mark},
    },
    progress::beyond::Beyond,
};

const FORMAT: &str = "gopiper file_source checkpoint";
const VERSION: u32 = 1;

/// How far one file has gone through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its last known path; only a hint.
    #[serde(serialize_with = "as_text")]
    pub(crate) path: PathBuf,
    #[serde(flatten)]
    pub(crate) inode: Inode,
    pub(crate) fingerprint: Fingerprint,
    /// The bytes before it have gone through.
    pub(crate) offset: u64,
    /// When the file was last there, in nanoseconds since 1970.
    pub(crate) seen: i64,
    /// The target of the link under which it was found; only a hint.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "as_text_if_any")]
    pub(crate) real: Option<PathBuf>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) born: Option<i64>,
    /// The bytes before the offset, or before a place that lies before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mark: Option<Mark>,
    /// The messages after the offset that have gone through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) beyond: Option<Beyond>,
    /// How long it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) length: Option<u64>,
    /// How often its content was replaced: its bytes have other identities each time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) generation: u32,
    /// It was not there any more when it was read to its end, or that it is gone was said.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) ended: bool,
}

impl Entry {
    /// The entry of a file that is about to be read from its beginning.
    pub(crate) fn new(path: &Path, inode: Inode, born: Option<i64>) -> Self {
        Entry {
            path: path.to_owned(),
            inode,
            fingerprint: Fingerprint::of(b""),
            offset: 0,
            seen: 0,
            real: None,
            born,
            mark: None,
            beyond: None,
            length: None,
            generation: 0,
            ended: false,
        }
    }

    /// Whether the file of this path may be this one, by where it lies.
    pub(crate) fn may_be(&self, inode: Inode, path: &Path, born: Option<i64>) -> bool {
        // A device that was mounted again may have another number.
        let is_alike = self.path == path || (born.is_some() && self.born == born);
        self.inode == inode || (self.inode.number() == inode.number() && is_alike)
    }

    pub(crate) fn may_be_found(&self, file: &Found) -> bool {
        self.may_be(file.inode, &file.path, file.born) && !self.is_older_than(file.born)
    }

    /// Whether it was made at another time than this file, whose inode was its own once.
    pub(crate) fn is_older_than(&self, born: Option<i64>) -> bool {
        matches!((self.born, born), (Some(own), Some(other)) if own != other)
    }

    /// What the places in it belong to, as they are now, among the files that a source with this
    /// origin reads. `None` without a time of birth: another file may have the inode later.
    pub(crate) fn origin(&self, of_source: &str) -> Option<String> {
        let (inode, born) = (self.inode.number(), self.born?);
        Some(match self.generation {
            0 => format!("{of_source}/{inode:x}-{born:x}"),
            generation => format!("{of_source}/{inode:x}-{born:x}-{generation}"),
        })
    }

    /// How much of it was not read, as far as is known.
    pub(crate) fn unread(&self) -> u64 {
        self.length.map_or(0, |length| length.saturating_sub(self.offset))
    }
}

fn is_false(is: &bool) -> bool {
    !is
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

fn as_text_if_any<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => as_text(path, serializer),
        None => serializer.serialize_none(),
    }
}

/// The place of the checkpoint: a directory that the host has locked for this process.
pub(crate) struct Store {
    directory: PathBuf,
}

impl Store {
    /// The checkpoint in this directory, and what it says; nothing if there is none yet.
    pub(crate) fn open(directory: PathBuf) -> Result<(Self, Option<Vec<Entry>>), Error> {
        let store = Store { directory };
        let entries = store.load()?;
        Ok((store, entries))
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    fn file(&self) -> PathBuf {
        self.directory.join("checkpoint")
    }

    fn load(&self) -> Result<Option<Vec<Entry>>, Error> {
        let file = self.file();
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(named("cannot read the checkpoint", &file, &error)),
        };
        let refused = |why: String| {
            Error::new(format!(
                "the checkpoint {} {why}; remove it to read all files as if for the first time",
                file.display()
            ))
        };
        parse(&bytes).map(Some).map_err(refused)
    }

    /// Writes it aside, and puts it in place: at any moment there is a whole one on disk.
    pub(crate) fn save(&self, entries: &[Entry]) -> Result<(), Error> {
        self.write(entries)
            .map_err(|error| named("cannot write the checkpoint", &self.file(), &error))
    }

    fn write(&self, entries: &[Entry]) -> io::Result<()> {
        let aside = self.directory.join("checkpoint.new");
        let mut options = File::options();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(&rendered(entries)?)?;
        file.sync_all()?;
        fs::rename(&aside, self.file())?;
        File::open(&self.directory)?.sync_all()
    }
}

fn named(what: &str, file: &Path, error: &io::Error) -> Error {
    Error::new(format!("{what} {}: {error}", file.display()))
}

fn rendered(entries: &[Entry]) -> io::Result<Vec<u8>> {
    let body = serde_json::to_vec(entries)?;
    let digest = blake3::hash(&body).to_hex();
    let mut bytes = format!("{FORMAT} {VERSION} {digest}\n").into_bytes();
    bytes.extend(body);
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Result<Vec<Entry>, String> {
    let damaged = |what: &str| format!("is damaged: {what}");
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let body = bytes.get(line + 1..).unwrap_or_default();
    let head = std::str::from_utf8(&bytes[..line]).unwrap_or_default();
    let fields = head.strip_prefix(FORMAT).and_then(|rest| rest.strip_prefix(' '));
    let Some((version, digest)) = fields.and_then(|rest| rest.split_once(' ')) else {
        return Err(damaged("its first line is not that of a checkpoint"));
    };
    match version.parse::<u32>() {
        Ok(VERSION) => {}
        Ok(newer @ 2..) => {
            return Err(format!(
                "was written by a newer gopiper (format {newer}; this one supports {VERSION}): use \
                 the newer one"
            ));
        }
        _ => return Err(damaged("its version is not a number")),
    }
    if digest != blake3::hash(body).to_hex().as_str() {
        return Err(damaged("its digest does not match"));
    }
    serde_json::from_slice(body).map_err(|error| damaged(&error.to_string()))
}
