//! Messages of a component's own making, and what it keeps of others.
use std::{ffi::c_char, ptr, slice, sync::atomic::Ordering::Relaxed};

use gopiper_abi::{Batch, Deliveries, Message as gopiper_message, Payload, Positions, Postponed};

use crate::{
    host::{self, GOPIPER_ERROR, gopiper_host},
    text,
};

/// Messages that are sent together. Yours until you send or free it; used by one thread at a time.
pub struct gopiper_batch {
    messages: Batch,
    pub(crate) positions: Option<Positions>,
}

impl gopiper_batch {
    fn send(self, postponed: &Postponed, token: Option<u64>) -> bool {
        let Self { messages, positions } = self;
        let sent = match (positions, token) {
            (Some(positions), token) => postponed.send_located(messages, token, positions),
            (None, Some(token)) => postponed.send_tracked(messages, token),
            (None, None) => postponed.send_batch(messages),
        };
        sent.is_ok()
    }
}

/// The duty to settle messages that `handle` has kept, without the messages. Give it to
/// gopiper_send with the messages made from them; if it is freed instead, they have failed. Used by
/// one thread at a time.
pub struct gopiper_kept(Deliveries);

/// An empty batch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_batch_new(host: *mut gopiper_host) -> Box<gopiper_batch> {
    // SAFETY: C got `host` from a callback of this worker, and uses it until `destroy` has returned
    // (the header).
    let messages = unsafe { host::host(host) }.postponed.batch();
    Box::new(gopiper_batch { messages, positions: None })
}

/// Frees a batch that is not sent, with its messages. NULL is nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_batch_free(batch: Option<Box<gopiper_batch>>) {
    drop(batch);
}

/// How many messages there are in the batch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_batch_length(batch: &gopiper_batch) -> usize {
    batch.messages.len()
}

/// Puts a message at the end, without bytes and attributes, and returns it. Fill it in before you
/// use the batch in any other way. Never NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_batch_add(batch: &mut gopiper_batch) -> *mut gopiper_message {
    push(batch, gopiper_message::new(Payload::empty()))
}

/// Puts a copy of `message` at the end, and returns it as gopiper_batch_add does. Its bytes and
/// attributes are shared until one of the two changes them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_batch_add_copy(
    batch: &mut gopiper_batch,
    message: *const gopiper_message,
) -> *mut gopiper_message {
    // SAFETY: C may read `message` during the call (the header). The reference to it ends before
    // the batch changes.
    let copy = unsafe { &*message }.duplicate();
    push(batch, copy)
}

fn push(batch: &mut gopiper_batch, message: gopiper_message) -> *mut gopiper_message {
    let messages = &mut batch.messages;
    if let Err(message) = messages.push(message) {
        messages.grow();
        let pushed = messages.push(message);
        debug_assert!(pushed.is_ok(), "a batch that grew has room");
    }
    messages.messages_mut().last_mut().map_or(ptr::null_mut(), ptr::from_mut)
}

/// Sources: says where the messages of a batch come from. When one fails, the log and the dead
/// letter say so: "orders.log, byte 4096". Call it when all messages are in the batch.
///
/// `of` names your input, and is copied. `unit` names the things that the numbers count ("byte",
/// "line", "offset"): a string literal, or another text that never changes. `numbers` has one for
/// each message that is in the batch now, and is copied; if it is NULL, the first message has the
/// number `first`, and the others count on from there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_batch_set_positions(
    batch: &mut gopiper_batch,
    of: *const c_char,
    unit: *const c_char,
    first: u64,
    numbers: *const u64,
) {
    // SAFETY: `of` is a text that C keeps for the call, and is copied; `unit` is one that never
    // changes (the header).
    let (of, unit) = unsafe { (text::text(of).into_owned(), text::name(unit).unwrap_or_default()) };
    batch.positions = Some(match numbers.is_null() {
        true => Positions::counted(of, unit, first),
        false => {
            // SAFETY: there is a number for each message of the batch (the header); they are
            // copied.
            let numbers = unsafe { slice::from_raw_parts(numbers, batch.messages.len()) };
            Positions::listed(of, unit, numbers.to_vec())
        }
    });
}

/// Keeps the message that `handle` got: this component will send something made of it, which
/// settles it. Then return GOPIPER_CONTINUE. The message can be read until `handle` returns.
///
/// `earlier` holds the messages kept before that are to be settled with it, or is NULL; the
/// returned pointer takes its place. For a million messages that is a few numbers. Keep nothing
/// without a bound in time: a source may wait for it. On the worker's thread alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_keep(
    host: *mut gopiper_host,
    message: *mut gopiper_message,
    earlier: *mut gopiper_kept,
) -> *mut gopiper_kept {
    // SAFETY: C got `host` from the call of `handle` that this worker's thread is in. `call` is
    // NULL, or leads to that call on this thread's stack, and only the message that it got is
    // changed. `earlier` is NULL, or C's own (the header).
    unsafe {
        let host = host::host(host);
        let call = host.call.load(Relaxed);
        let is_it = !call.is_null() && ptr::eq((*call).message, message);
        let handled = if is_it { (*call).handled.take() } else { None };
        let Some(handled) = handled else {
            let error =
                "gopiper_keep: this is not the message that handle received, or it was kept before";
            host.log(GOPIPER_ERROR, error);
            return earlier;
        };
        let came = ptr::replace(message, gopiper_message::new(Payload::empty()));
        let (came, deliveries) = handled.keep(came).split();
        *message = came;
        match earlier.as_mut() {
            Some(kept) => kept.0.add(deliveries),
            None => return Box::into_raw(Box::new(gopiper_kept(deliveries))),
        }
        earlier
    }
}

/// How many messages were kept in it; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_kept_count(kept: Option<&gopiper_kept>) -> usize {
    kept.map_or(0, |kept| kept.0.len())
}

/// Releases kept messages: they have failed. NULL is allowed and does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_kept_free(kept: Option<Box<gopiper_kept>>) {
    drop(kept);
}

/// Sends a batch to the next component. `kept` are the messages that it was made of, which are
/// settled when all of the batch is, with the worst of its outcomes; NULL if there are none. An
/// empty batch with kept messages settles them as dropped.
///
/// In `handle` the batch takes the place of the message that is handled, and this does not wait;
/// elsewhere it waits for room. Both the batch and `kept` are taken over in any case. False if the
/// pipeline takes no more: the kept messages have then failed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_send(
    host: *mut gopiper_host,
    batch: Box<gopiper_batch>,
    kept: Option<Box<gopiper_kept>>,
) -> bool {
    // SAFETY: C got `host` from a callback of this worker, and uses it until `destroy` has returned
    // (the header).
    let host = unsafe { host::host(host) };
    match kept {
        Some(kept) => host.postponed.send_batch_from(kept.0, batch.messages).is_ok(),
        None => batch.send(&host.postponed, None),
    }
}

/// Sends a batch whose outcomes a source wants to receive: `settled` gets `token`, with the places
/// of the messages in the batch. The batch is taken over in any case. False if the pipeline takes
/// no more: then no outcome is reported.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_send_tracked(
    host: *mut gopiper_host,
    batch: Box<gopiper_batch>,
    token: u64,
) -> bool {
    // SAFETY: C got `host` from a callback of this worker, and uses it until `destroy` has returned
    // (the header).
    let host = unsafe { host::host(host) };
    batch.send(&host.postponed, Some(token))
}
