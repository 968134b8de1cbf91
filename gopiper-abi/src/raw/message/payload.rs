//! Bytes shared without copying, across allocators.
use std::{
    fmt,
    ops::{Deref, RangeBounds},
    ptr,
    sync::atomic::{
        AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
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
    /// The bytes that the owner keeps in memory, whatever part of it is referred to.
    pub size: usize,
}

/// Immutable bytes, shared: cloning or slicing copies none of them.
///
/// ```
/// use gopiper_abi::Payload;
/// let line = Payload::from(b"GET /index.html".to_vec());
/// let path = line.slice(4..);
/// assert_eq!(&path[..], b"/index.html");
/// ```
#[repr(C)]
#[derive(StableAbi)]
pub struct Payload {
    /// Never null, not even for no bytes.
    pub(in crate::raw) data: *const u8,
    pub(in crate::raw) len: usize,
    /// Null for bytes that live as long as the process.
    pub(in crate::raw) owner: *const PayloadOwner,
}

// SAFETY: the bytes are immutable while a Payload refers to them, and the owner's count is atomic:
// the maker of an owner promises both (PayloadVtable).
unsafe impl Send for Payload {}
// SAFETY: a shared Payload is only read, and any thread may call its owner (PayloadVtable).
unsafe impl Sync for Payload {}

impl Payload {
    /// No bytes.
    pub const fn empty() -> Self {
        Self::from_static(&[])
    }

    /// Bytes that live as long as the process. A component's own statics do: a library is never
    /// unloaded.
    pub const fn from_static(bytes: &'static [u8]) -> Self {
        Payload { data: bytes.as_ptr(), len: bytes.len(), owner: ptr::null() }
    }

    /// A part of the bytes, sharing their memory.
    ///
    /// # Panics
    /// When the range does not lie within the payload, as slicing does.
    #[inline]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Self {
        let part = &self[(range.start_bound().cloned(), range.end_bound().cloned())];
        let (start, len) = (part.as_ptr().addr() - self.data.addr(), part.len());
        // SAFETY: `self` holds a reference on its owner.
        unsafe { retain(self.owner, 1) };
        // SAFETY: `part` lies within the bytes. The pointer comes from `data` rather than from
        // `part`: what lies behind the part may be read through it later (a sink's neighbours).
        Payload { data: unsafe { self.data.add(start) }, len, owner: self.owner }
    }

    /// The region through which another process can map the memory; `None` if it is private to this
    /// one.
    pub fn region(&self) -> Option<Region> {
        let mut region = Region { descriptor: -1, reserved: 0, offset: 0, base: ptr::null() };
        if self.owner.is_null() {
            return None;
        }
        // SAFETY: a Payload holds a reference on its owner, so the owner is alive.
        unsafe { ((*self.owner).vtable.region())(self.owner, &mut region) }.then_some(region)
    }
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

impl Deref for Payload {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: data and len lie within the owner's memory, which this reference keeps alive.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }
}

impl Clone for Payload {
    #[inline]
    fn clone(&self) -> Self {
        // SAFETY: `self` holds a reference on its owner.
        unsafe { retain(self.owner, 1) };
        Payload { ..*self }
    }
}

impl Drop for Payload {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `self` holds one reference on its owner, and is not used again.
        unsafe { release(self.owner, 1) };
    }
}

impl Default for Payload {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        PayloadMut::from_owner(bytes, None).freeze()
    }
}

impl From<String> for Payload {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<&'static [u8]> for Payload {
    fn from(bytes: &'static [u8]) -> Self {
        Self::from_static(bytes)
    }
}

impl From<&'static str> for Payload {
    fn from(text: &'static str) -> Self {
        Self::from_static(text.as_bytes())
    }
}

/// Bytes that one holder may write, to be frozen into [`Payload`]s, whole or from the front.
///
/// ```
/// use gopiper_abi::PayloadMut;
/// let mut block = PayloadMut::new(1024);
/// block[..5].copy_from_slice(b"hello");
/// let hello = block.split_to(5);      // shared and immutable from here on
/// assert_eq!(&hello[..], b"hello");
/// assert_eq!(block.len(), 1019);      // the rest can still be written
/// ```
#[repr(C)]
#[derive(StableAbi)]
pub struct PayloadMut {
    data: *mut u8,
    len: usize,
    owner: *const PayloadOwner,
}

// SAFETY: nothing else reads or writes these bytes, and the owner's count is atomic.
unsafe impl Send for PayloadMut {}
// SAFETY: a shared PayloadMut is only read.
unsafe impl Sync for PayloadMut {}

impl PayloadMut {
    /// `len` zero bytes from this side's allocator. Sources use [`Host::payload`] instead, so that
    /// the host decides which memory its messages live in.
    ///
    /// [`Host::payload`]: crate::raw::Host::payload
    pub fn new(len: usize) -> Self {
        Self::from_owner(vec![0; len], None)
    }

    /// Takes memory over; it is dropped when the last reference goes. `region` says where another
    /// process can map it.
    pub fn from_owner<M: AsMut<[u8]> + Send + 'static>(memory: M, region: Option<Region>) -> Self {
        let owner = Box::into_raw(Box::new(Owner {
            header: PayloadOwner { vtable: Owner::<M>::VTABLE, size: 0 },
            references: AtomicUsize::new(1),
            region,
            memory,
        }));
        // SAFETY: the box was just leaked. `memory` stays where it is and is not touched again
        // before it is dropped with the last reference, so the slice stays valid until then.
        unsafe {
            let bytes = (*owner).memory.as_mut();
            let (data, len) = (bytes.as_mut_ptr(), bytes.len());
            (*owner).header.size = len;
            PayloadMut { data, len, owner: owner.cast() }
        }
    }

    /// Makes the whole immutable and shareable.
    pub fn freeze(self) -> Payload {
        let this = std::mem::ManuallyDrop::new(self);
        Payload { data: this.data, len: this.len, owner: this.owner }
    }

    /// Freezes the first `len` bytes; the rest stays writable.
    ///
    /// # Panics
    /// When there are fewer than `len` bytes.
    pub fn split_to(&mut self, len: usize) -> Payload {
        assert!(len <= self.len, "split_to({len}) of {} bytes", self.len);
        // SAFETY: `self` holds a reference on its owner.
        unsafe { retain(self.owner, 1) };
        let front = Payload { data: self.data, len, owner: self.owner };
        // SAFETY: `len` is at most the length of the memory; from here on the two parts are
        // disjoint.
        self.data = unsafe { self.data.add(len) };
        self.len -= len;
        front
    }

    /// Whether a payload ends where this begins, in the same memory: then [`PayloadMut::extend`]
    /// makes it longer.
    pub fn follows(&self, before: &Payload) -> bool {
        before.owner == self.owner
            && !self.owner.is_null()
            && before.data.addr() + before.len == self.data.addr()
    }

    /// Freezes the first `len` bytes as [`PayloadMut::split_to`] does, and makes one payload of
    /// them and the one that they follow: so what grows bit by bit is not copied each time.
    ///
    /// # Panics
    /// When there are fewer than `len` bytes, or they do not follow `before`.
    pub fn extend(&mut self, before: &Payload, len: usize) -> Payload {
        assert!(self.follows(before), "what is extended ends where the rest begins");
        let mut whole = self.split_to(len);
        // `before` keeps its bytes in the memory that this one refers to as well; the pointer to
        // the first of them was made for all of that memory.
        whole.data = before.data;
        whole.len += before.len;
        whole
    }
}

impl Deref for PayloadMut {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: data and len lie within the owner's initialised memory, kept alive by `self`.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }
}

impl std::ops::DerefMut for PayloadMut {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: data and len lie within the owner's initialised memory, kept alive by `self`. A
        // PayloadMut is the only holder of its part of it.
        unsafe { std::slice::from_raw_parts_mut(self.data, self.len) }
    }
}

impl Drop for PayloadMut {
    fn drop(&mut self) {
        // SAFETY: `self` holds one reference on its owner, and is not used again.
        unsafe { release(self.owner, 1) };
    }
}

/// An owner made by this side.
#[repr(C)]
struct Owner<M> {
    header: PayloadOwner,
    references: AtomicUsize,
    region: Option<Region>,
    memory: M,
}

impl<M: Send + 'static> Owner<M> {
    const VALUE: &'static WithMetadata<PayloadVtable> = &WithMetadata::new(PayloadVtable {
        retain: retain_owner::<M>,
        release: release_owner::<M>,
        region: region_of_owner::<M>,
    });
    const VTABLE: PayloadVtable_Ref = PayloadVtable_Ref(Self::VALUE.static_as_prefix());
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
            // `from_owner` boxed.
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
