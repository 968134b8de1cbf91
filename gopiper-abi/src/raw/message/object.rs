//! The part of a value that does not fit into it: freed by the side that made it.
use abi_stable::{StableAbi, prefix_type::WithMetadata};

/// How the heap part of a value is cloned and freed: by the side that made it.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = ValueVtable_Ref, prefix_fields = ValueVtable_Prefix)))]
pub struct ValueVtable {
    /// A deep copy.
    pub clone: unsafe extern "C" fn(object: *const ValueObject) -> *mut ValueObject,
    /// Frees the object.
    #[sabi(last_prefix_field)]
    pub drop: unsafe extern "C" fn(object: *mut ValueObject),
}

/// The head of a value's heap part.
#[repr(C)]
#[derive(StableAbi)]
pub struct ValueObject {
    vtable: ValueVtable_Ref,
}

/// An object made by this side.
#[repr(C)]
#[derive(StableAbi)]
pub(in crate::raw) struct Object<T> {
    header: ValueObject,
    pub(super) body: T,
}

impl<T: Clone + 'static> Object<T> {
    const VALUE: &'static WithMetadata<ValueVtable> =
        &WithMetadata::new(ValueVtable { clone: clone_object::<T>, drop: drop_object::<T> });
    const VTABLE: ValueVtable_Ref = ValueVtable_Ref(Self::VALUE.static_as_prefix());

    /// An object that the caller owns.
    pub(super) fn leak(body: T) -> *mut ValueObject {
        let header = ValueObject { vtable: Self::VTABLE };
        Box::into_raw(Box::new(Object { header, body })).cast()
    }
}

impl ValueObject {
    /// A deep copy.
    ///
    /// # Safety
    /// The object is alive.
    pub(super) unsafe fn clone(object: *const Self) -> *mut Self {
        // SAFETY: the object is alive (`# Safety`), and its maker copies it.
        unsafe { ((*object).vtable.clone())(object) }
    }

    /// # Safety
    /// The caller owns the object, and does not use it again.
    pub(super) unsafe fn drop(object: *mut Self) {
        // SAFETY: the caller owns the object (`# Safety`), and its maker frees it.
        unsafe { ((*object).vtable.drop())(object) }
    }
}

unsafe extern "C" fn clone_object<T: Clone + 'static>(
    object: *const ValueObject,
) -> *mut ValueObject {
    // SAFETY: this vtable is only found in objects with this body, and the caller's value owns the
    // object.
    let body = unsafe { (*object.cast::<Object<T>>()).body.clone() };
    Object::leak(body)
}

unsafe extern "C" fn drop_object<T>(object: *mut ValueObject) {
    // SAFETY: this vtable is only found in boxes of this type; the value that owned this one gives
    // it up.
    drop(unsafe { Box::from_raw(object.cast::<Object<T>>()) });
}
