//! A worker of a source: one thread around one component that produces.
use std::sync::Arc;

use gopiper_abi::raw::{Produced, RawError, client::ComponentHandle};

use crate::{
    stage::Stage,
    worker::{
        deferred::Inbox,
        host::{WorkerHost, all_settled},
        instance::create,
    },
};

/// One thread around one component that produces.
pub(crate) struct SourceWorker {
    host: Arc<WorkerHost>,
    component: ComponentHandle,
    /// It panicked when it received an outcome: it is in no known state, and receives no more.
    is_deaf: bool,
}

impl SourceWorker {
    pub(crate) fn new(stage: Arc<Stage>, number: u64) -> Result<Self, RawError> {
        let inbox = Inbox::new(&stage);
        let host = WorkerHost::new(stage, inbox, number);
        let component = create(&host, |stage| stage.stop.is_requested())?;
        Ok(SourceWorker { host, component, is_deaf: false })
    }

    /// Produces until the source or the pipeline ends.
    pub(crate) fn produce(&mut self) {
        let stage = self.host.stage.clone();
        while !stage.stop.is_requested() && !stage.is_done_with() {
            self.tell_settled();
            self.host.inbox.wake.take_due();
            stage.tell_counts();
            let credit = stage.outlet.as_ref().map_or(0, |outlet| outlet.credit());
            match self.component.produce(credit) {
                Ok(Produced { state: 0, .. }) => {}
                Ok(Produced { state: 1, until, .. }) => self.wait(until),
                Ok(_) => break,
                Err(_) if stage.stop.is_requested() || stage.is_done_with() => break,
                Err(error) => stage.fail(&error.message),
            }
        }
        if let Err(error) = self.component.end(i64::MAX) {
            stage.fail(&error.message);
        }
    }

    /// Tells the source the last outcomes; what it produced is under way meanwhile.
    pub(crate) fn hear_out(mut self) {
        loop {
            self.tell_settled();
            // Every other stage has ended: messages still open will never be settled.
            if self.host.stage.stop.is_drained() || all_settled(&self.host.stage) {
                self.tell_settled();
                return;
            }
            // It is not asked to produce any more, whatever it has asked for.
            self.host.inbox.wake.take_due();
            self.wait(i64::MAX);
        }
    }

    fn wait(&self, until: i64) {
        let until = until.min(self.host.stage.counts_due());
        if !self.host.inbox.wake.take_nudge() {
            let _idle = self.host.stage.idle.begin();
            self.host.inbox.wake.wait(until);
            self.host.inbox.wake.take_nudge();
        }
    }

    fn tell_settled(&mut self) {
        let settled = std::mem::take(&mut *self.host.settled.lock());
        for (token, first, count, outcome) in settled {
            if self.is_deaf {
                return;
            }
            if let Err(error) = self.component.settled(token, first, count, outcome) {
                self.is_deaf = true;
                let said = format!("`settled` {}: it receives no more outcomes", error.message);
                self.host.stage.fail(&said);
            }
        }
    }
}
