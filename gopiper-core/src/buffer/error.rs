//! The errors of a buffer on disk.
use std::{io, path::PathBuf};

use thiserror::Error;

/// Errors of the disk.
#[derive(Debug, Error)]
pub(super) enum StoreError {
    /// No further attempt can succeed.
    #[error(
        "{path} is damaged: {error}; to continue without the messages that it still has, stop \
         gopiper and move away that folder"
    )]
    Damaged {
        /// The folder.
        path: PathBuf,
        error: String,
    },
    /// A message can never be stored.
    #[error("the message is too large for a buffer: at most 4 GB with its attributes")]
    TooLarge,
    /// A further attempt may succeed.
    #[error("{path}: {error}")]
    Disk { path: PathBuf, error: io::Error },
}

impl StoreError {
    /// For the start of a component, which waits if an error is temporary.
    pub(super) fn on_start(self) -> gopiper_abi::Error {
        let error = gopiper_abi::Error::new(self.to_string());
        match &self {
            StoreError::Disk { error: cause, .. } => error.caused_by(cause),
            _ => error,
        }
    }

    /// Whether no further attempt can succeed, with any message.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, StoreError::Damaged { .. })
    }
}
