//! The number of this series of checkpoints. The identities of messages contain it: when an
//! operator removes the checkpoint, to read all files as if for the first time, their lines are new
//! ones.
use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

const FILE: &str = "series";

/// A number, and whether a checkpoint was saved since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Series {
    number: u64,
    was_saved: bool,
}

impl Series {
    /// The series in this directory, on disk: the next one if its checkpoint was removed.
    pub(crate) fn open(directory: &Path, has_checkpoint: bool) -> io::Result<Self> {
        let found = match fs::read_to_string(directory.join(FILE)) {
            Ok(text) => Some(Self::parse(&text).ok_or_else(|| {
                let error = format!(
                    "{} is damaged; remove it: lines under way may then come twice",
                    directory.join(FILE).display()
                );
                io::Error::new(io::ErrorKind::InvalidData, error)
            })?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let series = match (found, has_checkpoint) {
            (None, _) => Series { number: 1, was_saved: has_checkpoint },
            (Some(series), true) => Series { was_saved: true, ..series },
            // A kill came before the first checkpoint: the same lines come again.
            (Some(series @ Series { was_saved: false, .. }), false) => series,
            (Some(Series { number, .. }), false) => Series { number: number + 1, was_saved: false },
        };
        if found != Some(series) {
            series.write(directory)?;
        }
        Ok(series)
    }

    /// A checkpoint was saved.
    pub(crate) fn saved(&mut self, directory: &Path) -> io::Result<()> {
        if self.was_saved {
            return Ok(());
        }
        Series { was_saved: true, ..*self }.write(directory)?;
        self.was_saved = true;
        Ok(())
    }

    /// What the origins of its messages begin with.
    pub(crate) fn origin(self, of_component: &str) -> String {
        match self.number {
            1 => of_component.to_owned(),
            number => format!("{of_component}.{number}"),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (number, state) = text.strip_suffix('\n')?.split_once(' ')?;
        let was_saved = match state {
            "saved" => true,
            "new" => false,
            _ => return None,
        };
        Some(Series { number: number.parse().ok()?, was_saved })
    }

    fn write(self, directory: &Path) -> io::Result<()> {
        let aside = directory.join("series.new");
        let mut options = File::options();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        let state = if self.was_saved { "saved" } else { "new" };
        file.write_all(format!("{} {state}\n", self.number).as_bytes())?;
        file.sync_all()?;
        fs::rename(&aside, directory.join(FILE))?;
        File::open(directory)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_one_begins_when_the_checkpoint_was_removed() {
        let folder = tempfile::tempdir().unwrap();
        let open = |has_checkpoint| Series::open(folder.path(), has_checkpoint).unwrap();
        let mut first = open(false);
        assert_eq!(first.origin("a"), "a");
        assert_eq!(open(false), first, "killed before the first checkpoint");
        first.saved(folder.path()).unwrap();
        assert_eq!(open(true), first);
        let second = open(false);
        assert_eq!(second.origin("a"), "a.2");
        assert_eq!(open(false), second);
        fs::write(folder.path().join(FILE), "two saved\n").unwrap();
        assert!(Series::open(folder.path(), true).is_err());
    }

    #[test]
    fn an_older_checkpoint_has_none_yet() {
        let folder = tempfile::tempdir().unwrap();
        let series = Series::open(folder.path(), true).unwrap();
        assert_eq!(series, Series { number: 1, was_saved: true });
    }
}
