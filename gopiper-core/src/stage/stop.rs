//! How a pipeline is stopped.
//!
//! A stop is asked for once. Of several reasons the first counts, but a failure overrides all. A
//! component may ask for it too: quietly (its reader has gone, as with `| head`), or as failed. It
//! speaks for itself and for the stages before it that lead nowhere else: messages that come to
//! them from then on return to their source. In a detached branch it ends that branch alone.
//!
//! A component's `stop` is not called here: each worker's host is a listener ([`HearsStop`], in
//! `worker/host.rs`), and calls it when it is notified.
use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsRawFd, OwnedFd},
    sync::{
        Arc, Weak,
        atomic::{
            AtomicBool,
            Ordering::{Relaxed, SeqCst},
        },
    },
};

use parking_lot::Mutex;
use rustix::event::{EventfdFlags, eventfd};

use crate::{channel::wake::Wake, plan::planned_stage::PlannedStage};

/// Why a pipeline ends before its sources do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// Somebody asked for it (a signal, [`Running::stop`](crate::Running::stop)).
    Requested,
    /// A component has no use for more messages (a reader has gone).
    Finished {
        /// The component.
        component: String,
    },
    /// A component has failed.
    Failed {
        /// The component.
        component: String,
        /// Its error.
        error: String,
    },
}

impl StopReason {
    /// The first reason counts, but for a failure.
    fn is_worse_than(&self, first: &StopReason) -> bool {
        let failed = |reason: &StopReason| matches!(reason, StopReason::Failed { .. });
        failed(self) && !failed(first)
    }
}

/// The stop of one pipeline: asked for once, the first reason counts.
pub(crate) struct Stop {
    requested: AtomicBool,
    /// The stages by position, those of dead letters last.
    stages: Vec<StageState>,
    /// Why detached branches ended, by their numbers.
    ended_branches: Mutex<BTreeMap<usize, StopReason>>,
    /// All but the sources have ended.
    drained: AtomicBool,
    /// It is to end at once.
    aborted: AtomicBool,
    reason: Mutex<Option<StopReason>>,
    /// Becomes readable, for sources that wait in `poll`.
    event: OwnedFd,
    /// The listeners that the first stop is reported to.
    hear: Mutex<Vec<Weak<dyn HearsStop>>>,
    /// Of all workers: what they wait with may have become useless.
    wakes: Mutex<Vec<Arc<Wake>>>,
}

/// Shows whether a stage has a use for more messages.
struct StageState {
    /// No stage after it has a use for more: messages that come to it are returned.
    done: AtomicBool,
    /// The stages directly after it.
    next: Vec<usize>,
    detached: Option<usize>,
}

/// Is notified when the pipeline is to stop, on the thread that requests it.
pub(crate) trait HearsStop: Send + Sync {
    fn stop_requested(&self);

    /// The stage that it belongs to, if any: it is also notified when the detached branch that
    /// contains the stage has ended.
    fn position(&self) -> Option<usize> {
        None
    }
}

impl Stop {
    pub(crate) fn new(planned: &[PlannedStage]) -> io::Result<Self> {
        let state = |(next, detached)| StageState { done: AtomicBool::new(false), next, detached };
        let stages = planned.iter().map(|stage| (stage.next.targets(), stage.detached));
        Ok(Stop {
            requested: AtomicBool::new(false),
            stages: stages.chain([(Vec::new(), None)]).map(state).collect(),
            ended_branches: Mutex::default(),
            drained: AtomicBool::new(false),
            aborted: AtomicBool::new(false),
            reason: Mutex::new(None),
            event: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            hear: Mutex::default(),
            wakes: Mutex::default(),
        })
    }

    /// Has a listener notified when the first stop is requested; now, if it was already. Listeners
    /// that have gone are forgotten: every worker that takes another one's place comes here too.
    pub(crate) fn tell(&self, who: &Arc<impl HearsStop + 'static>) {
        let mut hear = self.hear.lock();
        if self.is_requested() || who.position().is_some_and(|at| self.is_done_with(at)) {
            drop(hear);
            return who.stop_requested();
        }
        hear.retain(|one| one.strong_count() > 0);
        let who = Arc::downgrade(who);
        hear.push(who);
    }

    /// Has a worker woken when what it has is of no use any more.
    pub(crate) fn add_worker(&self, wake: Arc<Wake>) {
        self.wakes.lock().push(wake);
    }

    /// Ends the pipeline.
    pub(crate) fn request(&self, reason: StopReason) {
        let mut first = self.reason.lock();
        if first.as_ref().is_none_or(|first| reason.is_worse_than(first)) {
            *first = Some(reason);
        }
        drop(first);
        if self.requested.swap(true, SeqCst) {
            // Components are notified once: one that is being notified may ask for a stop itself.
            return;
        }
        // The counter of an eventfd has room for the one.
        let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
        let hear = std::mem::take(&mut *self.hear.lock());
        hear.iter().filter_map(Weak::upgrade).for_each(|one| one.stop_requested());
    }

    /// A component ends the pipeline, or the detached branch that contains it. Returns whether it
    /// is in one.
    pub(crate) fn end(&self, position: usize, reason: StopReason) -> bool {
        let Some(branch) = self.stages[position].detached else {
            self.request(reason);
            return false;
        };
        let mut ended = self.ended_branches.lock();
        let first = ended.get(&branch);
        if first.is_none_or(|first| reason.is_worse_than(first)) {
            ended.insert(branch, reason.clone());
        }
        drop(ended);
        let of_branch = |at: &usize| self.stages[*at].detached == Some(branch);
        (0..self.stages.len()).filter(of_branch).for_each(|at| self.done_with(at));
        self.tell_done();
        let is_source = |at: &usize| self.stages.iter().all(|stage| !stage.next.contains(at));
        // The last one is that of dead letters.
        if (0..self.stages.len() - 1).filter(is_source).all(|at| self.stages[at].done.load(SeqCst))
        {
            // There is no other source either: the sources would produce for no stage.
            self.request(reason);
        }
        true
    }

    /// Notifies those that no stage has a use for any more, though the pipeline goes on: a
    /// component may wait for a stop while it holds a message.
    fn tell_done(&self) {
        let mut listeners = Vec::new();
        self.hear.lock().retain(|one| match one.upgrade() {
            Some(one) if one.position().is_some_and(|at| self.is_done_with(at)) => {
                listeners.push(one);
                false
            }
            one => one.is_some(),
        });
        listeners.iter().for_each(|one| one.stop_requested());
    }

    /// Why detached branches ended alone.
    pub(crate) fn ended_branches(&self) -> Vec<StopReason> {
        self.ended_branches.lock().values().cloned().collect()
    }

    /// A stage has no use for more messages; nor have those before it that lead nowhere else. If it
    /// is that of dead letters, no stage has. Workers are notified even if a stop was requested
    /// before.
    pub(crate) fn done_with(&self, position: usize) {
        let of_dead_letters = self.stages.len() - 1;
        self.stages[position].done.store(true, SeqCst);
        for (at, stage) in self.stages[..position].iter().enumerate().rev() {
            let led_on = !stage.next.is_empty();
            // In one order for all: of two that end the last branches, one has to see both.
            let is_done = |next: &usize| self.stages[*next].done.load(SeqCst);
            let without_reader = led_on && stage.next.iter().all(is_done);
            if without_reader || position == of_dead_letters {
                self.stages[at].done.store(true, SeqCst);
            }
        }
        self.nudge_workers();
    }

    fn nudge_workers(&self) {
        self.wakes.lock().iter().for_each(|wake| wake.nudge());
    }

    /// Whether messages that come to stage `position` are only returned.
    pub(crate) fn is_done_with(&self, position: usize) -> bool {
        self.stages[position].done.load(Relaxed)
    }

    /// All but the sources have ended: those need not wait any longer.
    pub(crate) fn drained(&self) {
        self.drained.store(true, SeqCst);
        self.nudge_workers();
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.drained.load(SeqCst)
    }

    /// Ends it at once: messages that have not been settled go back to their source.
    pub(crate) fn abort(&self) {
        self.aborted.store(true, SeqCst);
        self.done_with(self.stages.len() - 1);
        self.request(StopReason::Requested);
    }

    pub(crate) fn is_aborted(&self) -> bool {
        self.aborted.load(SeqCst)
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.requested.load(SeqCst)
    }

    pub(crate) fn reason(&self) -> Option<StopReason> {
        self.reason.lock().clone()
    }

    pub(crate) fn descriptor(&self) -> i32 {
        self.event.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    impl HearsStop for AtomicUsize {
        fn stop_requested(&self) {
            self.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn each_is_called_once_and_a_dropped_one_is_forgotten() {
        let stop = Stop::new(&[]).unwrap();
        let told = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        stop.tell(&told[0]);
        (0..1000).for_each(|_| stop.tell(&Arc::new(AtomicUsize::new(0))));
        assert!(stop.hear.lock().len() <= 2);
        stop.request(StopReason::Requested);
        stop.request(StopReason::Requested);
        stop.tell(&told[1]);
        assert_eq!(told.map(|told| told.load(SeqCst)), [1, 1]);
    }
}
