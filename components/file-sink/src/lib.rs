//! Writes messages to files, each as a line.
//!
//! With `sync = 'batch'` a message is reported as Done when it is on disk: messages that were not
//! come again after a crash, and the part of them already written is removed.
//!
//! After a crash the sink cannot tell by looking which last line is only a part of one. So it
//! leaves a mark beside the file while that is open: how long the file was when it was opened, or
//! when a message without a delimiter was last done. No mark is written for a batch of lines.
mod disk;
mod mark;
mod once;
mod place;
mod sink;
mod target;
mod template;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use gopiper_abi::{
    Error, Factory, FilePath, Need, Parallel, Postponed, attributes, export_component,
};
use jiff::{Timestamp, tz::TimeZone};

pub use crate::sink::FileSink;
use crate::{
    sink::{failure, rotated_name},
    template::Template,
};

attributes! {
    /// Writes messages to files, each as a line.
    pub struct Attributes {
        /// The file to append to. A relative path starts at the folder of the pipeline's file. The
        /// file is created, with its folders, if it does not exist. `%Y`, `%m` and the like, as in
        /// `date`, are replaced by the message's time (now, if it has none) in the local time zone;
        /// `{name}` by an attribute of the message (text, a whole number, true or false), as a file
        /// name or a part of one; `{{` and `}}` by braces.
        pub path: FilePath,
        /// What to write after each message. A message from the end of an input that had no
        /// delimiter gets one only when another message follows, so that an input comes out byte
        /// for byte. The pieces of a split line are joined again if nothing came between them.
        pub delimiter: String = "\n".into(),
        /// When to sync to disk.
        pub sync: Sync = Sync::Batch,
        /// With `'interval'`, the seconds between two syncs.
        pub sync_interval: f64 = EVERY_SECOND,
        /// The maximum size of a file, in bytes. Before it grows beyond that, it is renamed to
        /// PATH.YYYYMMDD-HHMMSS, and a new one begins.
        pub rotate_bytes: Option<u64>,
        /// The maximum age of a file, in seconds: the first message after that begins a new one.
        pub rotate_every: Option<f64>,
        /// The maximum number of open files.
        pub max_open_files: usize = 64,
        /// Write each message once, even if the program is killed: the state directory keeps which
        /// messages are in the files, until their source has settled them. Only for messages with
        /// an identity, such as those of a file_source with its checkpoint; `gopiper check` shows
        /// the promise. Needs `sync = 'batch'`, and syncs twice as often. Nothing else may write to
        /// the files.
        pub exactly_once: bool = false,
    }
}

attributes! {
    /// When written data is brought to disk.
    #[derive(Copy)]
    pub enum Sync {
        /// Before a message is reported as Done: a crash loses no message that is done.
        Batch,
        /// At intervals: a power failure loses what was written since the last one.
        Interval,
        /// Never: the system decides.
        Never,
    }
}

fn seconds(name: &str, seconds: f64) -> Result<i64, Error> {
    let nanoseconds = Duration::try_from_secs_f64(seconds).map(|time| time.as_nanos());
    match nanoseconds.map(i64::try_from) {
        Ok(Ok(nanoseconds @ 1..)) => Ok(nanoseconds),
        _ => Err(Error::attribute(name, "must be a number of seconds, more than 0")),
    }
}

/// The maximum number of messages for one sync.
const GROUP: usize = 1 << 16;

/// Makes the [`FileSink`].
pub struct FileSinkFactory {
    settings: Settings,
    path: FilePath,
    zone: TimeZone,
}

/// The attributes, checked.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) delimiter: Vec<u8>,
    pub(crate) sync: Sync,
    pub(crate) sync_interval: i64,
    pub(crate) rotate_bytes: Option<u64>,
    pub(crate) rotate_every: Option<i64>,
    pub(crate) max_open_files: usize,
    pub(crate) exactly_once: bool,
}

/// The default of `sync_interval`.
const EVERY_SECOND: f64 = 1.0;

/// The remedy where there is no state directory.
const WITHOUT_STATE: &str = "leave exactly_once out: after a crash some messages may come twice";

/// The remedy where another component writes the file.
const ANOTHER_PATH: &str =
    "give it another path, or write all messages for this path with one file_sink";

impl FileSinkFactory {
    fn template(&self) -> Result<Template, Error> {
        Template::parse(&self.path, self.zone.clone())
    }

    /// The files that it writes, as far as they are known.
    fn files(&self, mut template: Template) -> Vec<String> {
        let now = Timestamp::now().as_second();
        let Some(file) = template.example(now) else { return Vec::new() };
        if template.constant().is_some() && place::of_one(Path::new(&file)).is_none() {
            return Vec::new();
        }
        let rotates = self.settings.rotate_bytes.is_some() || self.settings.rotate_every.is_some();
        let rotated = rotates.then(|| rotated_name(Path::new(&file), now, &self.zone));
        let rotated = rotated.map(|path| path.to_string_lossy().into_owned());
        [file].into_iter().chain(rotated).collect()
    }
}

impl Factory for FileSinkFactory {
    type Component = FileSink;
    type Attributes = Attributes;

    fn new(attributes: Attributes) -> Result<Self, Error> {
        if attributes.max_open_files == 0 {
            return Err(Error::attribute("max_open_files", "must be 1 or more"));
        }
        if attributes.rotate_bytes == Some(0) {
            return Err(Error::attribute("rotate_bytes", "must be 1 or more"));
        }
        if attributes.sync != Sync::Interval && attributes.sync_interval != EVERY_SECOND {
            return Err(Error::attribute(
                "sync_interval",
                "has no effect without sync = 'interval'",
            ));
        }
        if attributes.exactly_once && attributes.sync != Sync::Batch {
            return Err(Error::attribute("exactly_once", "needs sync = 'batch'"));
        }
        let rotate_every = attributes.rotate_every.map(|every| seconds("rotate_every", every));
        let zone = TimeZone::system();
        Template::parse(&attributes.path, zone.clone())?;
        Ok(FileSinkFactory {
            settings: Settings {
                delimiter: attributes.delimiter.into_bytes(),
                sync: attributes.sync,
                sync_interval: seconds("sync_interval", attributes.sync_interval)?,
                rotate_bytes: attributes.rotate_bytes,
                rotate_every: rotate_every.transpose()?,
                max_open_files: attributes.max_open_files,
                exactly_once: attributes.exactly_once,
            },
            path: attributes.path,
            zone,
        })
    }

    fn check(&self) -> Result<(), Error> {
        let Some(path) = self.template()?.constant() else { return Ok(()) };
        place::check(&path).map_err(|error| Error::attribute("path", failure(&path, &error)))
    }

    fn needs(&self) -> Vec<Need> {
        let constant = self.template().ok().and_then(|template| template.constant());
        let file = constant.and_then(|path| place::of_one(&path));
        let alone = |path: PathBuf| Need::alone(format!("the file {}", path.display()));
        let alone = file.map(|path| alone(path).of_attribute("path").otherwise(ANOTHER_PATH));
        let files = self.template().map(|template| self.files(template)).unwrap_or_default();
        let output = |path: String| {
            Need::output(path)
                .of_attribute("path")
                .otherwise("write elsewhere, or read other files")
        };
        let state = Need::state().of_attribute("exactly_once").otherwise(WITHOUT_STATE);
        let state = self.settings.exactly_once.then_some(state);
        alone.into_iter().chain(state).chain(files.into_iter().map(output)).collect()
    }

    fn create(&self, postponed: Postponed) -> Result<FileSink, Error> {
        FileSink::new(
            self.template()?,
            self.settings.clone(),
            self.zone.clone(),
            postponed.host().clone(),
        )
    }

    fn gathers(&self) -> usize {
        // One sync for all waiting messages.
        if self.settings.sync == Sync::Batch { GROUP } else { 0 }
    }

    fn parallel(&self) -> Parallel {
        Parallel::SINGLE
    }

    fn durability(&self) -> Result<(), String> {
        let constant = self.template().ok().and_then(|template| template.constant());
        if constant.is_some_and(|path| place::of_one(&path).is_none()) {
            return Err("path is not a regular file".into());
        }
        match self.settings.sync {
            Sync::Batch => Ok(()),
            Sync::Interval => Err("sync = 'interval'".into()),
            Sync::Never => Err("sync = 'never'".into()),
        }
    }

    fn exactly_once(&self) -> Result<(), String> {
        let constant = self.template().ok().and_then(|template| template.constant());
        match self.settings.exactly_once {
            true if constant.is_some_and(|path| place::of_one(&path).is_none()) => {
                Err("path is not a regular file".into())
            }
            true => Ok(()),
            false => Err("exactly_once = false".into()),
        }
    }
}

export_component!(sink: FileSinkFactory);
