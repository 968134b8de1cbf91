//! How a worker goes on without a component that does not come back.
//!
//! The component's reports count. The message that it was at has failed. The rest was not begun.
//! When the stuck thread comes back it finds that it is no worker any more, and ends; messages that
//! it settles are not affected, because each place of a guard is settled once.
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use gopiper_abi::{
    Message, Report,
    raw::{Batch, Guard},
};

use crate::{
    base::plural::plural,
    worker::{Called, Worker, handled::HandledBatch, host::WorkerHost},
};

/// Takes a worker out of the call in which it is stuck, on another thread. Returns how many
/// messages were not reported, the worker, and the batch as handled: reports are kept, the message
/// that the component was at has failed, and the rest was not begun.
pub(crate) fn take_over(called: Called, host: &WorkerHost) -> (u32, (Box<Worker>, HandledBatch)) {
    let Called { mut worker, mut lent, mut context, watch } = called;
    // One more from here on: the factory has to outlive the component that is stuck, whose thread
    // goes on as soon as the call is given up.
    host.stage.workers.fetch_add(1, SeqCst);
    let reported = watch.give_up();
    let missing = reported.iter().filter(|reported| reported.is_none()).count();
    context.through = reported.len() as u32;
    context.emitted.extend(host.give_up());
    let mut batch = Batch::new((lent.len() as u32).max(1));
    let mut reported = reported.into_iter();
    for place in 0..lent.len() {
        let message = match reported.next() {
            // Kept, or taken out: its place in the batch says so.
            Some(Some(gone)) if gone.status() == 1 || gone.status() == Message::VACATED => gone,
            Some(Some(message)) => lent.take_back(place, Some(message)),
            Some(None) => {
                let report = Report::fail(0, "timed out: the component was stuck with it");
                lent.take_back(place, None).with_report(report)
            }
            None => lent.take_back(place, None),
        };
        let full = batch.push(message).is_err();
        debug_assert!(!full, "there is room for all");
    }
    worker.forsake(lent.guard());
    (missing as u32, (worker, HandledBatch { batch, context }))
}

impl Worker {
    /// Gives up all that a component has which does not come back; on the watchdog's thread.
    fn forsake(&mut self, kept: Option<Guard>) {
        for (_, parked) in self.parked.drain(..) {
            parked.expire();
        }
        let kept: u64 = self.kept.drain(..).chain(kept).map(|guard| guard.fail()).sum();
        if kept > 0 {
            self.stage.counters.unsent.fetch_add(kept, Relaxed);
            let kept = plural(kept as usize, "message");
            self.stage.report_loss(&format!("a stuck component had collected {kept}"));
        }
    }
}
