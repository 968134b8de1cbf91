//! Checks whether a file could be written, and identifies it, before it is opened.
use std::{
    fs, io,
    path::{Path, PathBuf, absolute},
};

use rustix::{
    fs::{Access, access},
    io::Errno,
};

use crate::disk::folder_of;

/// Whether it can be opened to write, or made.
pub(crate) fn check(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => Err(Errno::ISDIR.into()),
        Ok(_) => Ok(access(path, Access::WRITE_OK)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => check_folder(folder_of(path)),
        Err(error) => Err(error),
    }
}

/// Whether something can be made in this folder, which may have to be made itself.
fn check_folder(folder: &Path) -> io::Result<()> {
    match fs::metadata(folder) {
        Ok(there) if !there.is_dir() => Err(Errno::NOTDIR.into()),
        Ok(_) => Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound && folder_of(folder) != folder => {
            check_folder(folder_of(folder))
        }
        Err(error) => Err(error),
    }
}

/// The regular file at a path, now or when it is created; `None` for other kinds, which several
/// components may write at once.
pub(crate) fn of_one(path: &Path) -> Option<PathBuf> {
    let is_special = fs::metadata(path).is_ok_and(|there| !there.is_file());
    (!is_special).then(|| real(&absolute(path).unwrap_or_else(|_| path.into())))
}

/// Without links, as far as it is there.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => real(folder).join(name),
        _ => path.into(),
    })
}
