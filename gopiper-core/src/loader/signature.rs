//! Detached signatures beside component files, as written by minisign.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use minisign_verify::{Error, PublicKey};
use rustix::fs::{Mode, OFlags, open};

use super::refusal::{Gate, Refusal};

/// The files that an operator accepts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// The policy for a file that none of the keys has signed.
    pub unsigned: Unsigned,
    /// The operator's keys: see [`trusted_key`].
    pub keys: Vec<PublicKey>,
    /// The digest of the only file that is loaded, whatever is at its path by then: for a process
    /// that continues after another one has checked the file.
    pub only: Option<[u8; 32]>,
    /// Opens each file at its own path, and not from a private copy, so that debuggers and
    /// profilers find it. Not together with keys: the file that is opened may be another one than
    /// the file that was checked.
    pub in_place: bool,
}

/// The policy for a file that no trusted key has signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unsigned {
    /// It is loaded.
    #[default]
    Allow,
    /// It is loaded, with a warning.
    Warn,
    /// It is not loaded.
    Refuse,
}

/// The result of checking the signature beside a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    /// There is none.
    Missing,
    /// It was made by none of the trusted keys, so nothing is known.
    Unknown,
    /// One of them has signed the file, with this comment.
    Trusted(String),
    /// It is not a signature of this file. Says why.
    Wrong(String),
}

/// Reads a key: as minisign prints it, or from a file.
///
/// # Errors
/// When it is neither.
pub fn trusted_key(given: &str, directory: &Path) -> Result<PublicKey, String> {
    if let Ok(key) = PublicKey::from_base64(given) {
        return Ok(key);
    }
    let path = directory.join(given);
    let text = fs::read_to_string(&path).map_err(|error| {
        format!(
            "'{given}' is not a minisign public key (56 letters that begin with RW), and a file \
             with one cannot be read at {}: {error}",
            path.display()
        )
    })?;
    PublicKey::decode(&text).map_err(|_| {
        format!(
            "{} does not contain a minisign public key: a line with a comment, then a line with \
             the key",
            path.display()
        )
    })
}

/// The path of a file's signature.
fn path_of(file: &Path) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".minisig");
    path.into()
}

/// Reads a signature, which has four short lines. The path may be anything; a pipe is not waited
/// for.
fn read(path: &Path) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(open(path, flags, Mode::empty())?);
    let mut text = String::new();
    file.take(64 << 10).read_to_string(&mut text)?;
    Ok(text)
}

impl Signature {
    /// Checks the signature beside `file` for these bytes.
    pub(super) fn of(file: &Path, bytes: &[u8], keys: &[PublicKey]) -> Self {
        let text = match read(&path_of(file)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Signature::Missing,
            Err(error) => return Signature::Wrong(error.to_string()),
        };
        let Ok(signature) = minisign_verify::Signature::decode(&text) else {
            return Signature::Wrong("not a minisign signature".into());
        };
        for key in keys {
            return match key.verify(bytes, &signature, true) {
                Ok(()) => Signature::Trusted(signature.trusted_comment().to_owned()),
                Err(Error::UnexpectedKeyId) => continue,
                Err(_) => Signature::Wrong("a signature of another file".into()),
            };
        }
        Signature::Unknown
    }
}

impl Trust {
    /// An operator who gives keys refuses other files, unless they say so.
    pub fn new(unsigned: Option<Unsigned>, keys: Vec<PublicKey>) -> Self {
        let default = if keys.is_empty() { Unsigned::Allow } else { Unsigned::Refuse };
        Trust { unsigned: unsigned.unwrap_or(default), keys, ..Trust::default() }
    }

    /// Whether a signature matters at all.
    pub(super) fn asks(&self) -> bool {
        self.unsigned != Unsigned::Allow || !self.keys.is_empty()
    }

    /// Whether it is the only file that may be loaded, if there is such a file.
    pub(super) fn is_meant(&self, file: &Path, digest: &[u8; 32]) -> Result<(), Refusal> {
        let shown = |digest: &[u8; 32]| format!("BLAKE3 {}", blake3::Hash::from_bytes(*digest));
        match &self.only {
            Some(only) if only != digest => Err(Refusal::new(
                file,
                Gate::Signature,
                "is not the file that was checked",
                shown(digest),
                shown(only),
                "do not change the file meanwhile, and try again",
            )),
            _ => Ok(()),
        }
    }

    /// Refuses a file that would be opened in place although its signature matters.
    pub(super) fn allows_in_place(&self, file: &Path) -> Result<(), Refusal> {
        match self.in_place && self.asks() {
            true => Err(Refusal::new(
                file,
                Gate::Signature,
                "cannot be loaded in place",
                "trusted keys, or a policy for unsigned components",
                "neither: a file that is opened in place may be changed after its check",
                "leave --load-in-place out; to debug a component, use a pipeline without trust",
            )),
            false => Ok(()),
        }
    }

    /// Why a file is refused, or a warning for the operator.
    pub(super) fn judge(
        &self,
        file: &Path,
        signature: &Signature,
    ) -> Result<Option<String>, Refusal> {
        let refuse = |problem, found: &str, remedy: String| {
            let wanted = "a signature of this very file, by one of the trusted keys";
            Err(Refusal::new(file, Gate::Signature, problem, found, wanted, remedy))
        };
        let path = path_of(file);
        let found = match signature {
            Signature::Trusted(_) => return Ok(None),
            Signature::Wrong(found) => {
                let remedy = format!(
                    "do not trust this file: get it, and {}, from its author again",
                    path.display()
                );
                return refuse("has a signature that does not fit", found, remedy);
            }
            Signature::Missing => format!("no signature: {} is not there", path.display()),
            Signature::Unknown => format!("a signature by another key: {}", path.display()),
        };
        let remedy = "get the author's signature, and give the author's key as trusted; or sign it \
                      yourself: minisign -Sm FILE.so";
        match self.unsigned {
            Unsigned::Allow => Ok(None),
            Unsigned::Warn => {
                Ok(Some(format!("{} is not signed by a trusted key: {found}", file.display())))
            }
            Unsigned::Refuse => refuse("is not signed by a trusted key", &found, remedy.into()),
        }
    }
}
