//! The files that are read: written to, rotated by name or behind a link, compressed.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;

use super::lines;
use crate::workspace::succeed;

/// The lines of the compressed file have numbers from here on: the time at which they come is not
/// fixed.
pub(super) const ARCHIVED: u64 = 1_000_000;

pub(super) struct Logs {
    folder: PathBuf,
    /// The name that is read is a link, and what it leads to lies elsewhere.
    is_linked: bool,
    has_archive: bool,
    /// How many files there have been.
    files: u32,
    /// The next line's number.
    next: u64,
    /// The end of a line that was written in part.
    late: String,
    begins_with_bom: bool,
    /// All that were written, whole.
    pub(super) written: Vec<(u64, String)>,
}

impl Logs {
    pub(super) fn new(folder: &Path, random: &mut Rng) -> Result<Self> {
        for name in ["log", "real", "archive", "out"] {
            fs::create_dir_all(folder.join(name))?;
        }
        let mut logs = Logs {
            folder: folder.to_owned(),
            is_linked: random.bool(),
            has_archive: random.bool(),
            files: 0,
            next: 0,
            late: String::new(),
            begins_with_bom: random.u8(0..4) == 0,
            written: Vec::new(),
        };
        if logs.has_archive {
            logs.archive(random)?;
        }
        logs.begin()?;
        Ok(logs)
    }

    pub(super) fn is_linked(&self) -> bool {
        self.is_linked
    }

    /// The patterns that match them.
    pub(super) fn patterns(&self) -> Vec<&'static str> {
        let mut patterns = vec![if self.is_linked { "log/app.log" } else { "log/**/*.log*" }];
        patterns.extend(self.has_archive.then_some("archive/*"));
        patterns
    }

    pub(super) fn name(&self) -> String {
        let how = if self.is_linked { "behind a link" } else { "by name" };
        format!("{} files {how}", self.files)
    }

    /// A compressed file with zeros after its end, as tapes and block devices leave them.
    fn archive(&mut self, random: &mut Rng) -> Result<()> {
        let path = self.folder.join("archive/old.log");
        let mut text = String::new();
        for number in ARCHIVED..ARCHIVED + random.u64(1..200) {
            let line = lines::line(random, number);
            text += &line;
            text.push('\n');
            self.written.push((number, line));
        }
        fs::write(&path, text)?;
        succeed(Command::new("gzip").arg(&path))?;
        let mut file = File::options().append(true).open(path.with_extension("log.gz"))?;
        file.write_all(&vec![0; random.usize(0..2000)])?;
        Ok(())
    }

    /// The file that is written to.
    fn path(&self) -> PathBuf {
        match self.is_linked {
            true => self.folder.join(format!("real/app-{}.log", self.files)),
            false => self.folder.join("log/app.log"),
        }
    }

    fn append(&self, text: &str) -> Result<()> {
        let mut file = File::options().append(true).create(true).open(self.path())?;
        Ok(file.write_all(text.as_bytes())?)
    }

    /// A new file, which may begin with a byte order mark.
    fn begin(&mut self) -> Result<()> {
        self.files += 1;
        let mark = if self.begins_with_bom { "\u{feff}" } else { "" };
        self.append(mark)?;
        if self.is_linked {
            let aside = self.folder.join("aside");
            symlink(self.path(), &aside)?;
            fs::rename(aside, self.folder.join("log/app.log"))?;
        }
        Ok(())
    }

    /// Lines more, the last of which may come in two pieces.
    pub(super) fn write(&mut self, random: &mut Rng) -> Result<()> {
        let mut text = std::mem::take(&mut self.late);
        for _ in 0..random.u64(1..400) {
            let line = lines::line(random, self.next);
            text += &line;
            text.push('\n');
            self.written.push((self.next, line));
            self.next += 1;
        }
        if random.u8(0..3) == 0 {
            self.late = text.split_off(text.len() - 1 - random.usize(0..8));
        }
        self.append(&text)
    }

    /// Ends the line that has begun.
    pub(super) fn finish_line(&mut self) -> Result<()> {
        let late = std::mem::take(&mut self.late);
        self.append(&late)
    }

    /// The file gets another name, or the link another target, and a new one begins.
    pub(super) fn rotate(&mut self) -> Result<()> {
        self.finish_line()?;
        // Longer than the tick in which file systems tell time.
        thread::sleep(Duration::from_millis(10));
        if !self.is_linked {
            fs::rename(self.path(), self.folder.join(format!("log/app.log.{}", self.files)))?;
        }
        self.begin()
    }
}
