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
    ComponentVtable_Ref, FactoryVtable, FactoryVtable_Ref, HandleFlags, Host, Kind, Level, Map,
    Need, OnStop, Outcome, Panicked, Parallel, Produced, RawComponent, RawError, RawFactory,
    Report,
    author::scope::within,
    fence::{catch_panic_messages, fence},
};

/// What a worker's component does, in safe words: see [`ComponentVtable`] for what each means.
#[allow(missing_docs)]
pub trait WorkerComponent: Send + 'static {
    fn start(&mut self) -> Result<(), RawError>;
    fn produce(&mut self, credit: usize) -> Result<Produced, RawError>;
    fn handle(&mut self, call: BatchCall<'_>) -> HandleFlags;
    fn settled(&mut self, token: u64, first: u32, count: u32, outcome: Outcome);
    fn timer(&mut self, now: i64) -> Result<(), RawError>;
    fn end(&mut self, deadline: i64) -> Result<(), RawError>;
}

/// What a factory does, in safe words: see [`FactoryVtable`] for what each means.
#[allow(missing_docs)]
pub trait WorkerFactory: Send + Sized + 'static {
    type Worker: WorkerComponent;
    const KIND: Kind;
    fn schema() -> String;
    fn configure(attributes: &Map) -> Result<Self, Vec<RawError>>;
    fn check(&self) -> Result<(), Vec<RawError>>;
    fn pool_size(&self) -> usize;
    fn channel_size(&self) -> usize;
    fn parallel(&self) -> Parallel;
    fn needs(&self) -> Vec<Need>;
    fn durability(&self) -> Result<(), String>;
    fn reads(&self, path: &str) -> bool;
    fn warnings(&self) -> Vec<RawError>;
    fn create(&self, host: Host, on_stop: OnStop) -> Result<Self::Worker, RawError>;
    fn destroy(&mut self);
}

/// The module of a component: what the export macro gives to the loader, and what a host uses for a
/// component of its own.
pub fn module<F: WorkerFactory>(name: &'static str, version: &'static str) -> ComponentModule_Ref {
    ComponentModule {
        name: RStr::from_str(name),
        version: RStr::from_str(version),
        kind: F::KIND,
        schema: schema::<F>,
        factory: factory::<F>,
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
    /// What it did where nobody could be told: it is told before anything starts.
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
        parallel: parallel::<F>,
        needs: needs::<F>,
        durability: durability::<F>,
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
/// `object` is the `FactorySlot<F>` that this library made, used by nobody else meanwhile.
unsafe fn configured<'a, F>(object: *mut ()) -> Option<&'a mut F> {
    // SAFETY: by the caller.
    unsafe { (*object.cast::<FactorySlot<F>>()).factory.as_mut() }
}

/// What a factory answers; `default` if it panics, which is then told when it is checked, or is to
/// make something.
///
/// # Safety
/// As for [`configured`].
unsafe fn asked<F, T>(object: *mut (), what: &str, default: T, ask: impl FnOnce(&mut F) -> T) -> T {
    // SAFETY: by the caller.
    match fence(|| unsafe { configured::<F>(object) }.map(ask)) {
        Ok(answer) => answer.unwrap_or(default),
        Err(panicked) => {
            let message = format!("when it was asked for its {what} it {panicked}");
            // SAFETY: by the caller; the borrow above has ended.
            let slot = unsafe { &mut *object.cast::<FactorySlot<F>>() };
            slot.panicked.get_or_insert(RawError::new("", message));
            default
        }
    }
}

/// # Safety
/// As for [`configured`].
unsafe fn told_panic<F>(object: *mut ()) -> Result<(), RawError> {
    // SAFETY: by the caller.
    match unsafe { &(*object.cast::<FactorySlot<F>>()).panicked } {
        Some(error) => Err(error.clone()),
        None => Ok(()),
    }
}

fn not_configured() -> RawError {
    let message = "the host must call configure before anything else";
    RawError::new("", message)
}

// SAFETY, for all below: each stands in one vtable alone, so its object is the FactorySlot<F> or
// the WorkerState<W> that this library made; the host calls them by one thread at a time
// (FactoryVtable, ComponentVtable), `stop` aside.
unsafe extern "C" fn configure<F: WorkerFactory>(
    object: *mut (),
    attributes: &Map,
) -> RResult<(), RVec<RawError>> {
    flatten_all(fence(|| {
        let factory = F::configure(attributes)?;
        // SAFETY: see above.
        unsafe { (*object.cast::<FactorySlot<F>>()).factory = Some(factory) };
        Ok(())
    }))
}
unsafe extern "C" fn check<F: WorkerFactory>(object: *mut ()) -> RResult<(), RVec<RawError>> {
    // SAFETY: see above.
    flatten_all(fence(|| match unsafe { configured::<F>(object) } {
        // SAFETY: see above.
        Some(factory) => unsafe { told_panic::<F>(object) }
            .map_err(|error| vec![error])
            .and_then(|()| factory.check()),
        None => Err(vec![not_configured()]),
    }))
}
unsafe extern "C" fn pool_size<F: WorkerFactory>(object: *mut ()) -> usize {
    // SAFETY: see above.
    unsafe { asked::<F, _>(object, "pool size", 1, |f| f.pool_size()) }
}
unsafe extern "C" fn channel_size<F: WorkerFactory>(object: *mut ()) -> usize {
    // SAFETY: see above.
    unsafe { asked::<F, _>(object, "channel size", 1, |f| f.channel_size()) }
}
unsafe extern "C" fn parallel<F: WorkerFactory>(object: *mut ()) -> Parallel {
    // SAFETY: see above.
    unsafe { asked::<F, _>(object, "parallelism", Parallel::SINGLE, |f| f.parallel()) }
}
unsafe extern "C" fn needs<F: WorkerFactory>(object: *mut ()) -> RVec<Need> {
    // SAFETY: see above.
    unsafe { asked::<F, _>(object, "needs", Vec::new(), |f| f.needs()) }.into()
}
unsafe extern "C" fn durability<F: WorkerFactory>(object: *mut ()) -> RResult<(), RString> {
    let unknown = Err(String::new());
    // SAFETY: see above.
    let told = unsafe { asked::<F, _>(object, "durability", unknown, |f| f.durability()) };
    told.map_err(RString::from).into()
}
unsafe extern "C" fn reads<F: WorkerFactory>(object: *mut (), path: RStr<'_>) -> bool {
    // SAFETY: see above.
    unsafe { asked::<F, _>(object, "inputs", false, |f| f.reads(path.as_str())) }
}
unsafe extern "C" fn warnings<F: WorkerFactory>(object: *mut ()) -> RVec<RawError> {
    // SAFETY: see above.
    unsafe { asked::<F, _>(object, "warnings", Vec::new(), |f| f.warnings()) }.into()
}
unsafe extern "C" fn create<F: WorkerFactory>(
    object: *mut (),
    host: Host,
) -> RResult<RawComponent, RawError> {
    let on_stop = OnStop::default();
    flatten(within(&host.clone(), || {
        // SAFETY: see above.
        unsafe { told_panic::<F>(object) }?;
        // SAFETY: see above.
        let factory = unsafe { configured::<F>(object) }.ok_or_else(not_configured)?;
        let worker = factory.create(host.clone(), on_stop.clone())?;
        let instance = Box::new(WorkerState { worker, host, on_stop });
        let vtable = WorkerState::<F::Worker>::VTABLE;
        Ok(RawComponent { object: Box::into_raw(instance).cast(), vtable })
    }))
}
unsafe extern "C" fn destroy<F: WorkerFactory>(object: *mut ()) {
    // SAFETY: see above.
    let _ = fence(|| unsafe { configured::<F>(object) }.map(|factory| factory.destroy()));
}
unsafe extern "C" fn drop_factory<F: WorkerFactory>(object: *mut ()) {
    // SAFETY: see above; the host gives the factory up.
    let _ = fence(|| drop(unsafe { Box::from_raw(object.cast::<FactorySlot<F>>()) }));
}

/// Calls `f` with the worker, fenced.
///
/// # Safety
/// `object` is a `WorkerState<W>`, whose worker nobody else uses meanwhile.
#[inline]
unsafe fn with<W: WorkerComponent, T>(
    object: *mut (),
    f: impl FnOnce(&mut W) -> T,
) -> Result<T, Panicked> {
    let instance = object.cast::<WorkerState<W>>();
    // SAFETY: by the caller. Only these two fields are borrowed: `stop` may look at the third.
    unsafe { within(&(*instance).host, || f(&mut (*instance).worker)) }
}

unsafe extern "C" fn start<W: WorkerComponent>(object: *mut ()) -> RResult<(), RawError> {
    // SAFETY: see above.
    flatten(unsafe { with(object, W::start) })
}
unsafe extern "C" fn stop<W: WorkerComponent>(object: *const ()) {
    // SAFETY: the host keeps the instance while this runs; these fields are never changed.
    let (on_stop, host) = unsafe {
        let instance = object.cast::<WorkerState<W>>();
        (&(*instance).on_stop, &(*instance).host)
    };
    on_stop.stop(host);
}
unsafe extern "C" fn produce<W: WorkerComponent>(
    object: *mut (),
    credit: u32,
) -> RResult<Produced, RawError> {
    // SAFETY: see above.
    flatten(unsafe { with(object, |worker: &mut W| worker.produce(credit as usize)) })
}
unsafe extern "C" fn handle<W: WorkerComponent>(
    object: *mut (),
    batch: *mut BatchHeader,
) -> HandleFlags {
    // SAFETY: see above; the host gives the batch for the time of the call.
    unsafe {
        let said = Cell::new(HandleFlags::ALL_DONE);
        let done = with(object, |worker: &mut W| {
            // What it returns says nothing that `said` does not.
            worker.handle(BatchCall::new(batch, &said));
        });
        if let Err(panicked) = done {
            fail_rest(batch, panicked.to_string(), &said);
            return said.get() | HandleFlags::PANICKED;
        }
        let through = (*batch).cursor.load(Relaxed) >= (*batch).len;
        let given_up = (*batch).call.load(Relaxed) & CallFlags::GIVEN_UP != 0;
        if !through && !given_up && !said.get().contains(HandleFlags::PANICKED) {
            // It let go of the call without a word.
            fail_rest(batch, "no report".into(), &said);
        }
        said.get()
    }
}
unsafe extern "C" fn settled<W: WorkerComponent>(
    object: *mut (),
    token: u64,
    first: u32,
    count: u32,
    outcome: Outcome,
) -> bool {
    // SAFETY: see above.
    unsafe { with(object, |worker: &mut W| worker.settled(token, first, count, outcome)) }.is_ok()
}
unsafe extern "C" fn timer<W: WorkerComponent>(object: *mut (), now: i64) -> RResult<(), RawError> {
    // SAFETY: see above.
    flatten(unsafe { with(object, |worker: &mut W| worker.timer(now)) })
}
unsafe extern "C" fn end<W: WorkerComponent>(
    object: *mut (),
    deadline: i64,
) -> RResult<(), RawError> {
    // SAFETY: see above.
    flatten(unsafe { with(object, |worker: &mut W| worker.end(deadline)) })
}
unsafe extern "C" fn drop_instance<W: WorkerComponent>(object: *mut ()) {
    // SAFETY: see above; the host gives the component up. Its host goes last: `log` may need it.
    unsafe {
        let WorkerState { worker, host, on_stop } = *Box::from_raw(object.cast::<WorkerState<W>>());
        log_panic(&host, within(&host, || drop(worker)));
        on_stop.clear();
    }
}

/// What nobody waits for is at least said.
fn log_panic<T>(host: &Host, done: Result<T, Panicked>) {
    if let Err(panicked) = done {
        host.log(Level::ERROR, module_path!(), &format!("when it was dropped it {panicked}"));
    }
}

/// After a panic between messages, while a component had the whole batch: all of it has failed, for
/// nobody knows how far it got.
///
/// # Safety
/// `batch` is alive, its slots from the cursor on hold messages.
#[cold]
unsafe fn fail_rest(batch: *mut BatchHeader, description: String, said: &Cell<HandleFlags>) {
    // SAFETY: by the caller.
    unsafe { BatchCall::new(batch, said) }.report_all(Report::fail(0, description));
}
