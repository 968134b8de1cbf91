//! The sink that writes into a buffer.
use std::{sync::Arc, time::Duration};

use gopiper_abi::{
    BatchCall, BatchComponent, Error, HandleFlags, Level, Postponed, Report, own,
    raw::client::FactoryHandle,
};

use super::{block, shared::Shared, store::StoreError};

/// How long it waits before it tries again what the disk did not take.
const PAUSE: Duration = Duration::from_millis(500);

struct Inlet {
    shared: Arc<Shared>,
    postponed: Postponed,
}

/// The sink before a buffer.
pub(crate) fn inlet(shared: Arc<Shared>) -> FactoryHandle {
    own::sink("buffer", move |postponed| {
        let (host, waits) = (postponed.host(), shared.clone());
        let folder = host.state_directory()?;
        shared.open(&folder, host)?;
        postponed.on_stop(move || waits.nudge());
        shared.enter();
        Ok(Inlet { shared: shared.clone(), postponed })
    })
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.shared.leave();
    }
}

impl Inlet {
    /// Writes a block, also after the disk was full or away: what comes behind it must not overtake
    /// it, so it is not reported as Retry while there is time.
    fn append(&self, block: &[u8], messages: u64) -> Result<(), StoreError> {
        let host = self.postponed.host();
        let mut said = false;
        loop {
            match self.shared.append(block, messages) {
                Err(error @ StoreError::Disk { .. }) if !host.is_stopping() => {
                    if !std::mem::replace(&mut said, true) {
                        let error = format!("{error}; it is tried again until it works");
                        host.log(Level::ERROR, module_path!(), &error);
                    }
                    self.shared.pause(PAUSE);
                }
                Ok(()) => {
                    if said {
                        host.log(Level::WARN, module_path!(), "the disk works again");
                    }
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl BatchComponent for Inlet {
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        let host = self.postponed.host();
        let block = block::write(call.messages());
        if !self.shared.await_room(block.len() as u64, || host.is_stopping()) {
            return call.report_all(Report::DROP);
        }
        match self.append(&block, call.messages().len() as u64) {
            Ok(()) => call.report_all(Report::DONE),
            Err(error) => {
                if matches!(error, StoreError::Damaged { .. }) {
                    host.fail(&error.to_string());
                }
                call.report_all(Report::retry(0, error.to_string()))
            }
        }
    }

    fn end(&mut self, _deadline: i64) -> Result<(), Error> {
        self.shared.end();
        Ok(())
    }
}
