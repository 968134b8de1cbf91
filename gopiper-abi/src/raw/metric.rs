//! The numbers that a component publishes. The host makes them and reads them; a component only
//! changes them, on any thread, without a lock and without a call.
use std::{
    ptr, slice,
    sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use abi_stable::{
    StableAbi,
    std_types::{RSlice, RStr},
};

/// The kind of a metric: an open number.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, StableAbi)]
pub struct MetricKind(pub u32);

shown_by_name!(MetricKind: COUNTER GAUGE HISTOGRAM);

impl MetricKind {
    /// It only grows.
    pub const COUNTER: Self = MetricKind(0);
    /// It goes up and down.
    pub const GAUGE: Self = MetricKind(1);
    /// It counts values by their size.
    pub const HISTOGRAM: Self = MetricKind(2);
}

/// A label of a metric.
#[repr(C)]
#[derive(Debug, Clone, Copy, StableAbi)]
pub struct Label<'a> {
    /// Its name.
    pub name: RStr<'a>,
    /// Its value.
    pub value: RStr<'a>,
}

/// What a component wants published.
#[repr(C)]
#[derive(Debug, Clone, Copy, StableAbi)]
pub struct MetricDescription<'a> {
    /// Its kind.
    pub kind: MetricKind,
    /// Reserved: 0.
    pub reserved: u32,
    /// Its name, without the prefix that the host puts before it.
    pub name: RStr<'a>,
    /// What it counts or measures, for people.
    pub help: RStr<'a>,
    /// Its unit, in the plural; empty if it has none.
    pub unit: RStr<'a>,
    /// Labels beside those that each metric of the component has.
    pub labels: RSlice<'a, Label<'a>>,
    /// The upper bounds of a histogram's buckets.
    pub bounds: RSlice<'a, f64>,
}

/// A number that the host publishes. It lives as long as the process.
#[repr(C)]
#[derive(Debug, StableAbi)]
pub struct Metric {
    /// A counter's number; the bits of a gauge's `f64`; those of a histogram's sum.
    pub value: AtomicU64,
    /// A histogram's upper bounds, in ascending order; null in other metrics.
    pub bounds: *const f64,
    /// How many values were within each bound and not within the one before; one more at the end.
    pub buckets: *const AtomicU64,
    /// How many bounds there are.
    pub bound_count: usize,
}

// SAFETY: the numbers are atomic, and the bounds are never written to (`Metric::histogram`).
unsafe impl Send for Metric {}
// SAFETY: several threads change its numbers as atomics, and only read the rest.
unsafe impl Sync for Metric {}

impl Default for Metric {
    fn default() -> Self {
        Metric::number()
    }
}

impl Metric {
    /// A counter or a gauge, at 0.
    pub const fn number() -> Self {
        Metric {
            value: AtomicU64::new(0),
            bounds: ptr::null(),
            buckets: ptr::null(),
            bound_count: 0,
        }
    }

    /// A histogram with these upper bounds, in ascending order. Its memory is never freed.
    pub fn histogram(bounds: &[f64]) -> Self {
        let buckets: Vec<AtomicU64> = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Metric {
            value: AtomicU64::new(0),
            bounds: Vec::leak(bounds.to_vec()).as_ptr(),
            buckets: Vec::leak(buckets).as_ptr(),
            bound_count: bounds.len(),
        }
    }

    /// The upper bounds of its buckets, and how many values each bucket has. A last bucket without
    /// a bound has the greater ones.
    pub fn buckets(&self) -> (&[f64], &[AtomicU64]) {
        if self.buckets.is_null() {
            return (&[], &[]);
        }
        // SAFETY: a metric with buckets has that many bounds and one bucket more, which are never
        // freed (`Metric::histogram`; a host's metric comes from nowhere else).
        unsafe {
            (
                slice::from_raw_parts(self.bounds, self.bound_count),
                slice::from_raw_parts(self.buckets, self.bound_count + 1),
            )
        }
    }

    fn set_float(&self, value: f64) {
        self.value.store(value.to_bits(), Relaxed);
    }

    fn add_float(&self, more: f64) {
        let add = |bits| Some((f64::from_bits(bits) + more).to_bits());
        // It never fails: `add` always has a value.
        let _ = self.value.fetch_update(Release, Relaxed, add);
    }

    /// The value of a gauge, or the sum of a histogram.
    pub fn float(&self) -> f64 {
        f64::from_bits(self.value.load(Acquire))
    }
}

/// A metric of a component that only grows. Any thread may add to it, without a lock.
#[derive(Debug, Clone, Copy)]
pub struct Counter(pub(in crate::raw) &'static Metric);

impl Counter {
    /// Adds to it.
    pub fn add(self, n: u64) {
        self.0.value.fetch_add(n, Relaxed);
    }

    /// Its current value.
    pub fn get(self) -> u64 {
        self.0.value.load(Relaxed)
    }
}

/// A metric of a component that goes up and down. Any thread may set it, without a lock.
#[derive(Debug, Clone, Copy)]
pub struct Gauge(pub(in crate::raw) &'static Metric);

impl Gauge {
    /// Sets it.
    pub fn set(self, value: f64) {
        self.0.set_float(value);
    }

    /// Adds to it; a negative number makes it smaller.
    pub fn add(self, more: f64) {
        self.0.add_float(more);
    }

    /// Its current value.
    pub fn get(self) -> f64 {
        self.0.float()
    }
}

/// A metric of a component that counts values by their size: durations, say, or lengths. Any thread
/// may record a value, without a lock.
#[derive(Debug, Clone, Copy)]
pub struct Histogram(pub(in crate::raw) &'static Metric);

impl Histogram {
    /// Counts a value: in the bucket of the first bound that is not less. NaN is not counted.
    pub fn record(self, value: f64) {
        if value.is_nan() {
            return;
        }
        let (bounds, buckets) = self.0.buckets();
        buckets[bounds.partition_point(|bound| *bound < value)].fetch_add(1, Relaxed);
        self.0.add_float(value);
    }

    /// How many values were recorded.
    pub fn count(self) -> u64 {
        self.0.buckets().1.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }

    /// The sum of the values.
    pub fn sum(self) -> f64 {
        self.0.float()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_counted_within_the_first_bound_that_is_not_less() {
        let metric = &*Box::leak(Box::new(Metric::histogram(&[1.0, 2.5])));
        let histogram = Histogram(metric);
        for value in [-1.0, 1.0, 1.1, 2.5, 3.0, f64::INFINITY.min(9.0), f64::NAN] {
            histogram.record(value);
        }
        let counts: Vec<_> = metric.buckets().1.iter().map(|n| n.load(Relaxed)).collect();
        assert_eq!(counts, [2, 2, 2]);
        assert_eq!((histogram.count(), histogram.sum()), (6, 15.6));
    }

    #[test]
    fn a_gauge_goes_up_and_down() {
        let gauge = Gauge(Box::leak(Box::default()));
        gauge.set(1.5);
        gauge.add(-2.0);
        assert_eq!(gauge.get(), -0.5);
    }
}
