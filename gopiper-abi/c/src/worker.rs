//! One worker: from the calls of the host to the callbacks of the table.
use std::{ffi::c_void, ops::Range, ptr, sync::Arc, sync::atomic::Ordering::Relaxed};

use gopiper_abi::{Component, Error, HandledCallback, Message, Outcome, Produced, Report, Source};

use crate::{
    attributes::gopiper_error,
    component::{
        GOPIPER_CONTINUE, GOPIPER_DONE, GOPIPER_DROP, GOPIPER_FINISHED, GOPIPER_MORE,
        gopiper_component,
    },
    host::{HandleCall, gopiper_host},
};

/// The result of `configure`. Freed when the factory and the last worker have gone.
pub(crate) struct Configuration {
    pub(crate) own: *mut c_void,
    pub(crate) component: &'static gopiper_component,
}

// SAFETY: the header says that a configuration does not change any more, is read by any thread, and
// is freed by one.
unsafe impl Send for Configuration {}
// SAFETY: a configuration does not change any more, so any number of threads may read it (the
// header).
unsafe impl Sync for Configuration {}

impl Drop for Configuration {
    fn drop(&mut self) {
        if let Some(free) = self.component.free_configuration.filter(|_| !self.own.is_null()) {
            // SAFETY: `own` is what `configure` made, and is freed once: the factory and its
            // workers, which share this, have gone.
            unsafe { free(self.own) }
        }
    }
}

/// The state of one worker, and the host that it calls.
pub(crate) struct CWorker {
    component: &'static gopiper_component,
    state: OwnState,
    /// In a box: C keeps its address.
    host: Box<gopiper_host>,
    /// Outlives the state, which may be it.
    _configuration: Arc<Configuration>,
}

/// The result of `create`: handed from thread to thread, used by one at a time.
#[derive(Clone, Copy)]
struct OwnState(*mut c_void);

// SAFETY: the header says that a state is used by one thread at a time, on whichever thread that
// is; and that `stop` may be called beside.
unsafe impl Send for OwnState {}

/// The arguments for the hook of `stop`.
struct Stopped(unsafe extern "C" fn(*mut c_void, *mut gopiper_host), OwnState, *mut gopiper_host);

// SAFETY: `stop` may be called from any thread (the header), until the worker is dropped: the host
// never calls a hook after that (ComponentVtable::stop).
unsafe impl Send for Stopped {}

impl CWorker {
    pub(crate) fn new(
        component: &'static gopiper_component,
        configuration: Arc<Configuration>,
        host: Box<gopiper_host>,
    ) -> Result<Self, Error> {
        let mut error = gopiper_error::default();
        let state = match component.create {
            // SAFETY: `create` is the table's own. It gets what `configure` made, which is only
            // read, a host that the worker keeps in its box, and an error that is on this stack.
            Some(create) => unsafe { create(configuration.own, host.as_c(), &mut error) },
            None => configuration.own,
        };
        // Destroyed also if it is refused.
        let worker =
            CWorker { component, state: OwnState(state), host, _configuration: configuration };
        error.into_result()?;
        if let Some(stop) = component.stop {
            let stopped = Stopped(stop, worker.state, worker.host.as_c());
            worker.host.postponed.on_stop(move || {
                let Stopped(stop, OwnState(state), host) = &stopped;
                // SAFETY: `stop` may be called from any thread (the header). The state and the host
                // are there until the worker is dropped, after which no hook is called.
                unsafe { stop(*state, *host) }
            });
        }
        Ok(worker)
    }

    fn start(&mut self) -> Result<(), Error> {
        let mut error = gopiper_error::default();
        if let Some(start) = self.component.start {
            // SAFETY: `&mut self` makes this the only call with this worker's state, `stop` aside;
            // a state that is the configuration is shared by all workers (the header). The host and
            // the error are there for the call.
            unsafe { start(self.state.0, self.host.as_c(), &mut error) }
        }
        error.into_result()
    }

    fn end(&mut self, deadline: i64) -> Result<(), Error> {
        let mut error = gopiper_error::default();
        if let Some(end) = self.component.end {
            // SAFETY: `&mut self` makes this the only call with this worker's state, `stop` aside;
            // a state that is the configuration is shared by all workers (the header). The host and
            // the error are there for the call.
            unsafe { end(self.state.0, self.host.as_c(), deadline, &mut error) }
        }
        error.into_result()
    }
}

impl Component for CWorker {
    fn start(&mut self) -> Result<(), Error> {
        CWorker::start(self)
    }

    #[inline]
    fn handle(&mut self, message: Message, handled: HandledCallback<'_>) {
        let Some(handle) = self.component.handle else {
            return handled.fail(message, "the component's table has no callback 'handle'");
        };
        // Not moved into the call: each move of a message is time.
        let mut message = message;
        let raw = &raw mut message;
        let mut call = HandleCall { message: raw, handled: Some(handled), description: None };
        self.host.call.store((&raw mut call).cast(), Relaxed);
        // SAFETY: `&mut self` makes this the only call with this worker's state, `stop` aside; a
        // state that is the configuration is shared by all workers (the header). The message and
        // the call are on this stack: C uses the one, and the host the other, until `handle`
        // returns.
        let status = unsafe { handle(self.state.0, self.host.as_c(), raw) };
        self.host.call.store(ptr::null_mut(), Relaxed);
        match (call.handled, call.description) {
            (Some(handled), None) if status == GOPIPER_DONE => handled.done(message),
            (Some(handled), description) => handled.report(message, report(status, description)),
            // It was kept.
            (None, _) => {}
        }
    }

    fn timer(&mut self, now: i64) -> Result<(), Error> {
        let mut error = gopiper_error::default();
        if let Some(timer) = self.component.timer {
            // SAFETY: `&mut self` makes this the only call with this worker's state, `stop` aside;
            // a state that is the configuration is shared by all workers (the header). The host and
            // the error are there for the call.
            unsafe { timer(self.state.0, self.host.as_c(), now, &mut error) }
        }
        error.into_result()
    }

    fn end(&mut self, deadline: i64) -> Result<(), Error> {
        CWorker::end(self, deadline)
    }
}

/// The result of `handle`, as a report. The usual ones allocate nothing.
fn report(status: i32, description: Option<String>) -> Report {
    match (status, description) {
        (GOPIPER_DROP, None) => Report::DROP,
        (GOPIPER_CONTINUE, None) => {
            Report::new(status, "it returned GOPIPER_CONTINUE without calling gopiper_keep")
        }
        // The host drops messages in silence from 300 on: only the one that says so is meant.
        (301.., None) => Report::new(200, format!("it returned {status}, no result of handle")),
        (301.., Some(why)) => {
            Report::new(200, format!("it returned {status}, no result of handle: {why}"))
        }
        (_, description) => Report::new(status, description.unwrap_or_default()),
    }
}

impl Source for CWorker {
    fn start(&mut self) -> Result<(), Error> {
        CWorker::start(self)
    }

    fn produce(&mut self, credit: usize) -> Result<Produced, Error> {
        let Some(produce) = self.component.produce else { return Ok(Produced::FINISHED) };
        let mut error = gopiper_error::default();
        // SAFETY: `&mut self` makes this the only call with this worker's state, `stop` aside; a
        // state that is the configuration is shared by all workers (the header). The host and the
        // error are there for the call.
        let produced = unsafe { produce(self.state.0, self.host.as_c(), credit, &mut error) };
        error.into_result()?;
        match produced {
            GOPIPER_MORE => Ok(Produced::MORE),
            GOPIPER_FINISHED => Ok(Produced::FINISHED),
            moment if moment > 0 => Ok(Produced::waiting_until(moment)),
            other => {
                Err(Error::new(format!("produce returned {other}, which is not a valid result")))
            }
        }
    }

    fn settled(&mut self, token: u64, places: Range<u32>, outcome: Outcome) {
        if let Some(settled) = self.component.settled {
            let (host, count) = (self.host.as_c(), places.end - places.start);
            // SAFETY: `&mut self` makes this the only call with this worker's state, `stop` aside;
            // a state that is the configuration is shared by all workers (the header). The host is
            // there for the call.
            unsafe { settled(self.state.0, host, token, places.start, count, outcome.0) }
        }
    }

    fn end(&mut self, deadline: i64) -> Result<(), Error> {
        CWorker::end(self, deadline)
    }
}

impl Drop for CWorker {
    fn drop(&mut self) {
        // Without `create` the state is the configuration, which is freed as such.
        let made = self.component.create.is_some() && !self.state.0.is_null();
        if let Some(destroy) = self.component.destroy.filter(|_| made) {
            // SAFETY: `create` made the state, which is not used again: this worker is being
            // dropped, and the host calls no hook any more (ComponentVtable).
            unsafe { destroy(self.state.0) }
        }
    }
}
