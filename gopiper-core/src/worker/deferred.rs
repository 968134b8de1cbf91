//! Batches that wait for what their components have deferred.
use std::sync::{Arc, atomic::Ordering::Relaxed};

use gopiper_abi::{
    Message, Report,
    raw::{Awaited, Batch, Completion, Lent},
};
use parking_lot::Mutex;

use crate::{
    channel::wake::Wake,
    stage::Stage,
    worker::handled::{Context, HandledBatch},
};

/// The place where other threads leave things for a worker.
pub(crate) struct Inbox {
    pub(crate) wake: Arc<Wake>,
    /// Batches that wait for no more reports.
    completed: Mutex<Vec<HandledBatch>>,
}

impl Inbox {
    pub(crate) fn new(stage: &Stage) -> Arc<Self> {
        let wake = Arc::new(Wake::new(stage.clock.clone()));
        stage.ledger.wakes.lock().push(wake.clone());
        stage.stop.add_worker(wake.clone());
        Arc::new(Inbox { wake, completed: Mutex::default() })
    }

    fn put(&self, handled: HandledBatch) {
        self.completed.lock().push(handled);
        self.wake.nudge();
    }

    /// How many batches were left here and not taken.
    pub(crate) fn len(&self) -> usize {
        self.completed.lock().len()
    }

    pub(crate) fn take(&self) -> Vec<HandledBatch> {
        std::mem::take(&mut *self.completed.lock())
    }
}

/// A batch that waits for its deferred messages.
pub(crate) struct Parked {
    stage: Arc<Stage>,
    inbox: Arc<Inbox>,
    /// Taken by the first to come: the last report, or the end of the time.
    waits: Mutex<Option<Waits>>,
}

struct Waits {
    context: Context,
    limited: Option<Limited>,
}

/// A batch with a limit of time.
pub(crate) struct Limited {
    /// The messages reported at once, with gaps.
    pub(crate) reported: Batch,
    pub(crate) lent: Lent,
    /// The messages that fill the gaps.
    pub(crate) awaited: Arc<Awaited>,
}

impl Limited {
    /// Fills gaps with the messages reported meanwhile.
    fn fill(&mut self, mut late: Batch) {
        self.lent.reunite(&mut late);
        for (slot, late) in self.reported.messages_mut().iter_mut().zip(late.messages_mut()) {
            if slot.status() == Message::VACATED {
                std::mem::swap(slot, late);
            }
        }
    }
}

impl Parked {
    pub(crate) fn new(
        stage: Arc<Stage>,
        inbox: Arc<Inbox>,
        context: Context,
        limited: Option<Limited>,
    ) -> Arc<Self> {
        Arc::new(Parked { stage, inbox, waits: Mutex::new(Some(Waits { context, limited })) })
    }

    /// Ends the waiting: messages still missing are to be tried again. The batch goes to the
    /// worker, unless it is there already, or on its way.
    pub(crate) fn expire(&self) {
        let mut waits = self.waits.lock();
        let limited = waits.as_ref().and_then(|waits| waits.limited.as_ref());
        let Some(in_time) = limited.and_then(|limited| limited.awaited.take_reported()) else {
            return;
        };
        let Some(Waits { context, limited: Some(mut limited) }) = waits.take() else { return };
        limited.fill(in_time);
        let Limited { reported: mut batch, mut lent, .. } = limited;
        for (place, slot) in batch.messages_mut().iter_mut().enumerate() {
            if slot.status() == Message::VACATED {
                let report = Report::retry(0, "timed out: no report on the deferred message");
                *slot = lent.take_back(place, None).with_report(report);
            }
        }
        self.inbox.put(HandledBatch { batch, context });
    }
}

impl Completion for Parked {
    fn completed(&self, mut batch: Batch) {
        let Some(Waits { context, limited }) = self.waits.lock().take() else {
            let late = batch.messages().iter().filter(|one| one.status() != Message::VACATED);
            self.stage.counters.late.fetch_add(late.count() as u64, Relaxed);
            return;
        };
        if let Some(mut limited) = limited {
            limited.fill(batch);
            batch = limited.reported;
        }
        self.inbox.put(HandledBatch { batch, context });
    }
}
