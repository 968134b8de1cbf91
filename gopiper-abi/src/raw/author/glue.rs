//! A component's side of its entries: any [`WorkerFactory`] becomes a [`ComponentModule`].
//!
//! Each entry is fenced, and runs with its host as the one that `log` reaches.
use std::{cell::Cell, sync::atomic::Ordering::Relaxed};

use abi_stable::{
    prefix_type::{PrefixTypeTrait, WithMetadata},
    std_types::{RErr, ROk, RResult, RStr, RString, RVec},
};

use crate::raw::{
    BatchCall, BatchHeader, CallFlags, ComponentModule, ComponentModule_Ref, ComponentVtable,
    ComponentVtable_Ref, FactoryVtable, FactoryVtable_Ref, HandleFlags, HeldMemory, Host, Kind,
    Map, Need, OnStop, Outcome, Panicked, Parallel, Produced, RawComponent, RawError, RawFactory,
    Report,
    author::scope::{log_panic, within},
    fence::{catch_panic_messages, fence},
};

/// The calls of a worker's component, in safe words: see [`ComponentVtable`] for the meaning of
/// each.
#[allow(missing_docs)]
pub trait WorkerComponent: Send + 'static {
    fn start(&mut self) -> Result<(), RawError>;
    fn produce(&mut self, credit: usize) -> Result<Produced, RawError>;
    fn handle(&mut self, call: BatchCall<'_>) -> HandleFlags;
    fn settled(&mut self, token: u64, first: u32, count: u32, outcome: Outcome);
    fn timer(&mut self, now: i64) -> Result<(), RawError>;
    fn end(&mut self, deadline: i64) -> Result<(), RawError>;
}

/// The calls of a factory, in safe words: see [`FactoryVtable`] for the meaning of each.
#[allow(missing_docs)]
pub trait WorkerFactory: Send + Sized + 'static {
    type Worker: WorkerComponent;
    const KIND: Kind;
    fn schema() -> String;
    fn configure(attributes: &Map) -> Result<Self, Vec<RawError>>;
    fn check(&self) -> Result<(), Vec<RawError>>;
    fn pool_size(&self) -> usize;
    fn channel_size(&self) -> usize;
    fn gathers(&self) -> usize;
    fn parallel(&self) -> Parallel;
    fn needs(&self) -> Vec<Need>;
    fn durability(&self) -> Result<(), String>;
    fn exactly_once(&self) -> Result<(), String>;
    fn reads(&self, path: &str) -> bool;
    fn warnings(&self) -> Vec<RawError>;
    fn create(&self, host: Host, on_stop: OnStop) -> Result<Self::Worker, RawError>;
    fn destroy(&mut self);
}

/// The module of a component: what the export macro gives to the loader, and what a host uses for a
/// component of its own.
pub fn module<F: WorkerFactory>(
    name: &'static str,
    version: &'static str,
    held_memory: Option<HeldMemory>,
) -> ComponentModule_Ref {
    ComponentModule {
        name: RStr::from_str(name),
        version: RStr::from_str(version),
        kind: F::KIND,
        schema: schema::<F>,
        factory: factory::<F>,
        held_memory,
    }
    .leak_into_prefix()
}

extern "C" fn schema<F: WorkerFactory>() -> RString {
    fence(|| F::schema().into()).unwrap_or_default()
}

extern "C" fn factory<F: WorkerFactory>() -> RResult<RawFactory, RawError> {
    catch_panic_messages();
    let slot: Box<FactorySlot<F>> = Box::default();
    ROk(RawFactory { object: Box::into_raw(slot).cast(), vtable: FactorySlot::<F>::VTABLE })
}

/// A factory of the host's own, which needs no configuring.
pub(in crate::raw) fn own_factory<F: WorkerFactory>(factory: F) -> RawFactory {
    catch_panic_messages();
    let slot = Box::new(FactorySlot { factory: Some(factory), panicked: None });
    RawFactory { object: Box::into_raw(slot).cast(), vtable: FactorySlot::<F>::VTABLE }
}

struct FactorySlot<F> {
    /// Once it is configured.
    factory: Option<F>,
    /// A panic that could not be reported at once: it is reported before anything starts.
    panicked: Option<RawError>,
}

impl<F> Default for FactorySlot<F> {
    fn default() -> Self {
        FactorySlot { factory: None, panicked: None }
    }
}

impl<F: WorkerFactory> FactorySlot<F> {
    const VALUE: &'static WithMetadata<FactoryVtable> = &WithMetadata::new(FactoryVtable {
        configure: configure::<F>,
        check: check::<F>,
        pool_size: pool_size::<F>,
        channel_size: channel_size::<F>,
        gathers: gathers::<F>,
        parallel: parallel::<F>,
        needs: needs::<F>,
        durability: durability::<F>,
        exactly_once: exactly_once::<F>,
        reads: reads::<F>,
        warnings: warnings::<F>,
        create: create::<F>,
        destroy: destroy::<F>,
        drop: drop_factory::<F>,
    });
    const VTABLE: FactoryVtable_Ref = FactoryVtable_Ref(Self::VALUE.static_as_prefix());
}

struct WorkerState<W> {
    worker: W,
    host: Host,
    on_stop: OnStop,
}

impl<W: WorkerComponent> WorkerState<W> {
    const VALUE: &'static WithMetadata<ComponentVtable> = &WithMetadata::new(ComponentVtable {
        start: start::<W>,
        stop: stop::<W>,
        produce: produce::<W>,
        handle: handle::<W>,
        settled: settled::<W>,
        timer: timer::<W>,
        end: end::<W>,
        drop: drop_instance::<W>,
    });
    const VTABLE: ComponentVtable_Ref = ComponentVtable_Ref(Self::VALUE.static_as_prefix());
}

impl From<Panicked> for RawError {
    fn from(panicked: Panicked) -> Self {
        RawError::new("", panicked.to_string())
    }
}

fn flatten<T>(result: Result<Result<T, RawError>, Panicked>) -> RResult<T, RawError> {
    match result {
        Ok(Ok(value)) => ROk(value),
        Ok(Err(error)) => RErr(error),
        Err(panicked) => RErr(panicked.into()),
    }
}

fn flatten_all<T>(
    result: Result<Result<T, Vec<RawError>>, Panicked>,
) -> RResult<T, RVec<RawError>> {
    match result {
        Ok(Ok(value)) => ROk(value),
        Ok(Err(errors)) => RErr(errors.into()),
        Err(panicked) => RErr(vec![panicked.into()].into()),
    }
}

/// # Safety
/// `object` is the `FactorySlot<F>` that this library made, and no other code uses it meanwhile.
unsafe fn slot<'a, F>(object: *mut ()) -> &'a mut FactorySlot<F> {
    // SAFETY: the slot was boxed by this library, and no other code uses it (`# Safety`).
    unsafe { &mut *object.cast::<FactorySlot<F>>() }
}

impl<F> FactorySlot<F> {
    /// The factory's answer; `default` if it panics, which is then reported when it is checked, or
    /// is to create something.
    fn ask<T>(&mut self, what: &str, default: T, ask: impl FnOnce(&mut F) -> T) -> T {
        match fence(|| self.factory.as_mut().map(ask)) {
            Ok(answer) => answer.unwrap_or(default),
            Err(panicked) => {
                let message = format!("when asked for its {what}, it {panicked}");
                self.panicked.get_or_insert(RawError::new("", message));
                default
            }
        }
    }

    /// The factory, unless it has panicked where that could not be reported, or lacks its
    /// attributes.
    fn configured(&mut self) -> Result<&mut F, RawError> {
        match &self.panicked {
            Some(error) => Err(error.clone()),
            None => self.factory.as_mut().ok_or_else(not_configured),
        }
    }
}

fn not_configured() -> RawError {
    let message = "the host must call configure before anything else";
    RawError::new("", message)
}

/// The entries of a factory's table.
macro_rules! factory_entries {
    ($(
        $name:ident($($argument:ident: $type:ty),*) $(-> $returned:ty)? = |$slot:ident| $call:expr;
    )*) => {$(
        unsafe extern "C" fn $name<F: WorkerFactory>(
            object: *mut (),
            $($argument: $type),*
        ) $(-> $returned)? {
            // SAFETY: this entry is in the table of `FactorySlot<F>` alone, so the object is one
            // that this library made; a host calls a factory's entries by one thread at a time
            // (FactoryVtable).
            let $slot = unsafe { slot::<F>(object) };
            $call
        }
    )*};
}

factory_entries! {
    configure(attributes: &Map) -> RResult<(), RVec<RawError>> = |slot| flatten_all(fence(|| {
        slot.factory = Some(F::configure(attributes)?);
        Ok(())
    }));
    check() -> RResult<(), RVec<RawError>> = |slot| flatten_all(fence(|| {
        slot.configured().map_err(|error| vec![error])?.check()
    }));
    pool_size() -> usize = |slot| slot.ask("pool size", 1, |f| f.pool_size());
    channel_size() -> usize = |slot| slot.ask("channel size", 1, |f| f.channel_size());
    gathers() -> usize = |slot| slot.ask("number of messages to gather", 0, |f| f.gathers());
    parallel() -> Parallel = |slot| slot.ask("parallelism", Parallel::SINGLE, |f| f.parallel());
    needs() -> RVec<Need> = |slot| slot.ask("needs", Vec::new(), |f| f.needs()).into();
    durability() -> RResult<(), RString> = |slot| {
        let unknown = Err(String::new());
        slot.ask("durability", unknown, |f| f.durability()).map_err(RString::from).into()
    };
    exactly_once() -> RResult<(), RString> = |slot| {
        let unknown = Err(String::new());
        slot.ask("exactly once", unknown, |f| f.exactly_once()).map_err(RString::from).into()
    };
    reads(path: RStr<'_>) -> bool = |slot| slot.ask("inputs", false, |f| f.reads(path.as_str()));
    warnings() -> RVec<RawError> = |slot| slot.ask("warnings", Vec::new(), |f| f.warnings()).into();
    create(host: Host) -> RResult<RawComponent, RawError> = |slot| {
        flatten(within(&host.clone(), || create_worker(slot.configured()?, host)))
    };
    destroy() = |slot| {
        let _ = fence(|| slot.factory.as_mut().map(WorkerFactory::destroy));
    };
}

fn create_worker<F: WorkerFactory>(factory: &F, host: Host) -> Result<RawComponent, RawError> {
    let on_stop = OnStop::default();
    let worker = factory.create(host.clone(), on_stop.clone())?;
    let instance = Box::new(WorkerState { worker, host, on_stop });
    let vtable = WorkerState::<F::Worker>::VTABLE;
    Ok(RawComponent { object: Box::into_raw(instance).cast(), vtable })
}

unsafe extern "C" fn drop_factory<F: WorkerFactory>(object: *mut ()) {
    // SAFETY: this entry is in the table of `FactorySlot<F>` alone, so the object is a box that
    // this library made; the host gives it up (FactoryVtable).
    let _ = fence(|| drop(unsafe { Box::from_raw(object.cast::<FactorySlot<F>>()) }));
}

/// Calls `f` with the worker, fenced.
///
/// # Safety
/// `object` is a `WorkerState<W>`, whose worker no other code uses meanwhile.
#[inline]
unsafe fn with<W: WorkerComponent, T>(
    object: *mut (),
    f: impl FnOnce(&mut W) -> T,
) -> Result<T, Panicked> {
    let instance = object.cast::<WorkerState<W>>();
    // SAFETY: the object is a `WorkerState<W>`, and its worker is the caller's (`# Safety`). Only
    // these two fields are borrowed: `stop` may look at the third, and at the host.
    unsafe { within(&(*instance).host, || f(&mut (*instance).worker)) }
}

/// The entries of a worker's table that only call its worker.
macro_rules! worker_entries {
    ($(
        $name:ident($($argument:ident: $type:ty),*) -> $returned:ty
            = $finish:expr, |$worker:ident| $call:expr;
    )*) => {$(
        unsafe extern "C" fn $name<W: WorkerComponent>(
            object: *mut (),
            $($argument: $type),*
        ) -> $returned {
            let call = |$worker: &mut W| $call;
            // SAFETY: this entry is in the table of `WorkerState<W>` alone, so the object is one
            // that this library made; a host calls a worker's entries by one thread at a time,
            // `stop` aside (ComponentVtable).
            let done = unsafe { with(object, call) };
            $finish(done)
        }
    )*};
}

worker_entries! {
    start() -> RResult<(), RawError> = flatten, |worker| worker.start();
    produce(credit: u32) -> RResult<Produced, RawError>
        = flatten, |worker| worker.produce(credit as usize);
    settled(token: u64, first: u32, count: u32, outcome: Outcome) -> RResult<(), RawError>
        = flatten, |worker| {
            worker.settled(token, first, count, outcome);
            Ok(())
        };
    timer(now: i64) -> RResult<(), RawError> = flatten, |worker| worker.timer(now);
    end(deadline: i64) -> RResult<(), RawError> = flatten, |worker| worker.end(deadline);
}

unsafe extern "C" fn stop<W: WorkerComponent>(object: *const ()) {
    // SAFETY: the host keeps the instance while this runs (ComponentVtable). These two fields are
    // never changed before it is dropped, and the worker beside them is not touched.
    let (on_stop, host) = unsafe {
        let instance = object.cast::<WorkerState<W>>();
        (&(*instance).on_stop, &(*instance).host)
    };
    on_stop.stop(host);
}
unsafe extern "C" fn handle<W: WorkerComponent>(
    object: *mut (),
    batch: *mut BatchHeader,
) -> HandleFlags {
    // SAFETY: this entry is in the table of `WorkerState<W>` alone, and a host calls it by one
    // thread at a time, `stop` aside (ComponentVtable). It gives the batch for the time of the
    // call, with messages from the cursor on.
    unsafe {
        let said = Cell::new(HandleFlags::ALL_DONE);
        let done = with(object, |worker: &mut W| {
            // Its return value adds nothing to `said`.
            worker.handle(BatchCall::new(batch, &said));
        });
        let through = (*batch).cursor.load(Relaxed) >= (*batch).len;
        if let Err(panicked) = done {
            if through {
                let host = &(*object.cast::<WorkerState<W>>()).host;
                log_panic(host, "after it had reported its batch", &panicked);
            }
            fail_rest(batch, panicked.to_string(), &said);
            return said.get() | HandleFlags::PANICKED;
        }
        let given_up = (*batch).call.load(Relaxed) & CallFlags::GIVEN_UP != 0;
        if !through && !given_up && !said.get().contains(HandleFlags::PANICKED) {
            // It ended the call without a report.
            fail_rest(batch, "no report".into(), &said);
        }
        said.get()
    }
}
unsafe extern "C" fn drop_instance<W: WorkerComponent>(object: *mut ()) {
    // SAFETY: this entry is in the table of `WorkerState<W>` alone, so the object is a box that
    // this library made; the host gives it up, and no `stop` runs any more (ComponentVtable).
    let instance = unsafe { Box::from_raw(object.cast::<WorkerState<W>>()) };
    let WorkerState { worker, host, on_stop } = *instance;
    // The host goes last: `log` may need it.
    if let Err(panicked) = within(&host, || drop(worker)) {
        log_panic(&host, "when dropped", &panicked);
    }
    let _ = within(&host, || on_stop.clear());
}

/// After a panic between messages, while a component had the whole batch: all of it has failed, for
/// it is not known how far the component got.
///
/// # Safety
/// `batch` is alive, its slots from the cursor on hold messages.
#[cold]
unsafe fn fail_rest(batch: *mut BatchHeader, description: String, said: &Cell<HandleFlags>) {
    // SAFETY: the batch is alive and holds messages from its cursor on (`# Safety`); the
    // component's own BatchCall has gone, so nothing else uses it.
    unsafe { BatchCall::new(batch, said) }.report_all(Report::fail(0, description));
}
