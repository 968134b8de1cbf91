//! The description of a metric, word by word. Workers register their metrics once, and then only
//! change them.
use crate::raw::{
    Counter, Gauge, Histogram, Host, Label, Metric, MetricDescription, MetricKind, RawError,
};

impl Host {
    /// A metric, published as `gopiper_component_NAME` with the component's labels. `help` says in
    /// a sentence what it counts or measures.
    pub fn metric<'a>(&'a self, name: &'a str, help: &'a str) -> NewMetric<'a> {
        NewMetric { host: self, name, help, unit: "", labels: Vec::new() }
    }
}

/// A metric that is being described: [`NewMetric::counter`], [`NewMetric::gauge`] or
/// [`NewMetric::histogram`] registers it. The same description gives the same metric again: the
/// workers of a component share it.
///
/// ```
/// # use gopiper_abi::{Error, Host};
/// # fn example(host: &Host) -> Result<(), Error> {
/// let lines = host.metric("lines_total", "Lines that were read.").counter()?;
/// let duration = host
///     .metric("query_duration_seconds", "How long a query took.")
///     .unit("seconds")
///     .label("table", "orders")
///     .histogram(&[0.001, 0.01, 0.1, 1.0])?;
/// lines.add(1);
/// duration.record(0.004);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "it is registered by `counter`, `gauge` or `histogram`"]
pub struct NewMetric<'a> {
    host: &'a Host,
    name: &'a str,
    help: &'a str,
    unit: &'a str,
    labels: Vec<Label<'a>>,
}

impl<'a> NewMetric<'a> {
    /// Its unit, in the plural (`bytes`, `seconds`). The name has to end in it
    /// (before `_total`).
    pub fn unit(mut self, unit: &'a str) -> Self {
        self.unit = unit;
        self
    }

    /// A label beside those that each metric of the component has. Each value is a metric of its
    /// own, so take values from a small set: a component may have 100 for each name.
    pub fn label(mut self, name: &'a str, value: &'a str) -> Self {
        self.labels.push(Label { name: name.into(), value: value.into() });
        self
    }

    /// Registers a number that only grows. Its name ends in `_total`.
    ///
    /// # Errors
    /// The host refuses the name or a label, in its words.
    pub fn counter(self) -> Result<Counter, RawError> {
        self.register(MetricKind::COUNTER, &[]).map(Counter)
    }

    /// Registers a number that goes up and down.
    ///
    /// # Errors
    /// The host refuses the name or a label, in its words.
    pub fn gauge(self) -> Result<Gauge, RawError> {
        self.register(MetricKind::GAUGE, &[]).map(Gauge)
    }

    /// Registers counts of values by their size: `bounds` are the upper bounds of the buckets, in
    /// ascending order, 64 at most. Greater values are counted beyond the last one.
    ///
    /// # Errors
    /// The host refuses the name, a label or the bounds, in its words.
    pub fn histogram(self, bounds: &[f64]) -> Result<Histogram, RawError> {
        self.register(MetricKind::HISTOGRAM, bounds).map(Histogram)
    }

    fn register(&self, kind: MetricKind, bounds: &[f64]) -> Result<&'static Metric, RawError> {
        self.host.register(&MetricDescription {
            kind,
            reserved: 0,
            name: self.name.into(),
            help: self.help.into(),
            unit: self.unit.into(),
            labels: self.labels.as_slice().into(),
            bounds: bounds.into(),
        })
    }
}
