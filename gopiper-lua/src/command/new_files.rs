//! Files of an author's new folder. None that exists is replaced.
use std::{
    fs,
    io::{self, Write},
    path::Path,
};

/// Writes a file of the folder, and creates the folders that it is in.
pub(crate) fn write(folder: &Path, file: &str, content: &[u8]) -> Result<(), String> {
    let path = folder.join(file);
    create(&path, content).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    fs::create_dir_all(path.parent().expect("a file has a folder"))?;
    fs::File::create_new(path)?.write_all(content)
}
