//! The description of the component in the author's file: a table of callbacks, found at link time.
use std::ffi::{c_char, c_void};

use gopiper_abi::Message as gopiper_message;

use crate::{
    attributes::{gopiper_attribute, gopiper_attributes, gopiper_error},
    host::gopiper_host,
};

/// The first component: it produces messages. For GOPIPER_COMPONENT.
pub const GOPIPER_SOURCE: u32 = 0;
/// A component between a source and a sink: it gets messages and passes them on. For
/// GOPIPER_COMPONENT.
pub const GOPIPER_TRANSFORM: u32 = 1;
/// The last component: messages end there. For GOPIPER_COMPONENT.
pub const GOPIPER_SINK: u32 = 2;

/// Any number of workers; a message goes to one that is free. For `parallel`.
pub const GOPIPER_PARALLEL_ANY: u32 = 0;
/// One worker: its data or its output must be in one place. For `parallel`.
pub const GOPIPER_PARALLEL_SINGLE: u32 = 1;
/// Any number of workers; messages that agree in an attribute (the operator's option
/// `partition_by`) go to the same worker. For `parallel`.
pub const GOPIPER_PARALLEL_KEYED: u32 = 2;

/// `handle` returns this when the next component is to get the message.
pub const GOPIPER_DONE: i32 = 0;
/// `handle` returns this when it has kept the message: see gopiper_keep.
pub const GOPIPER_CONTINUE: i32 = 1;
/// `handle` returns this to drop the message, on purpose and in silence; to the source that is a
/// success.
pub const GOPIPER_DROP: i32 = 300;

/// `produce` returns this when more messages are available at once.
pub const GOPIPER_MORE: i64 = 0;
/// `produce` returns this when there is nothing just now: it is called again after gopiper_wake_at.
pub const GOPIPER_WAITING: i64 = 0x7fff_ffff_ffff_ffff;
/// `produce` returns this when the source has come to its end.
pub const GOPIPER_FINISHED: i64 = -1;

/// `settled`: the last component has finished all messages made from this one.
pub const GOPIPER_DELIVERED: i32 = 0;
/// `settled`: it was dropped on purpose.
pub const GOPIPER_DROPPED: i32 = 1;
/// `settled`: it failed, and lies with the dead letters, on disk.
pub const GOPIPER_DEAD_LETTERED: i32 = 2;
/// `settled`: it failed, and was discarded.
pub const GOPIPER_FAILED: i32 = 3;
/// `settled`: the pipeline ended before. A source may move past a message with an outcome below
/// this; one with this outcome (or with none when the program ends) it gives again the next time.
pub const GOPIPER_RETURNED: i32 = 4;

/// The description of a component: fill in the fields it needs by name, the rest is zero and means
/// the default.
///
/// A callback that gets an `error` has failed exactly if it has called gopiper_refuse with it. No
/// callback may be left by longjmp or a C++ exception.
///
/// Threads: `configure`, `check` and `free_configuration` are called by one thread at a time. Each
/// worker has a `state` of its own, and its callbacks are called by one thread at a time, so a
/// state needs no locks; `stop` is the one exception.
#[repr(C)]
pub struct gopiper_component {
    /// The purpose of the component, in a sentence or more, for the operator.
    pub documentation: *const c_char,
    /// The attributes, ended by a row whose name is NULL; NULL for none.
    pub attributes: *const gopiper_attribute,
    /// One of GOPIPER_PARALLEL_…
    pub parallel: u32,
    /// How many workers it would like, 0 for one; the operator's option overrides it.
    pub pool_size: u32,
    /// How many messages may wait for it, 0 for 8192; the operator's option overrides it.
    pub channel_size: u32,
    /// How many waiting messages a call gathers at most. With 0, a call brings one batch, as it was
    /// sent. A component that commits what a call brings (by a sync, a transaction, a request) asks
    /// for more: it gets everything that has arrived while it was busy.
    pub gathers: u32,
    /// Whether nothing is lost when the program is killed: a source sends messages that were not
    /// settled again the next time; a sink keeps the messages for which it returned GOPIPER_DONE in
    /// a safe place. Means nothing for a transform.
    pub durable: bool,
    /// Whether the component does its part so that each message is written exactly once, even if
    /// the program is killed: a source gives each message the same identity each time
    /// (gopiper_batch_set_origin) and says which will not come again (gopiper_set_settled); a sink
    /// keeps the identities (gopiper_id) of what it has written. Means nothing for a transform.
    pub exactly_once: bool,
    /// Makes a configuration of the attributes, which have been checked against the table; refuses
    /// what does not fit together. Nothing is opened yet. The configuration it returns belongs to
    /// you and may be NULL; it is not changed any more, as all workers may read it at once.
    pub configure: Option<
        unsafe extern "C" fn(
            attributes: *const gopiper_attributes,
            error: *mut gopiper_error,
        ) -> *mut c_void,
    >,
    /// Whether it could work, without side effects: called before the pipeline starts.
    pub check:
        Option<unsafe extern "C" fn(configuration: *const c_void, error: *mut gopiper_error)>,
    /// Frees what `configure` returned, unless that is NULL: after the last worker has gone, or at
    /// once if it was refused.
    pub free_configuration: Option<unsafe extern "C" fn(configuration: *mut c_void)>,
    /// Makes the state of one worker, opens what it needs. `host` is the worker's, and stays valid
    /// until `destroy` has returned. Without this callback the state is the configuration, which is
    /// then shared by all workers.
    pub create: Option<
        unsafe extern "C" fn(
            configuration: *const c_void,
            host: *mut gopiper_host,
            error: *mut gopiper_error,
        ) -> *mut c_void,
    >,
    /// Called once, on the worker's thread, before the callbacks below.
    pub start: Option<
        unsafe extern "C" fn(
            state: *mut c_void,
            host: *mut gopiper_host,
            error: *mut gopiper_error,
        ),
    >,
    /// Transforms and sinks: handles one message, and returns its outcome: GOPIPER_DONE,
    /// GOPIPER_DROP, GOPIPER_CONTINUE, or the result of gopiper_retry or gopiper_fail. `message` is
    /// valid until it returns. Unless it returns GOPIPER_DONE, a retry or the dead letters get the
    /// message as received, whatever `handle` changed in it.
    pub handle: Option<
        unsafe extern "C" fn(
            state: *mut c_void,
            host: *mut gopiper_host,
            message: *mut gopiper_message,
        ) -> i32,
    >,
    /// Sources: sends what there is, about `credit` messages at most (so many will not block), and
    /// returns GOPIPER_MORE, GOPIPER_WAITING, GOPIPER_FINISHED, or the moment of gopiper_monotonic
    /// at which to be called again. It may be called earlier than that.
    pub produce: Option<
        unsafe extern "C" fn(
            state: *mut c_void,
            host: *mut gopiper_host,
            credit: usize,
            error: *mut gopiper_error,
        ) -> i64,
    >,
    /// Sources: `count` messages of the batch that was sent under `token`, from place `first` on,
    /// have ended with `outcome` (GOPIPER_DELIVERED …). Once for each message of
    /// gopiper_send_tracked, in no particular order; also after `end`.
    pub settled: Option<
        unsafe extern "C" fn(
            state: *mut c_void,
            host: *mut gopiper_host,
            token: u64,
            first: u32,
            count: u32,
            outcome: i32,
        ),
    >,
    /// Transforms and sinks: the moment asked for by gopiper_wake_at has come. `now` is
    /// gopiper_monotonic.
    pub timer: Option<
        unsafe extern "C" fn(
            state: *mut c_void,
            host: *mut gopiper_host,
            now: i64,
            error: *mut gopiper_error,
        ),
    >,
    /// No more messages come: send those that are kept, until `deadline` of gopiper_monotonic. A
    /// source's `produce` is not called after this; its `settled` may be.
    pub end: Option<
        unsafe extern "C" fn(
            state: *mut c_void,
            host: *mut gopiper_host,
            deadline: i64,
            error: *mut gopiper_error,
        ),
    >,
    /// The pipeline stops: whatever waits in the worker should come to an end. On any thread,
    /// beside any other callback of this worker but `destroy`.
    pub stop: Option<unsafe extern "C" fn(state: *mut c_void, host: *mut gopiper_host)>,
    /// Frees what `create` returned, unless that is NULL: when the worker has come to its end, or
    /// at once if it was refused.
    pub destroy: Option<unsafe extern "C" fn(state: *mut c_void)>,
}

// SAFETY: the table is a constant of the author's file, and so is all that it points to.
unsafe impl Send for gopiper_component {}
// SAFETY: the table, and all that it points to, are constants: no thread writes to them.
unsafe impl Sync for gopiper_component {}

/// The table that GOPIPER_COMPONENT exports to the static library. It writes this for you.
#[repr(C)]
pub struct gopiper_exported {
    /// The component's name.
    pub name: *const c_char,
    /// Its version.
    pub version: *const c_char,
    /// The kind of the component: GOPIPER_SOURCE …
    pub kind: u32,
    /// The table of callbacks.
    pub component: *const gopiper_component,
}
