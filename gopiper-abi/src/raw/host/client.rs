//! A host's side of a component's entries, in safe words.
use std::sync::{Arc, Mutex, PoisonError};

use crate::raw::{
    ComponentModule_Ref, HandleFlags, Handling, HeldMemory, Host, INTERFACE_VERSION, Kind, Map,
    Need, Outcome, Parallel, Produced, RawComponent, RawError, RawFactory, WorkerFactory,
    author::glue::own_factory, module,
};

/// Calls an entry, of those that take values and references alone, of the object that a handle
/// owns.
macro_rules! entry {
    ($handle:ident.$entry:ident($($argument:ident),*)) => {{
        let raw = &mut $handle.raw;
        // SAFETY: the object is the one that these entries were made with, and the handle has it
        // until it is dropped. `&mut` makes this the only call, `stop` aside.
        unsafe { (raw.vtable.$entry())(raw.object, $($argument),*) }
    }};
}

/// A factory of a loaded component, or of one of the host's own.
pub struct FactoryHandle {
    module: ComponentModule_Ref,
    raw: RawFactory,
    attributes: Map,
}

// SAFETY: a factory may be used by any thread, one at a time (FactoryVtable): `&mut` sees to that,
// and nothing is called through `&`.
unsafe impl Send for FactoryHandle {}

impl FactoryHandle {
    /// A new factory, not configured yet.
    ///
    /// # Errors
    /// When the component cannot make one.
    pub fn new(module: ComponentModule_Ref) -> Result<Self, RawError> {
        let raw = module.factory()().into_result()?;
        Ok(FactoryHandle { module, raw, attributes: Map::default() })
    }

    /// A factory that the host has made itself: see [`own`](crate::own).
    pub(crate) fn own<F: WorkerFactory>(name: &'static str, factory: F) -> Self {
        let module = module::<F>(name, INTERFACE_VERSION, None);
        FactoryHandle { module, raw: own_factory(factory), attributes: Map::default() }
    }

    /// The component's name.
    pub fn name(&self) -> &'static str {
        self.module.name().as_str()
    }

    /// Its version.
    pub fn version(&self) -> &'static str {
        self.module.version().as_str()
    }

    /// The counter of its library's memory, if the library has one. Components of one library have
    /// the same counter.
    pub fn held_memory(&self) -> Option<HeldMemory> {
        self.module.held_memory()
    }

    /// The kind of the component.
    pub fn kind(&self) -> Kind {
        self.module.kind()
    }

    /// The JSON schema of its attributes.
    pub fn schema(&self) -> String {
        self.module.schema()().into()
    }

    /// Gives it all its attributes.
    ///
    /// # Errors
    /// One for each attribute that is wrong.
    pub fn configure(&mut self, attributes: Map) -> Result<(), Vec<RawError>> {
        self.attributes = attributes;
        let attributes = &self.attributes;
        entry!(self.configure(attributes)).into_result().map_err(Into::into)
    }

    /// Gives it one attribute more, beside those that it has.
    ///
    /// # Errors
    /// As [`FactoryHandle::configure`].
    pub fn set_attribute(
        &mut self,
        key: &str,
        value: impl Into<crate::raw::Value>,
    ) -> Result<(), Vec<RawError>> {
        let mut attributes = self.attributes.clone();
        attributes.insert(key, value);
        self.configure(attributes)
    }

    /// Whether the configuration can work, without side effects.
    ///
    /// # Errors
    /// The problems found.
    pub fn check(&mut self) -> Result<(), Vec<RawError>> {
        entry!(self.check()).into_result().map_err(Into::into)
    }

    /// How many workers it would like.
    pub fn pool_size(&mut self) -> usize {
        entry!(self.pool_size())
    }

    /// How many messages may wait for it.
    pub fn channel_size(&mut self) -> usize {
        entry!(self.channel_size())
    }

    /// How many waiting messages a call gathers at most; 0: a call brings one batch as it was sent.
    pub fn gathers(&mut self) -> usize {
        entry!(self.gathers())
    }

    /// How many workers it supports.
    pub fn parallel(&mut self) -> Parallel {
        entry!(self.parallel())
    }

    /// The resources that it cannot work without.
    pub fn needs(&mut self) -> Vec<Need> {
        entry!(self.needs()).into()
    }

    /// Whether nothing that it has is lost when the program ends at any moment.
    ///
    /// # Errors
    /// The operator's setting that makes it lossy; empty if no setting does.
    pub fn durability(&mut self) -> Result<(), String> {
        entry!(self.durability()).into_result().map_err(Into::into)
    }

    /// Whether it does its part so that each message is written once.
    ///
    /// # Errors
    /// The operator's setting, or the reason, that keeps it from that; may be empty.
    pub fn exactly_once(&mut self) -> Result<(), String> {
        entry!(self.exactly_once()).into_result().map_err(Into::into)
    }

    /// Whether it would read the file of this path.
    pub fn reads(&mut self, path: &str) -> bool {
        let path = path.into();
        entry!(self.reads(path))
    }

    /// Warnings for the operator, though it can work.
    pub fn warnings(&mut self) -> Vec<RawError> {
        entry!(self.warnings()).into()
    }

    /// Makes a worker's component.
    ///
    /// # Errors
    /// When the component refuses.
    pub fn create(&mut self, host: Host) -> Result<ComponentHandle, RawError> {
        let raw = entry!(self.create(host)).into_result()?;
        let stopper = Stopper(Arc::new(Mutex::new(Some(StopEntry(raw.object, raw.vtable.stop())))));
        Ok(ComponentHandle { raw, stopper })
    }

    /// Tells it that its last worker has gone.
    pub fn destroy(&mut self) {
        entry!(self.destroy())
    }
}

impl Drop for FactoryHandle {
    fn drop(&mut self) {
        // SAFETY: the factory is freed by its own entry, and not used again.
        unsafe { (self.raw.vtable.drop())(self.raw.object) }
    }
}

/// A worker's component.
pub struct ComponentHandle {
    raw: RawComponent,
    stopper: Stopper,
}

// SAFETY: a component may be used by any thread, one at a time (ComponentVtable): `&mut` sees to
// that. Through `&` only the stopper is reached, which any thread may use.
unsafe impl Send for ComponentHandle {}

impl ComponentHandle {
    /// Stops it from any thread.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Once, on the worker's thread, before everything else.
    ///
    /// # Errors
    /// When the component cannot start.
    pub fn start(&mut self) -> Result<(), RawError> {
        entry!(self.start()).into_result()
    }

    /// Asks a source for messages.
    ///
    /// # Errors
    /// When the source has failed.
    pub fn produce(&mut self, credit: usize) -> Result<Produced, RawError> {
        let credit = u32::try_from(credit).unwrap_or(u32::MAX);
        entry!(self.produce(credit)).into_result()
    }

    /// Has it handle the messages from the cursor on. After PANICKED it must not be called again.
    pub fn handle(&mut self, batch: &Handling) -> HandleFlags {
        let RawComponent { object, vtable } = &mut self.raw;
        // SAFETY: the object is the one that this entry was made with, and `&mut` makes this the
        // only call. The batch is lent for the call, and then for the deferred messages, which have
        // holds of their own on it.
        batch.lend(|batch| unsafe { (vtable.handle())(*object, batch) })
    }

    /// Reports to a source the outcomes of its messages.
    ///
    /// # Errors
    /// When it panicked.
    pub fn settled(
        &mut self,
        token: u64,
        first: u32,
        count: u32,
        outcome: Outcome,
    ) -> Result<(), RawError> {
        entry!(self.settled(token, first, count, outcome)).into_result()
    }

    /// The moment that it asked for has come.
    ///
    /// # Errors
    /// When the component has failed.
    pub fn timer(&mut self, now: i64) -> Result<(), RawError> {
        entry!(self.timer(now)).into_result()
    }

    /// No message comes any more.
    ///
    /// # Errors
    /// When the component has failed.
    pub fn end(&mut self, deadline: i64) -> Result<(), RawError> {
        entry!(self.end(deadline)).into_result()
    }
}

impl Drop for ComponentHandle {
    fn drop(&mut self) {
        // No `stop` is running or will run once this is taken.
        self.stopper.lock().take();
        // SAFETY: the component is freed by its own entry, and not used again.
        unsafe { (self.raw.vtable.drop())(self.raw.object) }
    }
}

struct StopEntry(*mut (), unsafe extern "C" fn(*const ()));

// SAFETY: `stop` may be called from any thread (ComponentVtable).
unsafe impl Send for StopEntry {}

/// Stops a component, from any thread; does nothing once the component has gone.
#[derive(Clone)]
pub struct Stopper(Arc<Mutex<Option<StopEntry>>>);

impl Stopper {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<StopEntry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the component to end its blocking calls.
    pub fn stop(&self) {
        if let Some(StopEntry(object, stop)) = &*self.lock() {
            // SAFETY: the entry is the object's own, any thread may call it (ComponentVtable), and
            // the component is not dropped while the lock is held (ComponentHandle::drop).
            unsafe { stop(*object) }
        }
    }
}
