//! The default state directory of a pipeline's file.
use std::{
    env, fs, io,
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf, absolute},
};

use gopiper_core::{dead_letters, state};
use tracing::warn;

/// Hex digits of the path's digest in the folder's name.
const DIGITS: usize = 12;

/// The default state directory of a Lua file.
pub(crate) struct DefaultState {
    /// In XDG's state folder, under the file's name and a digest of its full path.
    directory: PathBuf,
    /// The place where gopiper 0.1 kept it: under the name alone.
    old: PathBuf,
}

impl DefaultState {
    /// `None` if there is neither `XDG_STATE_HOME` nor `HOME`.
    pub(crate) fn of(file: &Path) -> Option<Self> {
        let home = || Some(absolute_variable("HOME")?.join(".local/state"));
        let folder = absolute_variable("XDG_STATE_HOME").or_else(home)?.join("gopiper");
        let name = file.file_stem()?;
        let digest = blake3::hash(full_path(file).ok()?.as_os_str().as_encoded_bytes()).to_hex();
        let mut told_apart = name.to_owned();
        told_apart.push(format!("-{}", &digest[..DIGITS]));
        Some(DefaultState { directory: folder.join(told_apart), old: folder.join(name) })
    }

    /// The place of the state at the moment: nothing is changed.
    pub(crate) fn current(self) -> PathBuf {
        if self.is_old() { self.old } else { self.directory }
    }

    /// The place of the state from now on: the old folder becomes the new one.
    ///
    /// # Errors
    /// The old folder is in use, or cannot be moved.
    pub(crate) fn take_over(self) -> Result<PathBuf, String> {
        if !self.is_old() {
            return Ok(self.directory);
        }
        let DefaultState { directory, old } = self;
        if state::is_of_another_version(&old) {
            // It is refused in its place, as soon as something needs it.
            return Ok(old);
        }
        let failed = |error: &dyn std::fmt::Display| {
            format!(
                "the state in {} is of an older gopiper, and cannot be moved to {}: {error}",
                old.display(),
                directory.display()
            )
        };
        state::check_unused(&old).map_err(|error| failed(&error))?;
        dead_letters::check_unused(&old).map_err(|error| failed(&error))?;
        match fs::rename(&old, &directory) {
            // Another process of this pipeline was faster.
            Err(_) if directory.is_dir() => {}
            Err(error) => return Err(failed(&error)),
            Ok(()) => warn!(
                code = "state_moved",
                "the state of an older gopiper was moved: {} is {} now, which belongs to this file alone; if \
                 another file of that name wrote it, move it back and run that one first",
                old.display(),
                directory.display()
            ),
        }
        Ok(directory)
    }

    fn is_old(&self) -> bool {
        !self.directory.exists() && self.old.join("version").is_file()
    }
}

/// A folder from the environment. An empty or relative one counts as unset, as XDG has it:
/// otherwise the state would be in the folder from which the program is started.
fn absolute_variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// The absolute path, however it was written. Links stay: a file that is reached through a link
/// which a deployment moves on keeps its state.
fn full_path(file: &Path) -> io::Result<PathBuf> {
    if file.components().any(|part| part == Component::ParentDir)
        && let (Some(folder), Some(name)) = (file.parent(), file.file_name())
    {
        return Ok(fs::canonicalize(folder)?.join(name));
    }
    match file.is_relative() {
        true => absolute(working_directory()?.join(file)),
        false => absolute(file),
    }
}

/// The working directory as the shell calls it: with the links by which it was reached.
fn working_directory() -> io::Result<PathBuf> {
    let is_here = |path: &PathBuf| {
        let [there, here] = [path, Path::new(".")].map(fs::metadata);
        matches!((there, here), (Ok(there), Ok(here))
            if (there.dev(), there.ino()) == (here.dev(), here.ino()))
    };
    absolute_variable("PWD").filter(is_here).map_or_else(env::current_dir, Ok)
}
