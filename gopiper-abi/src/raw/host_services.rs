//! The services that the host offers to every component.
use std::{fmt, os::fd::BorrowedFd, path::PathBuf, ptr};

use abi_stable::{
    StableAbi,
    std_types::{RResult, RStr, RString},
};

use crate::raw::{
    Batch, BatchHeader, Deliveries, Metric, MetricDescription, Parent, PayloadMut, Positions,
    RawError,
};

/// How much a line of log matters: an open number, as in `log`.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, StableAbi)]
pub struct Level(pub u32);

shown_by_name!(Level: ERROR WARN INFO DEBUG TRACE);

impl Level {
    /// Something went wrong.
    pub const ERROR: Self = Level(1);
    /// Something looks wrong.
    pub const WARN: Self = Level(2);
    /// Messages that an operator may want to see.
    pub const INFO: Self = Level(3);
    /// Messages that a developer may want to see.
    pub const DEBUG: Self = Level(4);
    /// Everything.
    pub const TRACE: Self = Level(5);
}

/// How a batch is sent.
#[repr(C)]
#[derive(Debug, Clone, Copy, StableAbi)]
pub struct SendOptions {
    /// The token under which the source receives the outcomes; with [`SendOptions::TRACKED`].
    pub token: u64,
    /// Bits.
    pub flags: u32,
    /// How many parents.
    pub parent_count: u32,
    /// Whose messages this batch settles; taken over if it is sent.
    pub parents: *const Parent,
    /// The positions of the messages in the input; null if the sender does not say. The host copies
    /// them.
    pub positions: *const Positions,
}

impl SendOptions {
    /// The source wants to receive the outcomes.
    pub const TRACKED: u32 = 1;
    /// Rather than wait for room, come back with [`SendStatus::FULL`].
    pub const TRY: u32 = 2;
}

/// How a component wants its batch sent.
#[derive(Debug)]
pub struct Sending {
    /// The token under which the source receives the outcomes.
    pub token: Option<u64>,
    /// Whether it waits for room.
    pub wait: bool,
    /// The positions of the messages in the input, if the source gives them.
    pub positions: Option<Box<Positions>>,
    /// Whose messages the batch settles.
    pub deliveries: Deliveries,
}

impl Default for Sending {
    fn default() -> Self {
        Sending { token: None, wait: true, positions: None, deliveries: Deliveries::default() }
    }
}

/// The result for a batch that was to be sent: an open number; all but SENT leave the batch and the
/// parents with the sender.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, StableAbi)]
pub struct SendStatus(pub u32);

shown_by_name!(SendStatus: SENT FULL CLOSED);

impl SendStatus {
    /// It is on its way.
    pub const SENT: Self = SendStatus(0);
    /// There is no room, and the sender did not want to wait.
    pub const FULL: Self = SendStatus(1);
    /// The pipeline takes no more.
    pub const CLOSED: Self = SendStatus(2);
}

/// The host's services. Any thread may call any of them, as long as it holds the context.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = HostServices_Ref, prefix_fields = HostServices_Prefix)))]
#[sabi(missing_field(option))]
pub struct HostServices {
    /// Adds a holder of the context.
    pub retain: unsafe extern "C" fn(context: *const ()),
    /// Lets a holder go.
    pub release: unsafe extern "C" fn(context: *const ()),
    /// Whether a line of this level would be written.
    pub log_enabled:
        unsafe extern "C" fn(context: *const (), level: Level, target: RStr<'_>) -> bool,
    /// Writes a line to the log.
    pub log:
        unsafe extern "C" fn(context: *const (), level: Level, target: RStr<'_>, text: RStr<'_>),
    /// Registers a metric, or finds it again. It lives as long as the process.
    pub metric: unsafe extern "C" fn(
        context: *const (),
        description: &MetricDescription<'_>,
    ) -> RResult<*const Metric, RawError>,
    /// Nanoseconds since 1970.
    pub now: unsafe extern "C" fn(context: *const ()) -> i64,
    /// Nanoseconds of a clock that never goes back.
    pub monotonic: unsafe extern "C" fn(context: *const ()) -> i64,
    /// Calls `timer` (of a source: `produce`) at that moment of the monotonic clock; 0 at once,
    /// `i64::MAX` never. One moment for each worker, the last one asked for.
    pub wake_at: unsafe extern "C" fn(context: *const (), moment: i64),
    /// Ends the pipeline: quietly if `error` is empty, else as failed.
    pub stop: unsafe extern "C" fn(context: *const (), error: RStr<'_>),
    /// Whether the pipeline is ending.
    pub is_stopping: unsafe extern "C" fn(context: *const ()) -> bool,
    /// A descriptor that becomes readable when the pipeline is ending; never to be read or closed.
    /// -1 if there is none.
    pub stop_descriptor: unsafe extern "C" fn(context: *const ()) -> i32,
    /// A directory of the component's own, made and locked now if it wasn't.
    pub state_directory: unsafe extern "C" fn(context: *const ()) -> RResult<RString, RawError>,
    /// A name that no other component has, the same as long as there is the state directory.
    pub origin: unsafe extern "C" fn(context: *const ()) -> RResult<RString, RawError>,
    /// Messages of this origin with smaller numbers will not be sent again.
    pub set_settled: unsafe extern "C" fn(context: *const (), origin: RStr<'_>, below: u64),
    /// Of an origin, the last number of `set_settled`; 0 if there was none.
    pub settled_below: unsafe extern "C" fn(context: *const (), origin: RStr<'_>) -> u64,
    /// Messages that the component kept were dropped, and nothing was sent for them: they have
    /// failed.
    pub unsent: unsafe extern "C" fn(context: *const (), count: u32),
    /// Memory for payloads: initialised, its content arbitrary.
    pub payload: unsafe extern "C" fn(context: *const (), length: usize) -> PayloadMut,
    /// An empty batch.
    pub batch: unsafe extern "C" fn(context: *const ()) -> *mut BatchHeader,
    /// Sends a batch to the next component. Inside `handle` it takes the place of the message at
    /// the batch's cursor and never waits; elsewhere it waits for room.
    #[sabi(last_prefix_field)]
    pub send: unsafe extern "C" fn(
        context: *const (),
        batch: *mut BatchHeader,
        options: &SendOptions,
    ) -> SendStatus,
}

/// The host, as one worker's component sees it. Clones may go to any thread.
#[repr(C)]
#[derive(StableAbi)]
pub struct Host {
    context: *const (),
    services: HostServices_Ref,
}

// SAFETY: every service may be called from any thread (HostServices).
unsafe impl Send for Host {}
// SAFETY: every service may be called from any thread, also by several at once (HostServices).
unsafe impl Sync for Host {}

/// Calls a service, of those that take values and texts alone, with the context of a host.
macro_rules! service {
    ($host:ident.$service:ident($($argument:ident),*)) => {
        // SAFETY: the host holds the context, which is what these services expect
        // (`Host::from_raw`).
        unsafe { ($host.services.$service())($host.context, $($argument),*) }
    };
}

impl Host {
    /// # Safety
    /// `context` is what the services expect, and one hold of it is given over.
    pub(super) unsafe fn from_raw(context: *const (), services: HostServices_Ref) -> Self {
        Host { context, services }
    }

    /// Whether a line of this level would be written.
    pub fn log_enabled(&self, level: Level, target: &str) -> bool {
        let target = target.into();
        service!(self.log_enabled(level, target))
    }

    /// Writes a line to the host's log. `log` and `tracing` do so too, inside a component's calls
    /// and a [`Host::scope`].
    pub fn log(&self, level: Level, target: &str, text: &str) {
        let (target, text) = (target.into(), text.into());
        service!(self.log(level, target, text))
    }

    /// Finds or makes a metric: see [`Host::metric`].
    pub(super) fn register(
        &self,
        description: &MetricDescription<'_>,
    ) -> Result<&'static Metric, RawError> {
        let metric = service!(self.metric(description)).into_result()?;
        // SAFETY: the host gives a metric that lives as long as the process (HostServices).
        Ok(unsafe { &*metric })
    }

    /// Nanoseconds since 1970.
    pub fn now(&self) -> i64 {
        service!(self.now())
    }

    /// Nanoseconds of a clock that never goes back. In tests the harness moves it.
    pub fn monotonic(&self) -> i64 {
        service!(self.monotonic())
    }

    /// Calls `timer` (of a source: `produce`) soon, on the worker's thread.
    pub fn wake(&self) {
        self.wake_at(0);
    }

    /// Calls `timer` (of a source: `produce`) at that moment of [`Host::monotonic`], once. There is
    /// one moment for each worker: a later call replaces it, `i64::MAX` takes it back. Calls at
    /// other moments may come too.
    pub fn wake_at(&self, moment: i64) {
        service!(self.wake_at(moment))
    }

    /// Ends the pipeline because no more of its messages are wanted: this is not a failure.
    /// Messages that this component does not finish from now on are returned to their source.
    pub fn finish(&self) {
        let no_error = RStr::from_str("");
        service!(self.stop(no_error))
    }

    /// Ends the pipeline as failed. What this component does not get done from now on is returned
    /// to its source.
    pub fn fail(&self, error: &str) {
        let error = if error.is_empty() { "failed without a message" } else { error }.into();
        service!(self.stop(error))
    }

    /// Whether the pipeline is ending.
    pub fn is_stopping(&self) -> bool {
        service!(self.is_stopping())
    }

    /// A descriptor that becomes readable when the pipeline is ending, to be polled beside what a
    /// source waits for; never read it. `None` in a test, where nothing signals.
    pub fn stop_descriptor(&self) -> Option<BorrowedFd<'_>> {
        let descriptor = service!(self.stop_descriptor());
        // SAFETY: the host keeps the descriptor open as long as `self` holds the context.
        (descriptor >= 0).then(|| unsafe { BorrowedFd::borrow_raw(descriptor) })
    }

    /// A directory for what the component must remember. It is made now if it wasn't there, and
    /// locked until the pipeline has ended: no other process gets it meanwhile. All workers of one
    /// component have the same; the files `lock` and `origin` in it are the host's.
    ///
    /// # Errors
    /// When it cannot be made, or another process has it, in the host's words.
    pub fn state_directory(&self) -> Result<PathBuf, RawError> {
        let directory = service!(self.state_directory());
        Ok(PathBuf::from(directory.into_result()?.into_string()))
    }

    /// A name that no other component in the world has. It stays the same as long as the component
    /// has its state directory, which the first call makes. A source whose numbers mean something
    /// in this place alone (the offsets of a file) begins the origin of its messages' identities
    /// with it: see [`Positions::identified`].
    ///
    /// # Errors
    /// As [`Host::state_directory`].
    pub fn origin(&self) -> Result<String, RawError> {
        let origin = service!(self.origin());
        Ok(origin.into_result()?.into_string())
    }

    /// A source will not send messages of this origin with smaller numbers again, not even after
    /// the program is killed: their outcomes are in its checkpoint, on disk. `u64::MAX` says so of
    /// all. Sinks that keep the identities of what they have written may forget these.
    pub fn set_settled(&self, origin: &str, below: u64) {
        let origin = origin.into();
        service!(self.set_settled(origin, below))
    }

    /// The number below which the messages of an origin do not come again, as far as its source has
    /// said; 0 if it has not said anything. Dead letters may come at any time.
    pub fn settled_below(&self, origin: &str) -> u64 {
        let origin = origin.into();
        service!(self.settled_below(origin))
    }

    /// The component dropped so many kept messages unsent.
    pub(super) fn unsent(&self, count: u32) {
        service!(self.unsent(count))
    }

    /// Memory for payloads. Its content is arbitrary: write before you freeze.
    pub fn payload(&self, length: usize) -> PayloadMut {
        service!(self.payload(length))
    }

    /// An empty batch.
    pub fn batch(&self) -> Batch {
        let batch = service!(self.batch());
        // SAFETY: the host gives an empty batch over (HostServices).
        unsafe { Batch::from_raw(batch) }
    }

    /// Sends a batch; on anything but SENT it comes back with the deliveries.
    pub(crate) fn send(
        &self,
        batch: Batch,
        how: Sending,
    ) -> Result<(), (SendStatus, Batch, Deliveries)> {
        let Sending { token, wait, positions, deliveries } = how;
        let tracked = if token.is_some() { SendOptions::TRACKED } else { 0 };
        let parents = deliveries.into_parents();
        let options = SendOptions {
            token: token.unwrap_or(0),
            flags: tracked | if wait { 0 } else { SendOptions::TRY },
            parent_count: parents.len() as u32,
            parents: parents.as_ptr(),
            positions: positions.as_deref().map_or(ptr::null(), ptr::from_ref),
        };
        let batch = batch.into_raw();
        // SAFETY: `self` holds the context, and the parents and positions are here until the call
        // returns. On SENT the batch and the parents are the host's, else still ours.
        unsafe {
            match (self.services.send())(self.context, batch, &options) {
                SendStatus::SENT => Ok(()),
                status => Err((status, Batch::from_raw(batch), Deliveries::from_parents(parents))),
            }
        }
    }
}

impl Clone for Host {
    fn clone(&self) -> Self {
        service!(self.retain());
        Host { ..*self }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // SAFETY: `self` has a hold of the context, and gives it up here, once.
        unsafe { (self.services.release())(self.context) }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Host")
    }
}
