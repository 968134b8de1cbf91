//! Reads files, a message for each line, and follows them.
//!
//! Lines that have gone through the pipeline are remembered in a checkpoint: the next start
//! continues after the last line that has ended. Lines under way when the process was killed come
//! again.
//!
//! The ledger knows where in the file each message of a batch ends. The end of the longest prefix
//! that has ended goes into the checkpoint, which is written aside, synced and renamed; messages
//! that have ended after it are kept as ranges. Blocks are read before the file's beginning is
//! compared with its earlier beginning: no byte of a file that was truncated and rewritten is
//! taken for the old one's.
mod files;
mod outlet;
mod progress;
mod reading;
mod source;
#[cfg(test)]
mod tests;

use std::{path::Path, time::Duration};

use gopiper_abi::{
    Error, Factory, FilePath, Need, Parallel, Postponed, attributes, export_component,
    lines::{Bom, Format, TooLong},
};

use crate::files::{found, patterns};
pub use crate::source::FileSource;

attributes! {
    /// Reads files, a message for each line.
    ///
    /// The oldest file is read first, by the time of its last change and then by name. Gzip files
    /// are recognized by their first bytes and decompressed. Files of length 0 that have content
    /// when they are read, as in `/proc`, are read whole each time.
    ///
    /// The source recognizes a file by its inode, its time of birth (where the file system has
    /// one), its first kilobyte, and the bytes before the place where it stopped reading. So a file
    /// may be renamed, and another file that gets its inode or its name is read from the beginning.
    /// The source looks for a renamed file in its folder, and in the folder that its link points
    /// to. After a rotation it reads the old file to its end before it begins the new one.
    ///
    /// Let logrotate rename files (`create`, its default). With `copytruncate` lines are lost:
    /// lines written between the copy and the truncation are in neither file, and lines not yet
    /// read before the truncation are only in the copy. If the copies match `paths`, their lines
    /// come twice.
    ///
    /// A last line without a delimiter is a message of its own. The first line of the next file is
    /// never joined to it.
    pub struct Attributes {
        /// The files, as shell patterns (`*`, `?`, `[a-z]`, `{a,b}`, and `**/` for any folders). A
        /// relative pattern starts at the folder of the pipeline's file. Without `follow`, each
        /// pattern must match a file. Anything but regular files is skipped.
        pub paths: Vec<FilePath>,
        /// Keep reading: what is appended to the files, and files that appear later. A file that
        /// was renamed or removed is read until nothing has been written to it for a minute; an
        /// unfinished line waits for its end until then.
        #[serde(default)]
        pub follow: bool,
        /// Where to start in files present on the first run. Files that appear later, and gzip
        /// files, are read from the beginning.
        pub from: Start = Start::Beginning,
        /// The end of a line. It is not part of the message's data.
        pub delimiter: String = "\n".into(),
        /// The longest line, in bytes.
        pub max_length: usize = 16 << 20,
        /// What to do with a longer line.
        pub too_long: TooLong = TooLong::Split,
        /// How much to read at once, in bytes.
        pub block_size: usize = 256 << 10,
        /// Remember in the state directory how far each file has been delivered, and continue there
        /// after a restart.
        pub checkpoint: bool = true,
        /// How often to write the checkpoint, in seconds. It is also written at the end.
        pub checkpoint_interval: f64 = EVERY_SECOND,
        /// What to do with a byte order mark at a file's beginning.
        pub bom: Bom = Bom::Keep,
        /// An attribute to put the path of the file into; none if it is not given.
        pub path_attribute: Option<String>,
        /// An attribute to put the place into where the line begins, in bytes from the beginning of
        /// the file (of the content of a compressed one); none if it is not given. Needs the
        /// checkpoint.
        pub offset_attribute: Option<String>,
    }
}

attributes! {
    /// The position at which a file is begun.
    #[derive(Copy)]
    pub enum Start {
        /// At its beginning.
        Beginning,
        /// At its end: read only what is written from now on.
        End,
    }
}

/// The default of `checkpoint_interval`.
const EVERY_SECOND: f64 = 1.0;

/// The remedy where there is no state directory.
const WITHOUT_CHECKPOINT: &str = "set checkpoint = false to read everything each time";

/// Makes the [`FileSource`].
pub struct FileSourceFactory {
    attributes: Attributes,
    /// `attributes.paths`, with their folders.
    patterns: Vec<String>,
    format: Format,
    interval: Duration,
}

impl Factory for FileSourceFactory {
    type Component = FileSource;
    type Attributes = Attributes;

    fn new(attributes: Attributes) -> Result<Self, Error> {
        let patterns = patterns::with_folders(&attributes.paths)?;
        patterns::check(&patterns)?;
        let format = Format::new(
            attributes.delimiter.as_str(),
            attributes.max_length,
            attributes.too_long,
            attributes.block_size,
        )?
        .with_bom(attributes.bom);
        let interval = Duration::try_from_secs_f64(attributes.checkpoint_interval);
        let interval = interval.map_err(|_| {
            Error::attribute("checkpoint_interval", "must be a number of seconds, 0 or more")
        })?;
        if !attributes.checkpoint && attributes.checkpoint_interval != EVERY_SECOND {
            let error = "has no effect without checkpoint = true";
            return Err(Error::attribute("checkpoint_interval", error));
        }
        if !attributes.checkpoint && attributes.offset_attribute.is_some() {
            return Err(Error::attribute("offset_attribute", "needs checkpoint = true"));
        }
        Ok(FileSourceFactory { attributes, patterns, format, interval })
    }

    fn check(&self) -> Result<(), Error> {
        if self.attributes.follow {
            return Ok(());
        }
        found::without_match(&self.patterns, false).into_iter().next().map_or(Ok(()), Err)
    }

    fn warnings(&self) -> Vec<Error> {
        if self.attributes.follow { found::without_match(&self.patterns, true) } else { Vec::new() }
    }

    fn reads(&self, path: &str) -> bool {
        found::reads(&self.patterns, Path::new(path))
    }

    fn create(&self, postponed: Postponed) -> Result<FileSource, Error> {
        let paths = self.patterns.clone();
        FileSource::new(&self.attributes, paths, self.format.clone(), self.interval, postponed)
    }

    fn parallel(&self) -> Parallel {
        Parallel::SINGLE
    }

    fn needs(&self) -> Vec<Need> {
        let state = Need::state().of_attribute("checkpoint").otherwise(WITHOUT_CHECKPOINT);
        if self.attributes.checkpoint { vec![state] } else { Vec::new() }
    }

    fn durability(&self) -> Result<(), String> {
        match (self.attributes.checkpoint, self.attributes.from) {
            (true, _) | (false, Start::Beginning) => Ok(()),
            (false, Start::End) => Err("from = 'end' with checkpoint = false".into()),
        }
    }

    fn exactly_once(&self) -> Result<(), String> {
        if self.attributes.checkpoint { Ok(()) } else { Err("checkpoint = false".into()) }
    }
}

export_component!(source: FileSourceFactory);
