//! The numbers that a component in C publishes.
use std::{
    ffi::c_char,
    ptr, slice,
    sync::{Mutex, PoisonError},
};

use gopiper_abi::{Counter, Error, Gauge, Histogram, Level, NewMetric};

use crate::{
    host::{gopiper_host, host},
    text::text,
};

/// A metric's kind: it only grows.
pub const GOPIPER_COUNTER: u32 = 0;
/// A metric's kind: it goes up and down.
pub const GOPIPER_GAUGE: u32 = 1;
/// A metric's kind: it counts values by their size.
pub const GOPIPER_HISTOGRAM: u32 = 2;

/// A label of a metric. Take its values from a small set: each is a metric of its own, and a
/// component may have 100 for each name.
#[repr(C)]
pub struct gopiper_label {
    /// Its name.
    pub name: *const c_char,
    /// Its value.
    pub value: *const c_char,
}

/// Describes a metric. Leave out the fields that it does not need.
#[repr(C)]
pub struct gopiper_new_metric {
    /// GOPIPER_COUNTER, GOPIPER_GAUGE or GOPIPER_HISTOGRAM.
    pub kind: u32,
    /// Its name: it is published as `gopiper_component_NAME`. A counter's ends in `_total`.
    pub name: *const c_char,
    /// What it counts or measures, in a sentence.
    pub help: *const c_char,
    /// Its unit, in the plural ("bytes", "seconds"), in which the name ends. NULL for none.
    pub unit: *const c_char,
    /// Labels beside those that each metric of the component has.
    pub labels: *const gopiper_label,
    /// How many.
    pub label_count: usize,
    /// The upper bounds of a histogram's buckets, in ascending order.
    pub bounds: *const f64,
    /// How many.
    pub bound_count: usize,
}

/// A number that the host publishes. Valid as long as the host that it came from.
pub struct gopiper_metric(Registered);

#[derive(Clone, Copy)]
enum Registered {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
}

/// What a worker has registered. In boxes: C keeps their addresses. A component that asks for one
/// at each message gets the same each time, which takes no more memory.
#[derive(Default)]
pub(crate) struct KeptMetrics(Mutex<Vec<(String, Box<gopiper_metric>)>>);

impl KeptMetrics {
    fn get_or_insert(
        &self,
        key: String,
        register: impl FnOnce() -> Result<Registered, Error>,
    ) -> Result<*mut gopiper_metric, Error> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, metric)) = kept.iter().find(|(known, _)| *known == key) {
            return Ok(ptr::from_ref(&**metric).cast_mut());
        }
        let metric = Box::new(gopiper_metric(register()?));
        let address = ptr::from_ref(&*metric).cast_mut();
        kept.push((key, metric));
        Ok(address)
    }
}

/// Registers a metric, or finds it again. NULL if the host refuses it (the log says why); the
/// functions below do nothing with NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_metric_new(
    host: *mut gopiper_host,
    described: *const gopiper_new_metric,
) -> *mut gopiper_metric {
    // SAFETY: C got `host` from a callback of this worker; what is described, its texts, labels and
    // bounds are C's, and stay as they are for the call (the header).
    let (host, described, name, help, unit, labels, bounds) = unsafe {
        let described = &*described;
        let labels: &[gopiper_label] = match described.label_count {
            0 => &[],
            count => slice::from_raw_parts(described.labels, count),
        };
        let bounds: &[f64] = match described.bound_count {
            0 => &[],
            count => slice::from_raw_parts(described.bounds, count),
        };
        let labels: Vec<_> =
            labels.iter().map(|label| (text(label.name), text(label.value))).collect();
        let (name, help) = (text(described.name), text(described.help));
        (self::host(host), described, name, help, text(described.unit), labels, bounds)
    };
    let services = host.postponed.host();
    let mut metric: NewMetric<'_> = services.metric(&name, &help).unit(&unit);
    for (name, value) in &labels {
        metric = metric.label(name, value);
    }
    let key = format!("{} {name} {labels:?}", described.kind);
    let registered = host.metrics.get_or_insert(key, || {
        Ok(match described.kind {
            GOPIPER_COUNTER => Registered::Counter(metric.counter()?),
            GOPIPER_GAUGE => Registered::Gauge(metric.gauge()?),
            GOPIPER_HISTOGRAM => Registered::Histogram(metric.histogram(bounds)?),
            kind => return Err(Error::new(format!("metric '{name}': there is no kind {kind}"))),
        })
    });
    registered.unwrap_or_else(|error| {
        services.log(Level::ERROR, module_path!(), &error.to_string());
        ptr::null_mut()
    })
}

/// Adds to a counter: an atomic addition.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_counter_add(metric: *mut gopiper_metric, n: u64) {
    // SAFETY: the caller's metric is NULL or came from `gopiper_metric_new` (the header).
    if let Some(Registered::Counter(counter)) = unsafe { registered(metric) } {
        counter.add(n);
    }
}

/// Sets a gauge.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_gauge_set(metric: *mut gopiper_metric, value: f64) {
    // SAFETY: the caller's metric is NULL or came from `gopiper_metric_new` (the header).
    if let Some(Registered::Gauge(gauge)) = unsafe { registered(metric) } {
        gauge.set(value);
    }
}

/// Adds to a gauge; a negative number makes it smaller.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_gauge_add(metric: *mut gopiper_metric, more: f64) {
    // SAFETY: the caller's metric is NULL or came from `gopiper_metric_new` (the header).
    if let Some(Registered::Gauge(gauge)) = unsafe { registered(metric) } {
        gauge.add(more);
    }
}

/// Counts a value in a histogram.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_histogram_record(metric: *mut gopiper_metric, value: f64) {
    // SAFETY: the caller's metric is NULL or came from `gopiper_metric_new` (the header).
    if let Some(Registered::Histogram(histogram)) = unsafe { registered(metric) } {
        histogram.record(value);
    }
}

/// # Safety
/// `metric` is NULL, or came from [`gopiper_metric_new`], whose host is valid still.
unsafe fn registered(metric: *mut gopiper_metric) -> Option<Registered> {
    // SAFETY: its host keeps the metric in a box (`# Safety`), and nothing changes it.
    unsafe { metric.as_ref() }.map(|metric| metric.0)
}
