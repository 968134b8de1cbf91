//! The interface itself: what lies in memory on both sides of the boundary, and nothing else.
//!
//! Every type here is `repr(C)`, checked by `abi_stable` when a component is loaded, and pinned by
//! a golden test (`layout.txt`). This module and its children hold all the `unsafe` of the crate.
//! Component authors use the crate's root instead; hosts use [`client`], [`services`] and [`Batch`].
//!
//! Three rules carry the whole boundary:
//!
//! 1. Every owning pointer leads to a vtable of the side that made it: whoever lets go of a thing,
//!    its maker frees it.
//! 2. No panic crosses: every entry of a component is fenced ([`fence`]).
//! 3. A slot of a batch holds a message as it entered the stage until `Done` is reported for it.
#![allow(unsafe_code)]
// The derive macros of abi_stable write such names and impls.
#![allow(non_camel_case_types, non_local_definitions)]

mod batch;
pub mod client;
mod component;
mod delivery;
mod extra;
mod fence;
mod glue;
mod handled;
mod host;
mod kept;
#[cfg(test)]
mod layout_test;
mod message;
mod note;
mod payload;
mod report;
pub mod services;
mod value;

pub use batch::{Batch, BatchHeader, BatchVtable, BatchVtable_Ref, Completion, DEFAULT_CAPACITY, DeferredBatch, Fate, Handling};
pub use component::{
    ComponentModule, ComponentModule_Ref, ComponentVtable, ComponentVtable_Ref, EntryResult,
    FactoryVtable, FactoryVtable_Ref, HandleFlags, Header, Kind, Parallel, Produced, RawComponent, RawError,
    RawFactory, enter, header,
};
pub use delivery::{Delivery, DeliveryVtable, DeliveryVtable_Ref, Outcome, Parent, Settle};
pub use extra::{Extra, ExtraVtable, ExtraVtable_Ref, Trace};
pub use fence::{Panicked, fence};
pub(crate) use fence::with_current_host;
pub use glue::{OnStop, Worker, WorkerFactory, module};
pub use handled::{BatchCall, Deferred, HandledCallback, Piece};
pub use host::{
    Counter, Host, HostServices, HostServices_Ref, Level, Metric, MetricKind, SendOptions, SendStatus,
};
pub use kept::{Deliveries, Kept};
pub use message::Message;
pub use note::{NOTE_OWNER, NOTE_SECTION, NOTE_TYPE, Note, NoteDescription, UNSEALED};
pub use payload::{Payload, PayloadMut, PayloadOwner, PayloadVtable, PayloadVtable_Ref, Region};
pub use report::Report;
pub use value::{Entry, Map, Value, ValueObject, ValueTag, ValueVtable, ValueVtable_Ref};

/// The version of the interface: this crate's.
pub const INTERFACE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Hash (FNV-1a) of the sizes, offsets and names of every type that crosses the boundary.
pub const LAYOUT_HASH: u64 = {
    let text = include_bytes!("layout.txt");
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut i = 0;
    while i < text.len() {
        hash = (hash ^ text[i] as u64).wrapping_mul(0x0100_0000_01b3);
        i += 1;
    }
    hash
};
