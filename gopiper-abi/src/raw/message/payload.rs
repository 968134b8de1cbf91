//! Bytes shared without copying, across allocators.
use std::{
    fmt,
    ops::{Deref, RangeBounds},
    ptr,
};

use abi_stable::StableAbi;

use crate::raw::{
    PayloadOwner, Region,
    message::owner::{Owner, release, retain},
};

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
        // `part`: what lies after the part may be read through it later (a sink's neighbours).
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
        let owner = Owner::leak(memory, 0, 1, region);
        // SAFETY: the owner was just leaked. `memory` stays where it is and is not touched again
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
