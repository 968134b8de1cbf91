//! The faults that last for a while, and must be survived.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Result;
use fastrand::Rng;

use super::disk::{Control, Disk};
use super::pipeline::OUTPUT;

const THE_SINKS: &str = "out*";
const ELSEWHERE: &str = "elsewhere";

#[derive(Clone, Copy)]
enum Sort {
    None,
    /// There is no room where the sink writes, or nowhere.
    Full,
    /// No file can be opened.
    NoFiles,
    /// The sink's folder is not where it was.
    Away,
}

/// One life's trouble.
pub(super) struct Trouble {
    sort: Sort,
    delay: Duration,
    length: Duration,
    /// Or else only what the sink has.
    everywhere: bool,
    now: Now,
}

enum Now {
    /// Until the program does something.
    Waiting {
        changes: u64,
    },
    BeginsAt(Instant),
    EndsAt(Instant),
    Over,
}

impl Trouble {
    /// Each sort by turns. The shim does not watch a folder that is elsewhere.
    pub(super) fn of(turn: u64, never_away: bool) -> Trouble {
        let sort = match turn % 4 {
            1 => Sort::Full,
            2 => Sort::NoFiles,
            3 if !never_away => Sort::Away,
            _ => Sort::None,
        };
        let (delay, length, everywhere) = Default::default();
        Trouble { sort, delay, length, everywhere, now: Now::Over }
    }

    pub(super) fn name(&self) -> &'static str {
        match self.sort {
            Sort::None => "no other trouble",
            Sort::Full => "disk full for a while",
            Sort::NoFiles => "no descriptors left for a while",
            Sort::Away => "the sink's folder away for a while",
        }
    }

    /// A life begins.
    pub(super) fn plan(&mut self, disk: &Disk, random: &mut Rng) {
        self.delay = Duration::from_millis(random.u64(0..60));
        self.length = Duration::from_millis(random.u64(20..300));
        self.everywhere = random.bool();
        self.now = Now::Waiting { changes: disk.journal_length() };
    }

    pub(super) fn tick(&mut self, disk: &Disk) -> Result<()> {
        let now = Instant::now();
        self.now = match self.now {
            Now::Waiting { changes } if disk.journal_length() > changes => {
                Now::BeginsAt(now + self.delay)
            }
            Now::BeginsAt(moment) if now >= moment => {
                self.begin(disk)?;
                Now::EndsAt(now + self.length)
            }
            Now::EndsAt(moment) if now >= moment => return self.end(disk),
            _ => return Ok(()),
        };
        Ok(())
    }

    fn pattern(&self) -> &'static str {
        if self.everywhere { "*" } else { THE_SINKS }
    }

    fn begin(&self, disk: &Disk) -> Result<()> {
        match self.sort {
            Sort::None => Ok(()),
            Sort::Full => disk.trouble(Control::Full, Some(self.pattern())),
            Sort::NoFiles => disk.trouble(Control::NoFiles, Some(self.pattern())),
            Sort::Away => {
                let folder = disk.folder();
                Ok(fs::rename(folder.join(OUTPUT), folder.join(ELSEWHERE))?)
            }
        }
    }

    /// Whether this life had some.
    pub(super) fn was(&self) -> bool {
        !matches!(self.sort, Sort::None) && matches!(self.now, Now::EndsAt(_) | Now::Over)
    }

    /// It is over, if there was any, also because a life is.
    pub(super) fn end(&mut self, disk: &Disk) -> Result<()> {
        if !matches!(std::mem::replace(&mut self.now, Now::Over), Now::EndsAt(_)) {
            return Ok(());
        }
        match self.sort {
            Sort::None => {}
            Sort::Full => disk.trouble(Control::Full, None)?,
            Sort::NoFiles => disk.trouble(Control::NoFiles, None)?,
            Sort::Away => {
                let folder = disk.folder();
                // The sink may have made another one: then they lie beside each other.
                let place = (0..)
                    .map(|n| {
                        folder.join(if n == 0 { OUTPUT.into() } else { format!("{OUTPUT}-{n}") })
                    })
                    .find(|place| !place.exists());
                fs::rename(folder.join(ELSEWHERE), place.expect("one of all numbers is free"))?;
            }
        }
        Ok(())
    }
}
