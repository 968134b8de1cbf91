//! When the checkpoint is written.
use std::io;

use gopiper_abi::Host;

use crate::{checkpoint::Store, ledger::Ledger};

/// Writes the checkpoint when there is something new in it, and it is time to.
pub(crate) struct Saving {
    store: Store,
    host: Host,
    /// How much time lies between two, in nanoseconds.
    interval: i64,
    next: i64,
    /// It was said that it can't be written.
    complained: bool,
}

impl Saving {
    pub(crate) fn new(store: Store, host: Host, interval: i64) -> Self {
        Saving { store, host, interval, next: i64::MIN, complained: false }
    }

    /// When the ledger is to be saved.
    pub(crate) fn due(&self, ledger: &Ledger) -> i64 {
        if ledger.changed { self.next } else { i64::MAX }
    }

    pub(crate) fn save_if_due(&mut self, ledger: &mut Ledger) {
        if !ledger.changed || self.host.monotonic() < self.next {
            return;
        }
        match self.save(ledger) {
            Ok(()) => self.complained = false,
            // What has gone through comes again if nothing can be written until the end.
            Err(error) if !self.complained => {
                log::warn!("cannot write the checkpoint: {error}; trying again");
                self.complained = true;
            }
            Err(_) => {}
        }
    }

    /// Nothing is read any more, but there may be something under way.
    pub(crate) fn save_while_draining(&mut self, ledger: &mut Ledger) {
        if ledger.is_settled() {
            self.save_at_last(ledger);
        } else {
            self.save_if_due(ledger);
        }
    }

    pub(crate) fn save_at_last(&mut self, ledger: &mut Ledger) {
        if !ledger.changed {
            return;
        }
        if let Err(error) = self.save(ledger) {
            let error = format!("cannot write the checkpoint: {error}; what was read comes again");
            self.host.fail(&error);
        }
    }

    fn save(&mut self, ledger: &mut Ledger) -> io::Result<()> {
        self.next = self.host.monotonic().saturating_add(self.interval);
        self.store.save(&ledger.entries(self.host.now())).inspect_err(|_| ledger.changed = true)
    }
}
