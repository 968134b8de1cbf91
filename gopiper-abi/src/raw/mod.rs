//! The interface itself: what lies in memory on both sides of the boundary, and nothing else.
//!
//! Every type here is `repr(C)`, checked by `abi_stable` when a component is loaded, and pinned by
//! a golden test (`layout.txt`). This module and its children hold all the `unsafe` of the crate.
//! Component authors use the crate's root instead; hosts use [`client`], [`services`] and
//! [`Batch`].
//!
//! Three rules carry the whole boundary:
//!
//! 1. Every owning pointer leads to a vtable of the side that made it: any side may release a
//!    thing, and its maker frees it.
//! 2. No panic crosses: every entry of a component is fenced ([`fence`]).
//! 3. A slot of a batch holds a message as it entered the stage until `Done` is reported for it.
#![allow(unsafe_code)]
// The derive macros of abi_stable write such names and impls.
#![allow(non_camel_case_types, non_local_definitions)]
// Nor do they know that an accessor of a vtable's `clone` is no `Clone`.
#![allow(clippy::should_implement_trait)]

/// Shows an open number by its name; one that this side does not know, as the number.
macro_rules! shown_by_name {
    ($type:ident: $($name:ident)*) => {
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match *self {
                    $(Self::$name => f.write_str(stringify!($name)),)*
                    _ => write!(f, "{}", self.0),
                }
            }
        }
    };
}

mod author;
mod batch;
mod component;
mod delivery;
mod error;
mod fence;
mod find;
mod flags;
pub mod host;
mod host_services;
mod kept;
#[cfg(test)]
mod layout_test;
mod message;
mod metric;
mod note;
#[cfg(test)]
mod tests;

pub use author::new_metric::NewMetric;
pub(crate) use author::scope::with_current_host;
pub use author::{
    call::{BatchCall, Piece},
    callback::{Deferred, HandledCallback},
    counted_allocator::CountedAllocator,
    glue::{WorkerComponent, WorkerFactory, module},
    on_stop::OnStop,
};
pub use batch::own_batch::{Awaited, Completion};
pub use batch::runs::Fate;
pub use batch::{Batch, BatchHeader, BatchVtable, BatchVtable_Ref, DEFAULT_CAPACITY};
pub use component::{
    ComponentModule, ComponentModule_Ref, ComponentVtable, ComponentVtable_Ref, EntryResult,
    FactoryVtable, FactoryVtable_Ref, Header, HeldMemory, Kind, Need, Parallel, Produced,
    RawComponent, RawFactory, enter, header,
};
pub use delivery::identity::{Identities, Identity, IdentityRun, NoIdentity};
pub use delivery::positions::{MessagePosition, Positions};
pub use delivery::{Delivery, DeliveryVtable, DeliveryVtable_Ref, Outcome, Parent, Settle};
pub use error::RawError;
pub use fence::{Panicked, fence};
pub(crate) use find::find_all;
pub use flags::{CallFlags, HandleFlags};
#[cfg(feature = "host")]
pub use host::shared_memory::shared_memory;
pub use host::{
    client,
    lent::{Guard, Lent},
    running::{DeferredBatch, Handling, Watch, write_position_here},
    services,
};
pub use host_services::{
    Host, HostServices, HostServices_Ref, Level, SendOptions, SendStatus, Sending,
};
pub use kept::{Deliveries, Kept};
pub use message::Message;
pub use message::attributes::{AttributeValue, Attributes};
pub use message::ending::Ending;
pub(crate) use message::ending::number_behind;
pub use message::extra::{Attribute, Extra, Rare, Trace};
pub use message::map::{Entry, Map};
pub use message::object::{ValueObject, ValueVtable, ValueVtable_Ref};
pub use message::owner::{PayloadOwner, PayloadVtable, PayloadVtable_Ref, Region};
pub use message::payload::{Payload, PayloadMut};
pub use message::report::Report;
pub use message::slot::MessageId;
pub use message::value::{Value, ValueTag};
pub use metric::{Counter, Gauge, Histogram, Label, Metric, MetricDescription, MetricKind};
pub use note::{NOTE_OWNER, NOTE_SECTION, NOTE_TYPE, Note, NoteDescription, UNSEALED};

/// The version of the interface: this crate's.
pub const INTERFACE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The version of this side's compiler.
pub const RUSTC_VERSION: &str = env!("GOPIPER_RUSTC");

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
