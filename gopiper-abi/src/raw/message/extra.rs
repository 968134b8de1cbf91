//! The fields that most messages lack: attributes, a structured value, a description, a trace.
use std::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

use abi_stable::{StableAbi, prefix_type::WithMetadata, std_types::RString};

use crate::raw::{Map, Value};

/// The trace that a message belongs to, in W3C's terms; all zero for none.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, StableAbi)]
pub struct Trace {
    /// The trace's id.
    pub id: [u8; 16],
    /// The id of the span that the message came from.
    pub span: [u8; 8],
    /// Flags: bit 0, sampled.
    pub flags: u64,
}

/// How an [`Extra`] is copied and freed: by the side that made it, which knows its whole size.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = ExtraVtable_Ref, prefix_fields = ExtraVtable_Prefix)))]
pub struct ExtraVtable {
    /// A copy with one reference.
    pub clone: unsafe extern "C" fn(extra: *const Extra) -> *mut Extra,
    /// Frees it, when the last reference has gone.
    pub free: unsafe extern "C" fn(extra: *mut Extra),
    /// The size of the maker's `Extra`: fields past it are not there.
    #[sabi(last_prefix_field)]
    pub size: usize,
}

/// The fields that most messages lack, behind one pointer. Shared, copied on the first change. It
/// never changes (the layout check compares it field by field): a later interface puts a larger
/// struct behind the pointer. Its head is this one, and the vtable gives its size.
#[repr(C)]
#[derive(StableAbi)]
pub struct Extra {
    pub(in crate::raw) vtable: ExtraVtable_Ref,
    pub(in crate::raw) references: AtomicUsize,
    /// Keys with values.
    pub attributes: Map,
    /// The message as a structured value, if it has been parsed.
    pub value: Value,
    /// The description of the last report.
    pub description: RString,
    /// The trace that it belongs to.
    pub trace: Trace,
}

const VALUE: &WithMetadata<ExtraVtable> =
    &WithMetadata::new(ExtraVtable { clone, free, size: size_of::<Extra>() });
const VTABLE: ExtraVtable_Ref = ExtraVtable_Ref(VALUE.static_as_prefix());

impl Extra {
    fn leak(attributes: Map, value: Value, description: RString, trace: Trace) -> *mut Extra {
        let references = AtomicUsize::new(1);
        let vtable = VTABLE;
        Box::into_raw(Box::new(Extra { vtable, references, attributes, value, description, trace }))
    }

    pub(in crate::raw) fn new() -> *mut Extra {
        Self::leak(Map::default(), Value::NULL, RString::new(), Trace::default())
    }

    /// # Safety
    /// The caller holds a reference.
    #[inline]
    pub(in crate::raw) unsafe fn retain(extra: *const Extra) {
        // SAFETY: the caller holds a reference (`# Safety`), so the extra is alive.
        unsafe { (*extra).references.fetch_add(1, Relaxed) };
    }

    /// # Safety
    /// The caller gives up a reference that it holds.
    #[inline]
    pub(in crate::raw) unsafe fn release(extra: *mut Extra) {
        // SAFETY: the caller holds the reference that it gives up (`# Safety`), so the extra is
        // alive until here; the last one frees it through its maker.
        unsafe {
            if (*extra).references.fetch_sub(1, Release) == 1 {
                // A load and not a fence: ThreadSanitizer understands it.
                (*extra).references.load(Acquire);
                ((*extra).vtable.free())(extra);
            }
        }
    }

    /// The one to change: itself if it is not shared, else a copy in its place.
    ///
    /// # Safety
    /// The caller holds a reference, and gives it up for the one returned.
    pub(in crate::raw) unsafe fn unshared(extra: *mut Extra) -> *mut Extra {
        // SAFETY: the caller holds a reference (`# Safety`), so the extra is alive. A count of one
        // cannot grow behind its back: only a holder can add to it.
        unsafe {
            if (*extra).references.load(Acquire) == 1 {
                return extra;
            }
            let copy = ((*extra).vtable.clone())(extra);
            Self::release(extra);
            copy
        }
    }
}

unsafe extern "C" fn clone(extra: *const Extra) -> *mut Extra {
    // SAFETY: this vtable is only found in extras of this side, so it is of this size; the caller
    // holds a reference, which keeps others from changing it.
    let extra = unsafe { &*extra };
    Extra::leak(
        extra.attributes.clone(),
        extra.value.clone(),
        extra.description.clone(),
        extra.trace,
    )
}

unsafe extern "C" fn free(extra: *mut Extra) {
    // SAFETY: this vtable is only found in extras of this side, which `leak` boxed; the last
    // reference has gone.
    drop(unsafe { Box::from_raw(extra) });
}
