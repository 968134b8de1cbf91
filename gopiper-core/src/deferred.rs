//! Batches that wait for what their components have deferred.
use std::sync::{Arc, atomic::Ordering::Relaxed};

use gopiper_abi::{
    Message, Report,
    raw::{Batch, Completion, Lent},
};
use parking_lot::Mutex;

use crate::{
    handled::{Context, Handled},
    stage::Stage,
    wake::Wake,
};

/// Where others leave things for a worker.
pub(crate) struct Inbox {
    pub(crate) wake: Arc<Wake>,
    /// Batches that wait for nobody any more.
    completed: Mutex<Vec<Handled>>,
}

impl Inbox {
    pub(crate) fn new(stage: &Stage) -> Arc<Self> {
        let wake = Arc::new(Wake::new(stage.clock.clone()));
        stage.ledger.wakes.lock().push(wake.clone());
        stage.stop.add_worker(wake.clone());
        Arc::new(Inbox { wake, completed: Mutex::default() })
    }

    fn put(&self, handled: Handled) {
        self.completed.lock().push(handled);
        self.wake.nudge();
    }

    pub(crate) fn take(&self) -> Vec<Handled> {
        std::mem::take(&mut *self.completed.lock())
    }
}

/// A batch that waits for its deferred messages.
pub(crate) struct Parked {
    stage: Arc<Stage>,
    inbox: Arc<Inbox>,
    /// Taken by whoever is first: the last report, or the end of the time.
    waits: Mutex<Option<Waits>>,
}

struct Waits {
    context: Context,
    /// Of a batch with a limit of time: what was reported at once, with gaps, and what it lacks.
    reported: Option<(Batch, Lent)>,
}

impl Parked {
    pub(crate) fn new(
        stage: Arc<Stage>,
        inbox: Arc<Inbox>,
        context: Context,
        reported: Option<(Batch, Lent)>,
    ) -> Arc<Self> {
        Arc::new(Parked { stage, inbox, waits: Mutex::new(Some(Waits { context, reported })) })
    }

    /// Ends the waiting: what is still missing is to be tried again. The batch goes to the worker,
    /// unless it is there already.
    pub(crate) fn expire(&self) {
        let Some(waits) = self.waits.lock().take() else { return };
        let Some((mut batch, mut lent)) = waits.reported else { return };
        for (place, slot) in batch.messages_mut().iter_mut().enumerate() {
            if slot.status() == Message::VACATED {
                let report = Report::retry(0, "timed out: no report on the deferred message");
                *slot = lent.take_back(place, None).with_report(report);
            }
        }
        self.inbox.put(Handled { batch, context: waits.context });
    }
}

impl Completion for Parked {
    fn completed(&self, mut batch: Batch) {
        let Some(waits) = self.waits.lock().take() else {
            let late = batch.messages().iter().filter(|one| one.status() != Message::VACATED);
            self.stage.counters.late.fetch_add(late.count() as u64, Relaxed);
            return;
        };
        if let Some((mut reported, mut lent)) = waits.reported {
            lent.reunite(&mut batch);
            for (slot, late) in reported.messages_mut().iter_mut().zip(batch.messages_mut()) {
                if slot.status() == Message::VACATED {
                    std::mem::swap(slot, late);
                }
            }
            batch = reported;
        }
        self.inbox.put(Handled { batch, context: waits.context });
    }
}
