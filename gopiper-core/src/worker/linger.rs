//! The batches that a worker collects while it lingers, to become one.
use gopiper_abi::raw::Batch;

use crate::{
    channel::{Queued, Ticket},
    stage::{Linger, Output, Stage},
    worker::handled::{Context, HandledBatch},
};

/// Batches out of the channel that are handled as one.
pub(crate) struct Lingering {
    batch: Batch,
    ticket: Ticket,
    /// The last place in the order of the channel, of those that are in here.
    last: u64,
    in_order: bool,
    bytes: usize,
    linger: Linger,
    /// When it is handled at the latest.
    pub(crate) until: i64,
}

impl Lingering {
    pub(crate) fn new(queued: Queued, stage: &Stage) -> Self {
        let Queued { batch, ticket } = queued;
        Lingering {
            last: batch.sequence(),
            bytes: batch.bytes().counted,
            batch,
            ticket,
            in_order: stage.sequencer.is_some(),
            linger: stage.linger,
            until: stage.clock.after(stage.linger.time),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.batch.len() >= self.linger.messages || self.bytes >= self.linger.bytes
    }

    /// Whether it may come in. Other workers have what lies in between, if that is in order.
    pub(crate) fn has_room_for(&self, queued: &Queued) -> bool {
        let follows = !self.in_order || queued.batch.sequence() == self.last + 1;
        follows
            && self.batch.len() + queued.batch.len() <= self.linger.messages.max(self.batch.len())
    }

    pub(crate) fn add(&mut self, queued: Queued, stage: &Stage) {
        let Queued { batch, ticket } = queued;
        self.last = batch.sequence();
        self.bytes += batch.bytes().counted;
        self.ticket.add(ticket);
        while self.batch.room() < batch.len() {
            self.batch.grow();
        }
        let full = self.batch.append(batch).is_err();
        debug_assert!(!full, "there is room for it");
        // Its place in the order is taken by nothing.
        stage.put(self.last, Output::default());
    }
}

impl From<Lingering> for HandledBatch {
    fn from(Lingering { batch, ticket, .. }: Lingering) -> Self {
        Queued { batch, ticket }.into()
    }
}

impl From<Queued> for HandledBatch {
    fn from(Queued { batch, ticket }: Queued) -> Self {
        let (sequence, ticket) = (batch.sequence(), Some(ticket));
        HandledBatch { batch, context: Context { sequence, ticket, ..Context::default() } }
    }
}
