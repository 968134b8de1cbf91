//! Memory with a count of references, from any allocator.
use std::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

use abi_stable::{StableAbi, prefix_type::WithMetadata};

use crate::raw::fence;

/// The place of an owner's memory, for code that wants to map it into another process.
#[repr(C)]
#[derive(Debug, Clone, Copy, StableAbi)]
pub struct Region {
    /// A descriptor of this process that can be mapped; it stays open as long as the owner lives.
    pub descriptor: i32,
    /// Filler, zero.
    pub reserved: u32,
    /// The offset of `base` in the descriptor, in bytes.
    pub offset: u64,
    /// The address of the owner's first byte in this process.
    pub base: *const u8,
}

// SAFETY: `base` is a number to compute with: code that reads through it needs `unsafe` of its own.
unsafe impl Send for Region {}
// SAFETY: a shared Region is plain data that nothing changes.
unsafe impl Sync for Region {}

/// The calls that every owner of payload memory offers. Any thread may call any of them.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PayloadVtable_Ref, prefix_fields = PayloadVtable_Prefix)))]
pub struct PayloadVtable {
    /// Adds `count` references.
    pub retain: unsafe extern "C" fn(owner: *const PayloadOwner, count: usize),
    /// Releases `count` references; the last one frees the memory.
    pub release: unsafe extern "C" fn(owner: *const PayloadOwner, count: usize),
    /// Fills in where the memory can be mapped; false if it is private to this process.
    #[sabi(last_prefix_field)]
    pub region: unsafe extern "C" fn(owner: *const PayloadOwner, region: *mut Region) -> bool,
}

/// The head of an owner of payload memory. An owner is exactly one allocation: two payloads of one
/// owner that are neighbours in memory may be read as one.
#[repr(C)]
#[derive(StableAbi)]
pub struct PayloadOwner {
    /// The functions of the side that made it.
    pub vtable: PayloadVtable_Ref,
    /// The bytes that the owner keeps in memory, however small the part that is referred to.
    pub size: usize,
}

/// Adds `count` references to an owner (null: static memory, nothing to do).
///
/// # Safety
/// `owner` is null, or a reference on it is held for as long as this runs.
#[inline]
pub(in crate::raw) unsafe fn retain(owner: *const PayloadOwner, count: usize) {
    if !owner.is_null() {
        // SAFETY: a reference on the owner is held (`# Safety`), so it is alive.
        unsafe { ((*owner).vtable.retain())(owner, count) }
    }
}

/// Releases `count` references on an owner (null: static memory, nothing to do).
///
/// # Safety
/// The caller holds these references, and does not use them again.
#[inline]
pub(in crate::raw) unsafe fn release(owner: *const PayloadOwner, count: usize) {
    if !owner.is_null() && count > 0 {
        // SAFETY: the caller gives up references that it holds (`# Safety`), so the owner is alive
        // until here.
        unsafe { ((*owner).vtable.release())(owner, count) }
    }
}

/// An owner made by this side.
#[repr(C)]
pub(in crate::raw) struct Owner<M> {
    pub(super) header: PayloadOwner,
    references: AtomicUsize,
    region: Option<Region>,
    pub(super) memory: M,
}

impl<M: Send + 'static> Owner<M> {
    const VALUE: &'static WithMetadata<PayloadVtable> = &WithMetadata::new(PayloadVtable {
        retain: retain_owner::<M>,
        release: release_owner::<M>,
        region: region_of_owner::<M>,
    });
    const VTABLE: PayloadVtable_Ref = PayloadVtable_Ref(Self::VALUE.static_as_prefix());

    /// An owner with so many references, which are the caller's.
    pub(in crate::raw) fn leak(
        memory: M,
        size: usize,
        references: usize,
        region: Option<Region>,
    ) -> *mut Self {
        let header = PayloadOwner { vtable: Self::VTABLE, size };
        let references = AtomicUsize::new(references);
        Box::into_raw(Box::new(Owner { header, references, region, memory }))
    }
}

unsafe extern "C" fn retain_owner<M>(owner: *const PayloadOwner, count: usize) {
    // SAFETY: this vtable is only found in owners of this type, and the caller holds a reference on
    // this one.
    unsafe { (*owner.cast::<Owner<M>>()).references.fetch_add(count, Relaxed) };
}

unsafe extern "C" fn release_owner<M>(owner: *const PayloadOwner, count: usize) {
    let owner = owner.cast::<Owner<M>>();
    // SAFETY: this vtable is only found in owners of this type, and the caller gives up `count`
    // references that it holds. The last one sees all that was done by the others: by a load and
    // not a fence, which ThreadSanitizer understands.
    let last = unsafe {
        (*owner).references.fetch_sub(count, Release) == count
            && (*owner).references.load(Acquire) == 0
    };
    if last {
        // The memory is an author's type: its drop may panic, and this is a boundary.
        let _ = fence(|| {
            // SAFETY: that was the last reference, so nothing else refers to the owner, which
            // `leak` boxed.
            drop(unsafe { Box::from_raw(owner.cast_mut()) });
        });
    }
}

unsafe extern "C" fn region_of_owner<M>(owner: *const PayloadOwner, out: *mut Region) -> bool {
    // SAFETY: this vtable is only found in owners of this type, the caller holds a reference on
    // this one, and `out` is its own to write.
    unsafe {
        match (*owner.cast::<Owner<M>>()).region {
            Some(region) => {
                *out = region;
                true
            }
            None => false,
        }
    }
}
