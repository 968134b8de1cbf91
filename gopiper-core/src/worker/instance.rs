//! The component that a worker has at the moment, on the worker's thread.
use std::{
    cell::Cell,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use gopiper_abi::raw::{HandleFlags, Handling, RawError, client::ComponentHandle, services};

use crate::{
    base::at_work,
    plan::policy::RetryPolicy,
    stage::Stage,
    worker::host::{CURRENT_CALL, CurrentCall, WorkerHost},
};

/// So many panics in a row are answered at once.
const PANICS_AT_ONCE: u32 = 3;
const FIRST_BACKOFF: Duration = Duration::from_millis(10);
const MAX_BACKOFF: Duration = Duration::from_secs(1);

/// The component that a worker has at the moment.
pub(crate) struct Instance {
    pub(crate) host: Arc<WorkerHost>,
    component: Option<ComponentHandle>,
    /// Panics with nothing handled in between.
    panics: u32,
    /// The last call of its timer has failed, and it has asked for another one.
    timer_fails: bool,
}

/// Creates a component, on the thread that is to use it. While a temporary error prevents that (a
/// full disk, a server that is not there yet) it waits and tries again, unless `is_over`.
pub(crate) fn create(
    host: &Arc<WorkerHost>,
    is_over: impl Fn(&Stage) -> bool,
) -> Result<ComponentHandle, RawError> {
    let (stage, wake) = (&host.stage, &host.inbox.wake);
    let (policy, mut attempt) = (RetryPolicy::default(), 1u16);
    loop {
        let error = match try_to_create(host) {
            Err(error) if error.temporary && !is_over(stage) => error,
            made => {
                if attempt > 1 {
                    stage.failures.end_retrying(1, made.is_ok());
                }
                return made;
            }
        };
        stage.report_failed_start(&error);
        if attempt == 1 {
            stage.failures.begin_retrying(1);
        }
        // Saturating: a disk may stay full for weeks.
        attempt = attempt.saturating_add(1);
        let until = wake.clock.after(policy.backoff(attempt));
        while wake.clock.monotonic() < until && !is_over(stage) {
            wake.sleep(until.min(stage.counts_due()));
            stage.tell_counts();
        }
    }
}

fn try_to_create(host: &Arc<WorkerHost>) -> Result<ComponentHandle, RawError> {
    let created = host.stage.factory.lock().create(services::host(host.clone()));
    let started = created.and_then(|mut component| component.start().map(|()| component));
    at_work::look();
    let component = started?;
    host.set_stopper(component.stopper());
    Ok(component)
}

impl Instance {
    /// None yet: it is made when it is needed.
    pub(crate) fn new(host: Arc<WorkerHost>) -> Self {
        Instance { host, component: None, panics: 0, timer_fails: false }
    }

    /// Creates the component if there is none: at first, after a panic, which leaves one in no
    /// known state, and after the end of the input, which drops it.
    pub(crate) fn make(&mut self) -> Result<(), RawError> {
        if self.component.is_none() {
            self.back_off();
            self.component = Some(create(&self.host, Stage::is_done_with)?);
            self.host.stage.counters.restarts.fetch_add(1, Relaxed);
        }
        Ok(())
    }

    /// Makes the component when the pipeline starts: a stop ends the waiting.
    pub(crate) fn start(&mut self) -> Result<(), RawError> {
        self.component = Some(create(&self.host, |stage| stage.stop.is_requested())?);
        Ok(())
    }

    /// Waits before a component is made that panics again and again.
    fn back_off(&self) {
        let Some(doublings) = self.panics.checked_sub(PANICS_AT_ONCE + 1) else { return };
        let backoff = FIRST_BACKOFF.saturating_mul(1 << doublings.min(20)).min(MAX_BACKOFF);
        let (stage, wake) = (&self.host.stage, &self.host.inbox.wake);
        if self.panics.is_power_of_two() {
            tracing::warn!(
                pipeline = &*stage.pipeline,
                component = stage.name,
                panics = self.panics,
                ?backoff,
                code = "keeps_panicking",
                "it panics again and again; it is recreated after a pause"
            );
        }
        let until = wake.clock.after(backoff);
        while wake.clock.monotonic() < until && !stage.is_done_with() {
            wake.sleep(until);
        }
    }

    /// A call of `handle`, not begun yet.
    pub(crate) fn call(&self, handling: Handling) -> CurrentCall {
        CurrentCall { host: Arc::as_ptr(&self.host), handling, emitted: Cell::new(false) }
    }

    /// Has the component, if there is one, handle the messages of a call from its cursor on.
    pub(crate) fn handle(&mut self, call: &CurrentCall) -> HandleFlags {
        let (Some(component), handling) = (&mut self.component, &call.handling) else {
            return HandleFlags::NOT_ALL_DONE;
        };
        let (stage, cursor) = (&self.host.stage, handling.cursor());
        let begun = stage.clock.monotonic();
        let flags = CURRENT_CALL.set(call, || component.handle(handling));
        stage.calls.record(stage.clock.monotonic() - begun, 1);
        if flags.contains(HandleFlags::PANICKED) {
            stage.counters.panics.fetch_add(1, Relaxed);
            let handled_some = handling.cursor() > cursor + 1;
            self.panics = if handled_some { 1 } else { self.panics + 1 };
            self.drop_component();
        } else {
            self.panics = 0;
        }
        flags
    }

    /// Calls its timer, if there is a component and the moment has come. That one fails that is
    /// called again is no error, but said.
    pub(crate) fn timer(&mut self) -> Result<(), RawError> {
        let (Some(now), Some(component)) = (self.host.inbox.wake.take_due(), &mut self.component)
        else {
            return Ok(());
        };
        let stage = &self.host.stage;
        match component.timer(now) {
            Err(error) if error.temporary && self.host.inbox.wake.is_set() => {
                stage.report_failed_timer(&error);
                if !std::mem::replace(&mut self.timer_fails, true) {
                    stage.failures.begin_retrying(1);
                }
                Ok(())
            }
            called => {
                self.timer_ended(called.is_ok());
                called
            }
        }
    }

    /// A timer that has failed is not called again, or has `succeeded`.
    fn timer_ended(&mut self, succeeded: bool) {
        if std::mem::take(&mut self.timer_fails) {
            self.host.stage.failures.end_retrying(1, succeeded);
        }
    }

    /// Tells the component, if there is one, that nothing comes any more, and drops it: messages
    /// that it has deferred and still holds itself are dropped with it.
    pub(crate) fn end(&mut self) -> Option<Result<(), RawError>> {
        self.timer_ended(false);
        self.component.take().map(|mut component| component.end(i64::MAX))
    }

    pub(crate) fn drop_component(&mut self) {
        self.timer_ended(false);
        self.component = None;
    }
}
