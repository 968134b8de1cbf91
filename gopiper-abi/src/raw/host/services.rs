//! The host's side of [`HostServices`]: any [`HostSide`] becomes a [`Host`] for components.
use std::{path::PathBuf, ptr, sync::Arc};

use abi_stable::{
    prefix_type::WithMetadata,
    std_types::{RResult, RStr, RString},
};

pub use crate::raw::host_services::Sending;
use crate::raw::{
    Batch, BatchHeader, Deliveries, Host, HostServices, HostServices_Ref, Level, Metric,
    MetricDescription, PayloadMut, RawError, SendOptions, SendStatus,
};

/// The services of a host for one worker's component: see [`HostServices`] for the meaning of each.
/// Any thread may call any of it; none may panic.
#[allow(missing_docs)]
pub trait HostSide: Send + Sync + 'static {
    fn log_enabled(&self, level: Level, target: &str) -> bool;
    fn log(&self, level: Level, target: &str, text: &str);
    fn metric(&self, description: &MetricDescription<'_>) -> Result<&'static Metric, RawError>;
    fn now(&self) -> i64;
    fn monotonic(&self) -> i64;
    fn wake_at(&self, moment: i64);
    fn stop(&self, error: Option<&str>);
    fn is_stopping(&self) -> bool;
    fn stop_descriptor(&self) -> i32;
    fn state_directory(&self) -> Result<PathBuf, RawError>;
    fn origin(&self) -> Result<String, RawError>;
    fn set_settled(&self, origin: &str, below: u64);
    fn settled_below(&self, origin: &str) -> u64;
    fn unsent(&self, count: u32);
    fn payload(&self, length: usize) -> PayloadMut;
    fn batch(&self) -> Batch;
    /// Sends, or gives back what it didn't send: that very batch, with all the deliveries.
    fn send(&self, batch: Batch, sending: Sending) -> Result<(), (SendStatus, Batch, Sending)>;
}

/// The host for a component.
pub fn host<S: HostSide>(side: Arc<S>) -> Host {
    // SAFETY: the context is an Arc<S> given over, which is what `Services<S>` expects.
    unsafe { Host::from_raw(Arc::into_raw(side).cast(), Services::<S>::VTABLE) }
}

struct Services<S>(S);

impl<S: HostSide> Services<S> {
    const VALUE: &'static WithMetadata<HostServices> = &WithMetadata::new(HostServices {
        retain: retain::<S>,
        release: release::<S>,
        log_enabled: log_enabled::<S>,
        log: log::<S>,
        metric: metric::<S>,
        now: now::<S>,
        monotonic: monotonic::<S>,
        wake_at: wake_at::<S>,
        stop: stop::<S>,
        is_stopping: is_stopping::<S>,
        stop_descriptor: stop_descriptor::<S>,
        state_directory: state_directory::<S>,
        origin: origin::<S>,
        set_settled: set_settled::<S>,
        settled_below: settled_below::<S>,
        unsent: unsent::<S>,
        payload: payload::<S>,
        batch: batch::<S>,
        send: send::<S>,
    });
    const VTABLE: HostServices_Ref = HostServices_Ref(Self::VALUE.static_as_prefix());
}

/// # Safety
/// `context` came from [`host`] with the same `S`, and the caller holds it.
#[inline]
unsafe fn side<'a, S>(context: *const ()) -> &'a S {
    // SAFETY: the context is the pointer of an Arc<S> that the caller holds (`# Safety`).
    unsafe { &*context.cast::<S>() }
}

/// Services that are calls of a [`HostSide`] alone.
macro_rules! services {
    ($(
        $name:ident($($argument:ident: $type:ty),*) $(-> $returned:ty)? = |$side:ident| $call:expr;
    )*) => {$(
        unsafe extern "C" fn $name<S: HostSide>(
            context: *const (),
            $($argument: $type),*
        ) $(-> $returned)? {
            // SAFETY: this function is in the table of `Services<S>` alone, so the context came
            // from `host::<S>`; a caller of a service holds it (HostServices).
            let $side = unsafe { side::<S>(context) };
            $call
        }
    )*};
}

services! {
    log_enabled(level: Level, target: RStr<'_>) -> bool
        = |side| side.log_enabled(level, target.into());
    log(level: Level, target: RStr<'_>, text: RStr<'_>)
        = |side| side.log(level, target.into(), text.into());
    metric(description: &MetricDescription<'_>) -> RResult<*const Metric, RawError>
        = |side| side.metric(description).map(ptr::from_ref).into();
    now() -> i64 = |side| side.now();
    monotonic() -> i64 = |side| side.monotonic();
    wake_at(moment: i64) = |side| side.wake_at(moment);
    stop(error: RStr<'_>)
        = |side| side.stop(Some(error.as_str()).filter(|error| !error.is_empty()));
    is_stopping() -> bool = |side| side.is_stopping();
    stop_descriptor() -> i32 = |side| side.stop_descriptor();
    state_directory() -> RResult<RString, RawError>
        = |side| {
            let directory = side.state_directory();
            directory.map(|path| path.to_string_lossy().into_owned().into()).into()
        };
    origin() -> RResult<RString, RawError> = |side| side.origin().map(RString::from).into();
    set_settled(origin: RStr<'_>, below: u64) = |side| side.set_settled(origin.into(), below);
    settled_below(origin: RStr<'_>) -> u64 = |side| side.settled_below(origin.into());
    unsent(count: u32) = |side| side.unsent(count);
    payload(length: usize) -> PayloadMut = |side| side.payload(length);
    batch() -> *mut BatchHeader = |side| side.batch().into_raw();
}

unsafe extern "C" fn retain<S: HostSide>(context: *const ()) {
    // SAFETY: the context is the pointer of an Arc<S> (`host::<S>`), which the caller holds
    // (HostServices).
    unsafe { Arc::increment_strong_count(context.cast::<S>()) }
}
unsafe extern "C" fn release<S: HostSide>(context: *const ()) {
    // SAFETY: the context is the pointer of an Arc<S> (`host::<S>`), and the caller gives up its
    // hold (HostServices).
    unsafe { Arc::decrement_strong_count(context.cast::<S>()) }
}
unsafe extern "C" fn send<S: HostSide>(
    context: *const (),
    batch: *mut BatchHeader,
    options: &SendOptions,
) -> SendStatus {
    // SAFETY: the context came from `host::<S>`, and the caller holds it. The batch, the parents
    // and the positions are the caller's, as HostServices says; a batch that is not sent goes back
    // to the caller, who still refers to it.
    unsafe {
        let parents = match options.parent_count {
            0 => Vec::new(),
            count => std::slice::from_raw_parts(options.parents, count as usize).to_vec(),
        };
        let sending = Sending {
            token: (options.flags & SendOptions::TRACKED != 0).then_some(options.token),
            wait: options.flags & SendOptions::TRY == 0,
            positions: options.positions.as_ref().cloned().map(Box::new),
            deliveries: Deliveries::from_parents(parents),
        };
        match side::<S>(context).send(Batch::from_raw(batch), sending) {
            Ok(()) => SendStatus::SENT,
            Err((status, returned, sending)) => {
                // The caller keeps both, and refers to them still: forget them here. Were they not
                // the same (this ends the process), it would free memory twice.
                assert!(returned.into_raw() == batch, "a host gives back the batch that it got");
                let parents = sending.deliveries.into_parents().len();
                assert!(parents == options.parent_count as usize, "and the deliveries");
                status
            }
        }
    }
}
