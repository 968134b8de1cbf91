//! The sink that writes into a buffer.
use std::sync::Arc;

use gopiper_abi::{
    BatchCall, BatchComponent, Error, HandleFlags, Message, Postponed, Report, own,
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

impl BufferSink {
    /// Stores the first of these messages, in one commit, or drops them. Returns how many those
    /// were, and their report; an error is the report of all.
    fn store(&self, messages: &[Message]) -> Result<(usize, Report), Report> {
        let host = self.postponed.host();
        let is_stopping = || host.is_stopping();
        let (mut blocks, mut count, mut bytes) = (Vec::new(), 0, 0);
        while count < messages.len() {
            let part = &messages[count..];
            let part = &part[..self.shared.block_of(part)];
            let block = block::write(part);
            let size = block.len() as u64;
            match blocks.is_empty() {
                true if !self.shared.await_room(size, is_stopping) => {
                    return Ok((part.len(), Report::DROP));
                }
                // The messages without room wait until these are stored.
                false if !self.shared.has_room(bytes + size) && !is_stopping() => break,
                _ => {}
            }
            blocks.push((block, part.len() as u64));
            (count, bytes) = (count + part.len(), bytes + size);
        }
        self.shared.append(&blocks).map_err(|error| {
            if matches!(error, StoreError::Damaged { .. }) {
                host.fail(&error.to_string());
            }
            Report::retry(0, error.to_string())
        })?;
        Ok((count, Report::DONE))
    }
}

impl BatchComponent for BufferSink {
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        let count = call.messages().len();
        let mut reports = Vec::new();
        while reports.len() < count {
            match self.store(&call.messages()[reports.len()..]) {
                Ok((stored, report)) => reports.resize(reports.len() + stored, report),
                // Later messages must not overtake it.
                Err(report) => reports.resize(count, report),
            }
        }
        call.report_each(|place, _| reports[place].clone())
    }

    fn end(&mut self, _deadline: i64) -> Result<(), Error> {
        self.shared.end();
        Ok(())
    }
}
