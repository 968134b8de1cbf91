//! When the checkpoint is written.
use std::{
    thread,
    time::{Duration, Instant},
};

use gopiper_abi::{Error, Host};

use crate::progress::{
    checkpoint::{Entry, Store},
    ledger::Ledger,
    series::Series,
};

/// How long the last one is tried to be written.
const PATIENCE: Duration = Duration::from_secs(5);

/// Writes the checkpoint when there is something new in it, and it is time to.
pub(crate) struct Saving {
    store: Store,
    host: Host,
    series: Series,
    /// What the identities of all messages begin with.
    origin: String,
    /// How much time lies between two, in nanoseconds.
    interval: i64,
    next: i64,
    /// It was said that it cannot be written.
    complained: bool,
}

impl Saving {
    pub(crate) fn new(
        store: Store,
        host: Host,
        series: Series,
        interval: i64,
    ) -> Result<Self, Error> {
        let origin = series.origin(&host.origin()?);
        Ok(Saving { store, host, series, origin, interval, next: i64::MIN, complained: false })
    }

    /// What the identities of all messages begin with.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Tells the sinks which lines will not come again, as these entries are on disk.
    pub(crate) fn tell_settled(&self, saved: &[Entry]) {
        for entry in saved {
            if let Some(generation) = entry.generation.checked_sub(1) {
                // The content before this one is gone.
                let before = Entry { generation, ..entry.clone() };
                self.tell(&before, u64::MAX);
            }
            // The number of a line is where it ends.
            self.tell(entry, entry.offset + 1);
        }
    }

    fn tell(&self, entry: &Entry, below: u64) {
        if let Some(origin) = entry.origin(&self.origin) {
            self.host.set_settled(&origin, below);
        }
    }

    /// When the ledger is to be saved.
    pub(crate) fn due(&self, ledger: &Ledger) -> i64 {
        if ledger.changed { self.next } else { i64::MAX }
    }

    pub(crate) fn save_if_due(&mut self, ledger: &mut Ledger) {
        let is_due = ledger.is_replaced || self.host.monotonic() >= self.next;
        if !(ledger.changed && is_due) {
            return;
        }
        match self.save(ledger) {
            Ok(()) => self.complained = false,
            // Lines that have gone through come again if nothing can be written until the end.
            Err(error) if !self.complained => {
                log::warn!("{error}; trying again");
                self.complained = true;
            }
            Err(_) => {}
        }
    }

    /// A disk that is full, or a process without descriptors, may be well again soon.
    pub(crate) fn save_at_last(&mut self, ledger: &mut Ledger) {
        let begun = Instant::now();
        while ledger.changed {
            match self.save(ledger) {
                Err(error) if begun.elapsed() > PATIENCE => {
                    let error = format!("{error}; messages since the last checkpoint come again");
                    return self.host.fail(&error);
                }
                Err(_) => thread::sleep(PATIENCE / 50),
                Ok(()) => {}
            }
        }
    }

    fn save(&mut self, ledger: &mut Ledger) -> Result<(), Error> {
        self.next = self.host.monotonic().saturating_add(self.interval);
        let entries = ledger.entries(self.host.now());
        let saved = self.store.save(&entries).and_then(|()| {
            self.series.saved(self.store.directory())?;
            self.tell_settled(&entries);
            Ok(())
        });
        ledger.changed = saved.is_err();
        ledger.is_replaced &= saved.is_err();
        saved
    }
}
