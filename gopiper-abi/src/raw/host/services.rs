//! The host's side of [`HostServices`]: any [`HostSide`] becomes a [`Host`] for components.
use std::{path::PathBuf, sync::Arc};

use abi_stable::{
    prefix_type::WithMetadata,
    std_types::{RErr, ROk, RResult, RStr, RString},
};

pub use crate::raw::host_services::Sending;
use crate::raw::{
    Batch, BatchHeader, Deliveries, Host, HostServices, HostServices_Ref, Level, Metric,
    MetricKind, PayloadMut, RawError, SendOptions, SendStatus,
};

/// What a host does for one worker's component: see [`HostServices`] for what each means. Any
/// thread may call any of it; none may panic.
#[allow(missing_docs)]
pub trait HostSide: Send + Sync + 'static {
    fn log_enabled(&self, level: Level, target: &str) -> bool;
    fn log(&self, level: Level, target: &str, text: &str);
    fn metric(&self, kind: MetricKind, name: &str, help: &str) -> &'static Metric;
    fn now(&self) -> i64;
    fn monotonic(&self) -> i64;
    fn wake_at(&self, moment: i64);
    fn stop(&self, error: Option<&str>);
    fn is_stopping(&self) -> bool;
    fn stop_descriptor(&self) -> i32;
    fn state_directory(&self) -> Result<PathBuf, RawError>;
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
        unsent: unsent::<S>,
        payload: payload::<S>,
        batch: batch::<S>,
        send: send::<S>,
    });
    const VTABLE: HostServices_Ref = HostServices_Ref(Self::VALUE.static_as_prefix());
}

/// # Safety
/// `context` came from [`host`] with the same `S`, and is held by the caller.
unsafe fn side<'a, S>(context: *const ()) -> &'a S {
    // SAFETY: by the caller.
    unsafe { &*context.cast::<S>() }
}

// SAFETY, for all below: they stand in `Services<S>` alone, so their context is an Arc<S>, and a
// caller of a service holds it (HostServices).
unsafe extern "C" fn retain<S: HostSide>(context: *const ()) {
    // SAFETY: see above.
    unsafe { Arc::increment_strong_count(context.cast::<S>()) }
}
unsafe extern "C" fn release<S: HostSide>(context: *const ()) {
    // SAFETY: see above.
    unsafe { Arc::decrement_strong_count(context.cast::<S>()) }
}
unsafe extern "C" fn log_enabled<S: HostSide>(
    context: *const (),
    level: Level,
    target: RStr<'_>,
) -> bool {
    // SAFETY: see above.
    unsafe { side::<S>(context) }.log_enabled(level, target.into())
}
unsafe extern "C" fn log<S: HostSide>(
    context: *const (),
    level: Level,
    target: RStr<'_>,
    text: RStr<'_>,
) {
    // SAFETY: see above.
    unsafe { side::<S>(context) }.log(level, target.into(), text.into());
}
unsafe extern "C" fn metric<S: HostSide>(
    context: *const (),
    kind: MetricKind,
    name: RStr<'_>,
    help: RStr<'_>,
) -> *const Metric {
    // SAFETY: see above.
    unsafe { side::<S>(context) }.metric(kind, name.into(), help.into())
}
unsafe extern "C" fn now<S: HostSide>(context: *const ()) -> i64 {
    // SAFETY: see above.
    unsafe { side::<S>(context) }.now()
}
unsafe extern "C" fn monotonic<S: HostSide>(context: *const ()) -> i64 {
    // SAFETY: see above.
    unsafe { side::<S>(context) }.monotonic()
}
unsafe extern "C" fn wake_at<S: HostSide>(context: *const (), moment: i64) {
    // SAFETY: see above.
    unsafe { side::<S>(context) }.wake_at(moment);
}
unsafe extern "C" fn stop<S: HostSide>(context: *const (), error: RStr<'_>) {
    let error = Some(error.as_str()).filter(|error| !error.is_empty());
    // SAFETY: see above.
    unsafe { side::<S>(context) }.stop(error);
}
unsafe extern "C" fn is_stopping<S: HostSide>(context: *const ()) -> bool {
    // SAFETY: see above.
    unsafe { side::<S>(context) }.is_stopping()
}
unsafe extern "C" fn stop_descriptor<S: HostSide>(context: *const ()) -> i32 {
    // SAFETY: see above.
    unsafe { side::<S>(context) }.stop_descriptor()
}
unsafe extern "C" fn state_directory<S: HostSide>(
    context: *const (),
) -> RResult<RString, RawError> {
    // SAFETY: see above.
    match unsafe { side::<S>(context) }.state_directory() {
        Ok(path) => ROk(path.to_string_lossy().into_owned().into()),
        Err(error) => RErr(error),
    }
}
unsafe extern "C" fn unsent<S: HostSide>(context: *const (), count: u32) {
    // SAFETY: see above.
    unsafe { side::<S>(context) }.unsent(count);
}
unsafe extern "C" fn payload<S: HostSide>(context: *const (), length: usize) -> PayloadMut {
    // SAFETY: see above.
    unsafe { side::<S>(context) }.payload(length)
}
unsafe extern "C" fn batch<S: HostSide>(context: *const ()) -> *mut BatchHeader {
    // SAFETY: see above.
    unsafe { side::<S>(context) }.batch().into_raw()
}
unsafe extern "C" fn send<S: HostSide>(
    context: *const (),
    batch: *mut BatchHeader,
    options: &SendOptions,
) -> SendStatus {
    // SAFETY: see above; the batch and the parents are the caller's to give. What is not sent goes
    // back to the caller, who still refers to both.
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
                // the same (this ends the process), it would free what was freed.
                assert!(returned.into_raw() == batch, "a host gives back the batch that it got");
                let parents = sending.deliveries.into_parents().len();
                assert!(parents == options.parent_count as usize, "and the deliveries");
                status
            }
        }
    }
}
