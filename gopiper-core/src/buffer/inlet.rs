//! The sink that writes into a buffer.
use std::{iter::repeat_n, sync::Arc};

use gopiper_abi::{
    BatchCall, BatchComponent, Error, HandleFlags, Postponed, Report, own,
    raw::client::FactoryHandle,
};

use super::{
    block,
    error::StoreError,
    record::Entries,
    shared::{Gauges, SharedBuffer},
};
use crate::disk::MESSAGES_PER_SYNC;

struct BufferSink {
    shared: Arc<SharedBuffer>,
    /// The blocks of one commit.
    entries: Entries,
    postponed: Postponed,
}

/// The sink before a buffer.
pub(crate) fn inlet(shared: Arc<SharedBuffer>) -> FactoryHandle {
    own::committing_sink("buffer", MESSAGES_PER_SYNC, move |postponed| {
        let (host, waits) = (postponed.host(), shared.clone());
        let folder = host.state_directory()?;
        shared
            .open(&folder, host.origin()?, Gauges::new(host, shared.max_bytes())?)
            .map_err(StoreError::on_start)?;
        postponed.on_stop(move || waits.nudge());
        shared.enter();
        Ok(BufferSink { shared: shared.clone(), entries: Entries::default(), postponed })
    })
}

impl Drop for BufferSink {
    fn drop(&mut self) {
        self.shared.leave();
    }
}

impl BufferSink {
    /// Stores the first of the messages from `reported` on, in one commit, or drops them. Returns
    /// how many those were, and their report; an error is the report of all.
    fn store(&mut self, call: &BatchCall<'_>, reported: usize) -> Result<(usize, Report), Report> {
        let messages = &call.messages()[reported..];
        let refused = messages.iter().enumerate().find_map(|(at, message)| {
            block::check(message).err().map(|why| (at, format!("it cannot be buffered: {why}")))
        });
        let messages = match refused {
            Some((0, why)) => return Ok((1, Report::fail(0, why))),
            // Those before it are stored first.
            Some((at, _)) => &messages[..at],
            None => messages,
        };
        let host = self.postponed.host();
        let is_stopping = || host.is_stopping();
        let (mut count, mut bytes) = (0, 0);
        self.entries.clear();
        while count < messages.len() {
            let part = &messages[count..];
            let part = &part[..self.shared.block_of(part)];
            let first = reported + count;
            let ids = call.ids(first..first + part.len());
            let size = self.entries.add_block(|bytes| {
                block::write(part, &ids, bytes);
                Ok(part.len() as u32)
            });
            let size = size.unwrap_or(u64::MAX);
            let is_too_large = size > u32::MAX.into();
            if count > 0 {
                // The messages without room wait until these are stored.
                if is_too_large || !(self.shared.has_room(bytes + size) || is_stopping()) {
                    self.entries.remove_last_block();
                    break;
                }
            } else if is_too_large {
                return Ok((part.len(), Report::fail(0, StoreError::TooLarge.to_string())));
            } else if !self.shared.await_room(size, is_stopping) {
                return Ok((part.len(), Report::DROP));
            }
            (count, bytes) = (count + part.len(), bytes + size);
        }
        self.shared.append(&mut self.entries, host.now()).map_err(|error| {
            if error.is_final() {
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
        // How many messages have which report, in order.
        let (mut reports, mut reported) = (Vec::new(), 0);
        while reported < count {
            let (more, report) = match self.store(&call, reported) {
                Ok(stored) => stored,
                // Later messages must not overtake it.
                Err(report) => (count - reported, report),
            };
            reports.push((more, report));
            reported += more;
        }
        let mut each = reports.into_iter().flat_map(|(count, report)| repeat_n(report, count));
        call.report_each(|_, _| each.next().unwrap_or(Report::DONE))
    }

    fn end(&mut self, _deadline: i64) -> Result<(), Error> {
        self.shared.end();
        Ok(())
    }
}
