//! Files in a folder, read and followed.
mod beyond;
mod followed;
mod named;
mod random;
mod same;
mod whole;

use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
};

use gopiper_abi::{Level, Outcome, Produced, Value, testing::Harness};

use crate::FileSourceFactory;

const SECOND: i64 = 1_000_000_000;

/// A folder of files, and one for the state.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("state")).unwrap();
        fs::create_dir(folder.path().join("log")).unwrap();
        Folder(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("log").join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn append(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let mut file = File::options().append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(bytes.as_ref()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn state(&self) -> PathBuf {
        self.0.path().join("state")
    }

    fn try_source(
        &self,
        glob: &str,
        attributes: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<Harness, String> {
        let glob = self.path(glob).display().to_string();
        let paths = ("paths", vec![Value::from(glob)].into());
        let attributes = [paths].into_iter().chain(attributes);
        let source = Harness::source_in::<FileSourceFactory>(self.state(), attributes);
        source.map_err(|error| error.to_string())
    }

    fn source(&self, glob: &str) -> Harness {
        self.try_source(glob, []).unwrap()
    }

    fn follow(&self, glob: &str) -> Harness {
        self.try_source(glob, [("follow", true.into())]).unwrap()
    }
}

/// All that there is now, delivered; the clock is a second further.
fn now(source: &mut Harness) -> Vec<String> {
    source.advance(SECOND).unwrap();
    while source.produce(512).unwrap() == Produced::MORE {}
    let sent = texts(source.sent());
    source.tell_settled();
    sent
}

fn texts(sent: Vec<Vec<u8>>) -> Vec<String> {
    sent.into_iter().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
}

fn warnings(source: &mut Harness) -> Vec<String> {
    let logged = source.logged().into_iter();
    logged.filter(|(level, _)| *level <= Level::WARN).map(|(_, text)| text).collect()
}
