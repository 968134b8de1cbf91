//! What a message is, in each attempt and after each restart.
use std::{ffi::c_char, ptr, sync::atomic::Ordering::Relaxed};

use gopiper_abi::Message as gopiper_message;

use crate::{
    attributes::gopiper_error,
    batch::gopiper_batch,
    host::{self, gopiper_host},
    text,
};

/// Writes the identity of the message that `handle` got into `id`, as text with a NUL after it, cut
/// to `size` bytes: one that was cut identifies nothing. It is the same in each attempt and after
/// each restart: a component that writes to a place of its own uses it to write each message once.
///
/// Returns the length of the whole text, without the NUL; 0 if the message has no identity, because
/// its source gives none, or because it was made from several others. On the worker's thread alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_id(
    host: *mut gopiper_host,
    message: *const gopiper_message,
    id: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: C got `host` from the call of `handle` that this worker's thread is in. `call` is
    // NULL, or leads to that call on this thread's stack. `id` has room for `size` bytes (the
    // header).
    unsafe {
        let call = host::host(host).call.load(Relaxed);
        let is_it = !call.is_null() && ptr::eq((*call).message.cast_const(), message);
        let handled = if is_it { (*call).handled.as_ref() } else { None };
        let text = handled.and_then(|handled| handled.id()).map(|id| id.to_string());
        text::write(text.as_deref().unwrap_or_default(), id, size)
    }
}

/// Sources: a name that no other component in the world has, the same as long as this one has its
/// state directory, which the first call makes. An origin (gopiper_batch_set_origin) of numbers
/// that mean something in this place alone begins with it.
///
/// Writes it into `origin` as gopiper_id does, and returns its length. Without a state directory it
/// returns 0, and sets `error`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_origin(
    host: *mut gopiper_host,
    origin: *mut c_char,
    size: usize,
    error: &mut gopiper_error,
) -> usize {
    // SAFETY: C got `host` from a callback of this worker; `origin` has room for `size` bytes (the
    // header).
    unsafe {
        match host::host(host).postponed.host().origin() {
            Ok(name) => text::write(&name, origin, size),
            Err(why) => {
                error.0 = Some(why.into());
                text::write("", origin, size)
            }
        }
    }
}

/// Sources: messages of this origin with smaller numbers will not be sent again, not even after the
/// program is killed: their outcomes are in your checkpoint, on disk. UINT64_MAX says so of all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_set_settled(
    host: *mut gopiper_host,
    origin: *const c_char,
    below: u64,
) {
    // SAFETY: C got `host` from a callback of this worker, and `origin` is a text that C keeps for
    // the call (the header).
    let (host, origin) = unsafe { (host::host(host), text::text(origin)) };
    host.postponed.host().set_settled(&origin, below);
}

/// Sinks: the number below which the messages of an origin do not come again, as far as its source
/// has said; 0 if it has not said anything. The origin is what stands before the last ':' of an
/// identity, and the number what follows it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_settled_below(
    host: *mut gopiper_host,
    origin: *const c_char,
) -> u64 {
    // SAFETY: C got `host` from a callback of this worker, and `origin` is a text that C keeps for
    // the call (the header).
    let (host, origin) = unsafe { (host::host(host), text::text(origin)) };
    host.postponed.host().settled_below(&origin)
}

/// Sources: says that the numbers of gopiper_batch_set_positions identify the messages. Each time
/// that you send a message, it has this `origin` and the same number, and no other message in the
/// world has both; a file's name does not do, as another file may get it. Call it after
/// gopiper_batch_set_positions. `origin` is copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_batch_set_origin(
    batch: &mut gopiper_batch,
    origin: *const c_char,
) {
    // SAFETY: `origin` is a text that C keeps for the call, and is copied (the header).
    let origin = unsafe { text::text(origin) };
    let positions = batch.positions.take();
    batch.positions = positions.map(|positions| positions.identified(origin));
}
