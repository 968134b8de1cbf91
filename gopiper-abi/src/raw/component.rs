//! The entries of a component: its module, its factory, its workers.
use std::fmt;

use abi_stable::{
    StableAbi, declare_root_module_statics,
    library::{CheckTypeLayout, LibHeader, RootModule, RootModuleError, RootModuleResult},
    package_version_strings,
    prefix_type::PrefixRefTrait,
    sabi_types::VersionStrings,
    std_types::{RErr, ROk, RResult, RStr, RString, RVec},
};

use crate::raw::{BatchHeader, HandleFlags, Host, Map, Outcome, RawError, fence};

/// The kind of a component: an open number.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, StableAbi)]
pub struct Kind(pub u32);

shown_by_name!(Kind: SOURCE TRANSFORM SINK);

impl Kind {
    /// The first component: it produces messages.
    pub const SOURCE: Self = Kind(0);
    /// A component between a source and a sink: it gets messages and passes them on.
    pub const TRANSFORM: Self = Kind(1);
    /// The last component: messages end there.
    pub const SINK: Self = Kind(2);

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::SOURCE => "source",
            Kind::TRANSFORM => "transform",
            Kind::SINK => "sink",
            _ => "unknown",
        }
    }
}

/// How many workers a component supports: an open number; the host refuses numbers it doesn't know.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, StableAbi)]
pub struct Parallel(pub u32);

shown_by_name!(Parallel: ANY SINGLE KEYED);

impl Parallel {
    /// Any number; a message goes to a worker that is free.
    pub const ANY: Self = Parallel(0);
    /// One worker (there is one standard input).
    pub const SINGLE: Self = Parallel(1);
    /// Any number; messages that agree in an attribute go to the same worker.
    pub const KEYED: Self = Parallel(2);
}

/// The result when a source was asked to produce.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, StableAbi)]
pub struct Produced {
    /// 0: more is available at once, 1: nothing just now, 2: nothing ever again.
    pub state: u32,
    /// Filler, zero.
    pub reserved: u32,
    /// With state 1: when to ask again unasked, by the host's monotonic clock in nanoseconds;
    /// `i64::MAX` for never.
    pub until: i64,
}

impl Produced {
    /// Ask again at once.
    pub const MORE: Self = Produced { state: 0, reserved: 0, until: 0 };
    /// Nothing just now: ask again when the component calls [`Host::wake`].
    pub const WAITING: Self = Produced { state: 1, reserved: 0, until: i64::MAX };
    /// The source has come to its end.
    pub const FINISHED: Self = Produced { state: 2, reserved: 0, until: 0 };

    /// Nothing just now: ask again at this moment of [`Host::monotonic`], or when woken.
    pub const fn waiting_until(moment: i64) -> Self {
        Produced { until: moment, ..Self::WAITING }
    }
}

impl fmt::Debug for Produced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.state, self.until) {
            (0, _) => f.write_str("MORE"),
            (1, i64::MAX) => f.write_str("WAITING"),
            (1, until) => write!(f, "waiting_until({until})"),
            (2, _) => f.write_str("FINISHED"),
            (state, _) => write!(f, "{state}"),
        }
    }
}

/// A resource that a component cannot work without: the host checks it before anything starts.
#[repr(C)]
#[derive(Debug, Clone, PartialEq, Eq, StableAbi)]
pub struct Need {
    /// A resource that only one component of a process can have: `standard input`. Empty for a
    /// folder in the state directory, or a file.
    pub alone: RString,
    /// The path of a file that it writes: no source beside it may read it. Empty for anything else.
    pub file: RString,
    /// The path of the attribute that asks for it; empty for none.
    pub attribute: RString,
    /// The operator's alternative where it is not available; empty if there is none.
    pub otherwise: RString,
}

impl Need {
    /// A folder in the state directory.
    pub fn state() -> Self {
        Self::alone("")
    }

    /// Something that only one component of a process can have, as the operator calls it.
    pub fn alone(what: impl Into<RString>) -> Self {
        let empty = RString::new;
        Need { alone: what.into(), file: empty(), attribute: empty(), otherwise: empty() }
    }

    /// A file that it writes, by its path: no source of the process may read it. If file names
    /// depend on the messages, the path is a placeholder for all of them.
    pub fn output(path: impl Into<RString>) -> Self {
        Need { file: path.into(), ..Self::state() }
    }

    /// An attribute, by its path, asks for it.
    #[must_use]
    pub fn of_attribute(self, path: impl Into<RString>) -> Self {
        Need { attribute: path.into(), ..self }
    }

    /// Sets the remedy for an operator where it is not available.
    #[must_use]
    pub fn otherwise(self, remedy: impl Into<RString>) -> Self {
        Need { otherwise: remedy.into(), ..self }
    }
}

/// The entries of a worker's component. All but `stop` are called by one thread at a time.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = ComponentVtable_Ref, prefix_fields = ComponentVtable_Prefix)))]
pub struct ComponentVtable {
    /// Once, on the worker's thread, before everything else.
    pub start: unsafe extern "C" fn(object: *mut ()) -> RResult<(), RawError>,
    /// From any thread, at any time before `drop`: a call that blocks should return.
    pub stop: unsafe extern "C" fn(object: *const ()),
    /// A source sends what it has, about `credit` messages at most, which will not block.
    pub produce: unsafe extern "C" fn(object: *mut (), credit: u32) -> RResult<Produced, RawError>,
    /// Handles the messages of a batch from its cursor on.
    pub handle: unsafe extern "C" fn(object: *mut (), batch: *mut BatchHeader) -> HandleFlags,
    /// Messages that were sent with a token have ended.
    pub settled: unsafe extern "C" fn(
        object: *mut (),
        token: u64,
        first: u32,
        count: u32,
        outcome: Outcome,
    ) -> RResult<(), RawError>,
    /// The moment that was asked for by `wake_at`, or a call of `wake`, has come.
    pub timer: unsafe extern "C" fn(object: *mut (), now: i64) -> RResult<(), RawError>,
    /// No more messages come: send those that are kept, until `deadline` on the host's monotonic
    /// clock.
    pub end: unsafe extern "C" fn(object: *mut (), deadline: i64) -> RResult<(), RawError>,
    /// Frees the component, on the worker's thread.
    #[sabi(last_prefix_field)]
    pub drop: unsafe extern "C" fn(object: *mut ()),
}

/// A worker's component.
#[repr(C)]
#[derive(StableAbi)]
pub struct RawComponent {
    /// The component's own. Not public: with another component's entries it would lead nowhere.
    pub(super) object: *mut (),
    /// Its entries.
    pub(super) vtable: ComponentVtable_Ref,
}

/// The entries of a factory: called by one thread at a time.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = FactoryVtable_Ref, prefix_fields = FactoryVtable_Prefix)))]
pub struct FactoryVtable {
    /// Takes all attributes, before anything else is called; each error names its attribute.
    pub configure:
        unsafe extern "C" fn(object: *mut (), attributes: &Map) -> RResult<(), RVec<RawError>>,
    /// Whether the configuration can work, without side effects.
    pub check: unsafe extern "C" fn(object: *mut ()) -> RResult<(), RVec<RawError>>,
    /// How many workers it would like.
    pub pool_size: unsafe extern "C" fn(object: *mut ()) -> usize,
    /// How many messages may wait for it.
    pub channel_size: unsafe extern "C" fn(object: *mut ()) -> usize,
    /// How many waiting messages a call gathers at most; 0: a call brings one batch as it was sent.
    pub gathers: unsafe extern "C" fn(object: *mut ()) -> usize,
    /// How many workers it supports.
    pub parallel: unsafe extern "C" fn(object: *mut ()) -> Parallel,
    /// The resources that it cannot work without.
    pub needs: unsafe extern "C" fn(object: *mut ()) -> RVec<Need>,
    /// Whether nothing that it has is lost when the program ends at any moment; if not, what the
    /// operator has set that makes it so.
    pub durability: unsafe extern "C" fn(object: *mut ()) -> RResult<(), RString>,
    /// Whether it does its part so that each message is written once; if not, the reason.
    pub exactly_once: unsafe extern "C" fn(object: *mut ()) -> RResult<(), RString>,
    /// Whether it would read the file of this path.
    pub reads: unsafe extern "C" fn(object: *mut (), path: RStr<'_>) -> bool,
    /// Warnings for the operator, though it can work; each names its attribute.
    pub warnings: unsafe extern "C" fn(object: *mut ()) -> RVec<RawError>,
    /// Makes a worker's component.
    pub create:
        unsafe extern "C" fn(object: *mut (), host: Host) -> RResult<RawComponent, RawError>,
    /// Once, after the last worker has gone.
    pub destroy: unsafe extern "C" fn(object: *mut ()),
    /// Frees the factory.
    #[sabi(last_prefix_field)]
    pub drop: unsafe extern "C" fn(object: *mut ()),
}

/// A factory.
#[repr(C)]
#[derive(StableAbi)]
pub struct RawFactory {
    /// The factory's own. Not public: with another factory's entries it would lead nowhere.
    pub(super) object: *mut (),
    /// Its entries.
    pub(super) vtable: FactoryVtable_Ref,
}

/// Returns the bytes that a library has allocated and not yet freed. Any thread may call it at any
/// time.
pub type HeldMemory = extern "C" fn() -> u64;

/// The table that a component's file gives the host when it is loaded.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = ComponentModule_Ref, prefix_fields = ComponentModule_Prefix)))]
#[sabi(missing_field(option))]
pub struct ComponentModule {
    /// The component's name, as in the note.
    pub name: RStr<'static>,
    /// Its version, as in the note.
    pub version: RStr<'static>,
    /// The kind of the component, as in the note.
    pub kind: Kind,
    /// The JSON schema of its attributes.
    pub schema: extern "C" fn() -> RString,
    /// Makes a factory, not configured yet.
    pub factory: extern "C" fn() -> RResult<RawFactory, RawError>,
    /// Returns the memory that the library holds; `None` if the library does not count it.
    #[sabi(last_prefix_field)]
    pub held_memory: Option<extern "C" fn() -> u64>,
}

impl RootModule for ComponentModule_Ref {
    declare_root_module_statics! {ComponentModule_Ref}
    const BASE_NAME: &'static str = "gopiper_component";
    const NAME: &'static str = "gopiper_component";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}

/// The static that a component's file exports, under the name that [`abi_stable`] looks for.
pub type Header = LibHeader;
/// The result of the entry of a component's file.
pub type EntryResult = RootModuleResult;

/// The static that a component's file exports; called by the export macro, at compile time.
pub const fn header(entry: extern "C" fn() -> EntryResult) -> Header {
    // SAFETY: `entry` is made by the export macro, and returns what `enter` made of a
    // ComponentModule_Ref, the type named here.
    unsafe { LibHeader::from_constructor::<ComponentModule_Ref>(entry, CheckTypeLayout::Yes) }
}

/// The entry of a component's file; called by the export macro.
pub fn enter(module: fn() -> ComponentModule_Ref) -> EntryResult {
    // Not abi_stable's own: it drops the panic's value outside of a fence.
    match fence(module) {
        // SAFETY: the pointer is only erased, as abi_stable's own loader does; `header` names its
        // type, `ComponentModule_Ref`.
        Ok(module) => ROk(unsafe { module.to_prefix_ref().cast() }),
        Err(_) => RErr(RootModuleError::Unwound),
    }
}
