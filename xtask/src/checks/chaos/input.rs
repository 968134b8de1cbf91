//! The input: numbered lines, each of which says its outcome.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use anyhow::Result;
use fastrand::Rng;
use regex::bytes::Regex;

/// The place where a line must be in the end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fate {
    Output,
    Letters,
}

/// A line, without the end of it.
pub(super) struct Line {
    pub(super) fate: Fate,
    pub(super) bytes: Vec<u8>,
    /// Which of the files it is in, and where it ends there.
    pub(super) file: usize,
    pub(super) end: u64,
    /// Whether there is an end of a line after it: the last line of all may have none.
    pub(super) has_end: bool,
}

impl Line {
    /// As written in a file.
    pub(super) fn written(&self) -> Vec<u8> {
        [&self.bytes[..], if self.has_end { b"\n" } else { b"" }].concat()
    }
}

pub(super) struct Input {
    pub(super) lines: Vec<Line>,
    files: usize,
}

static NUMBER: LazyLock<Regex> = LazyLock::new(|| Regex::new("#([0-9]{7})#").expect("a regex"));

impl Input {
    pub(super) fn new(random: &mut Rng) -> Input {
        let mut input = Input { lines: Vec::new(), files: random.usize(1..=3) };
        for file in 0..input.files {
            let mut end = 0;
            for _ in 0..random.usize(1500..4000) / input.files {
                let (fate, bytes) = line(input.lines.len(), random);
                end += bytes.len() as u64 + 1;
                input.lines.push(Line { fate, bytes, file, end, has_end: true });
            }
        }
        if let (Some(last), true) = (input.lines.last_mut(), random.bool()) {
            last.has_end = false;
            last.end -= 1;
        }
        input
    }

    pub(super) fn file_names(&self) -> Vec<String> {
        (0..self.files).map(|file| format!("{file}.log")).collect()
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        for (file, name) in self.file_names().iter().enumerate() {
            let lines = self.lines.iter().filter(|line| line.file == file);
            let bytes: Vec<u8> = lines.flat_map(Line::written).collect();
            fs::write(folder.join(name), bytes)?;
        }
        Ok(())
    }

    /// The number of the line that this begins with, and how long it is there.
    pub(super) fn first_in(&self, bytes: &[u8]) -> Option<(usize, usize)> {
        let number = numbers(bytes).next()?;
        let line = self.lines.get(number)?.written();
        bytes.starts_with(&line).then_some((number, line.len()))
    }

    /// The number of a line that is exactly this.
    pub(super) fn number_of(&self, bytes: &[u8]) -> Option<usize> {
        let number = numbers(bytes).next()?;
        (self.lines.get(number)?.bytes == bytes).then_some(number)
    }
}

/// The numbers of all lines in these bytes, in any format.
pub(super) fn numbers(bytes: &[u8]) -> impl Iterator<Item = usize> {
    NUMBER
        .captures_iter(bytes)
        .filter_map(|found| std::str::from_utf8(&found[1]).ok()?.parse().ok())
}

/// The first word is one that the component `faults` knows.
fn line(number: usize, random: &mut Rng) -> (Fate, Vec<u8>) {
    let (word, fate) = match random.u32(0..100) {
        0 => ("fail", Fate::Letters),
        1 => ("retry", Fate::Letters),
        2 => ("again", Fate::Output),
        _ => ("done", Fate::Output),
    };
    let longest = match random.u32(0..100) {
        0 => 20_000,
        1..10 => 2000,
        _ => 120,
    };
    let mut bytes = format!("{word} #{number:07}# ").into_bytes();
    let length = bytes.len() + random.usize(0..longest);
    // Anything but the end of a line, or what may look like a number.
    bytes.resize_with(length, || match random.u8(..) {
        b'\n' | b'#' => b' ',
        byte => byte,
    });
    (fate, bytes)
}
