//! The number of messages that may come again after a kill, from the state of the disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::disk::files_in;
use super::input::{Input, numbers};
use super::pipeline;

/// Those that are read again, or handed on again, and are there already.
pub(super) fn at_most_again(input: &Input, disk: &Path) -> Result<u64> {
    let output = mentioned(&read(&pipeline::output_files(disk)?)?);
    let letters = mentioned(&read(&pipeline::letter_files(disk)?)?);
    let buffer = mentioned(&pipeline::buffered(disk)?);

    let settled = settled(disk, &input.file_names())?;
    let read_again = |number: &usize| {
        let line = &input.lines[*number];
        line.end > settled[line.file]
    };
    let there = |number: &usize| {
        [&output, &letters, &buffer].iter().any(|place| place.contains_key(number))
    };
    let from_source =
        (0..input.lines.len()).filter(|number| read_again(number) && there(number)).count() as u64;
    Ok(from_source + handed_on_again(&buffer, &output))
}

/// The number of lines in the buffer that have been written already. A line may be in there twice,
/// if it was read twice.
fn handed_on_again(buffer: &BTreeMap<usize, u64>, output: &BTreeMap<usize, u64>) -> u64 {
    let twice = |(number, held)| output.get(number).map_or(0, |written| *written.min(held));
    buffer.iter().map(twice).sum()
}

/// How far each of these files has gone through, as the source's checkpoint says.
fn settled(disk: &Path, names: &[String]) -> Result<Vec<u64>> {
    let mut settled = vec![0; names.len()];
    let state = files_in(&disk.join(pipeline::STATE))?;
    for file in state.iter().filter(|file| file.ends_with("checkpoint")) {
        for entry in entries(&fs::read(file)?).with_context(|| format!("{}", file.display()))? {
            let path = Path::new(entry["path"].as_str().context("an entry has a path")?);
            let index = names.iter().position(|name| path.ends_with(name));
            settled[index.context("a checkpoint of another file")?] =
                entry["offset"].as_u64().context("an entry has an offset")?;
        }
    }
    Ok(settled)
}

/// A line that says what it is, then JSON.
fn entries(checkpoint: &[u8]) -> Result<Vec<Value>> {
    let line = checkpoint.iter().position(|byte| *byte == b'\n').context("it has one line")?;
    Ok(serde_json::from_slice(&checkpoint[line + 1..])?)
}

fn read(files: &[PathBuf]) -> Result<Vec<Vec<u8>>> {
    files.iter().map(|file| Ok(fs::read(file)?)).collect()
}

/// The number of occurrences of each line, in any format.
fn mentioned(contents: &[Vec<u8>]) -> BTreeMap<usize, u64> {
    let mut found = BTreeMap::new();
    for number in contents.iter().flat_map(|bytes| numbers(bytes)) {
        *found.entry(number).or_default() += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastrand::Rng;

    #[test]
    fn lines_read_again_and_written_already_may_come_twice() {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path();
        let input = Input::new(&mut Rng::with_seed(1));
        let put = |name: &str, bytes: &[u8]| {
            let path = disk.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        let lines = |numbers: &[usize]| {
            let bytes = numbers.iter().map(|number| &input.lines[*number].bytes[..]);
            bytes.collect::<Vec<_>>().join(&b'\n')
        };
        let bound = || at_most_again(&input, disk).unwrap();
        assert_eq!(bound(), 0);
        put("out/out.log", &lines(&[0, 1, 2, 3]));
        put("state/dead-letters/1.letters", &lines(&[4, 3]));
        assert_eq!(bound(), 5);

        let [second, last] = [1, 4].map(|number| input.lines[number].end);
        let checkpoint = |offset| {
            let name = format!("/in/{}", input.file_names()[0]);
            format!(
                "gopiper file_source checkpoint 1 abc\n[{{\"path\":\"{name}\",\"offset\":{offset}}}]"
            )
        };
        put("state/source/checkpoint", checkpoint(second).as_bytes());
        assert_eq!(bound(), 3);
        put("state/source/checkpoint", checkpoint(last).as_bytes());
        assert_eq!(bound(), 0);
        put("state/source/checkpoint", b"torn");
        assert!(at_most_again(&input, disk).is_err());
    }

    #[test]
    fn messages_passed_on_again_and_written_already_may_come_twice() {
        let counts = |of: &[(usize, u64)]| of.iter().copied().collect();
        let buffer = counts(&[(1, 1), (2, 2), (3, 2), (4, 1)]);
        assert_eq!(handed_on_again(&buffer, &counts(&[(1, 1), (2, 1), (3, 3), (5, 9)])), 1 + 1 + 2);
    }
}
