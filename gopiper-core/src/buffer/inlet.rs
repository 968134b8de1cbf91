//! The sink that writes into a buffer.
use std::sync::Arc;

use gopiper_abi::{
    BatchCall, BatchComponent, Error, HandleFlags, Postponed, Report, own,
    raw::client::FactoryHandle,
};

use super::{block, shared::SharedBuffer, store::StoreError};

/// The most messages in one commit.
const GROUP: usize = 1 << 16;

struct BufferSink {
    shared: Arc<SharedBuffer>,
    postponed: Postponed,
}

/// The sink before a buffer.
pub(crate) fn inlet(shared: Arc<SharedBuffer>) -> FactoryHandle {
    own::committing_sink("buffer", GROUP, move |postponed| {
        let (host, waits) = (postponed.host(), shared.clone());
        let folder = host.state_directory()?;
        shared.open(&folder, host).map_err(StoreError::on_start)?;
        postponed.on_stop(move || waits.nudge());
        shared.enter();
        Ok(BufferSink { shared: shared.clone(), postponed })
    })
}

impl Drop for BufferSink {
    fn drop(&mut self) {
        self.shared.leave();
    }
}

impl BatchComponent for BufferSink {
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        let host = self.postponed.host();
        let block = block::write(call.messages());
        if !self.shared.await_room(block.len() as u64, || host.is_stopping()) {
            return call.report_all(Report::DROP);
        }
        match self.shared.append(&block, call.messages().len() as u64) {
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
