//! Running pipelines, as an operator sees them: a report of each component, and the metrics that
//! are made of it.
//!
//! A report reads the counts of the workers, on the caller's thread. A tap makes workers copy some
//! messages, and a trace makes them write down what happens to some. No worker waits for an
//! operator: what finds no room is left out. While a tap or a trace is open, a worker may wait for
//! a lock that is held for a short time.
mod component;
mod families;
mod memory;
mod processor;
mod published;
mod tap;
mod text;
mod trace;

pub use crate::stage::{
    counters::outcome_name,
    durations::DurationCounts,
    failure_log::recent_failures::RecentFailure,
    taps::{Side, TapOptions, TappedMessage},
    traces::TraceOptions,
    traces::passport::{Passport, TraceEvent, TraceStep},
};
pub use component::{ComponentReport, PipelineReport};
pub use families::{FAMILIES, Family, FamilyKind};
pub use memory::{LibraryMemory, resident_bytes};
pub use processor::ProcessorTime;
pub use published::{MetricPoint, PointLabel, PointValue, Published, PublishedMetric, published};
pub use tap::MessageTap;
pub use text::{MetricsFormat, metrics_text};
pub use trace::MessageTrace;
