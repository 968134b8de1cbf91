//! The rules for metrics of components, the same in every host.
use crate::raw::{MetricDescription, MetricKind, RawError};

/// The labels that every metric of a component has, and those of Prometheus itself.
const TAKEN_LABELS: [&str; 7] =
    ["pipeline", "component_id", "component_kind", "component_type", "worker", "le", "quantile"];
/// Endings by which Prometheus tells the parts of a metric apart.
const TAKEN_ENDINGS: [&str; 5] = ["_bucket", "_count", "_sum", "_created", "_info"];
const MOST_LABELS: usize = 8;
const MOST_BOUNDS: usize = 64;
const LONGEST_NAME: usize = 100;
const LONGEST_VALUE: usize = 200;

impl MetricDescription<'_> {
    /// Checks all that does not depend on other metrics.
    ///
    /// # Errors
    /// The description breaks a rule; the text gives a valid form.
    pub fn check(&self) -> Result<(), RawError> {
        let name = self.name.as_str();
        let refuse = |why: String| Err(RawError::new("", format!("metric '{name}': {why}")));
        if !is_name(name) {
            return refuse(format!(
                "a name has up to {LONGEST_NAME} lower-case letters, digits and '_', and begins \
                 with a letter"
            ));
        }
        if let Some(ending) = TAKEN_ENDINGS.iter().find(|ending| name.ends_with(**ending)) {
            return refuse(format!("the ending '{ending}' has a meaning of its own: rename it"));
        }
        if self.kind.0 > MetricKind::HISTOGRAM.0 {
            return refuse(format!("this gopiper knows no kind {}: use a newer one", self.kind.0));
        }
        let is_counter = self.kind == MetricKind::COUNTER;
        if is_counter != name.ends_with("_total") {
            return refuse(match is_counter {
                true => format!("a counter's name ends in '_total': {name}_total"),
                false => "only a counter's name ends in '_total'".into(),
            });
        }
        let unit = self.unit.as_str();
        let measured = name.strip_suffix("_total").unwrap_or(name);
        if !unit.is_empty() && !measured.ends_with(&format!("_{unit}")) {
            return refuse(format!("its name has to end in its unit: {measured}_{unit}"));
        }
        self.check_labels().or_else(refuse)?;
        self.check_bounds().or_else(refuse)
    }

    fn check_labels(&self) -> Result<(), String> {
        if self.labels.len() > MOST_LABELS {
            return Err(format!("it has {} labels: {MOST_LABELS} at most", self.labels.len()));
        }
        for (place, label) in self.labels.iter().enumerate() {
            let name = label.name.as_str();
            if !is_name(name) {
                return Err(format!("its label '{name}' has no valid name"));
            }
            let others = || self.labels[..place].iter().map(|other| other.name.as_str());
            if TAKEN_LABELS.contains(&name) || others().any(|other| other == name) {
                return Err(format!("the label '{name}' exists already: rename it"));
            }
            if label.value.len() > LONGEST_VALUE {
                return Err(format!(
                    "the value of its label '{name}' has {} bytes: {LONGEST_VALUE} at most",
                    label.value.len()
                ));
            }
        }
        Ok(())
    }

    fn check_bounds(&self) -> Result<(), String> {
        let bounds = self.bounds.as_slice();
        if self.kind != MetricKind::HISTOGRAM {
            return match bounds {
                [] => Ok(()),
                _ => Err("only a histogram has bounds".into()),
            };
        }
        if !(1..=MOST_BOUNDS).contains(&bounds.len()) {
            return Err(format!("it has {} bounds: give 1 to {MOST_BOUNDS}", bounds.len()));
        }
        let ascend = bounds.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascend || bounds.iter().any(|bound| !bound.is_finite()) {
            return Err("its bounds have to be finite, each greater than the one before".into());
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_lowercase();
    name.starts_with(is_letter)
        && name.len() <= LONGEST_NAME
        && name.chars().all(|c| is_letter(c) || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::Label;

    fn described<'a>(kind: MetricKind, name: &'a str) -> MetricDescription<'a> {
        let bounds: &[f64] = if kind == MetricKind::HISTOGRAM { &[1.0, 2.0] } else { &[] };
        MetricDescription {
            kind,
            reserved: 0,
            name: name.into(),
            help: "It is a test.".into(),
            unit: "".into(),
            labels: [].as_slice().into(),
            bounds: bounds.into(),
        }
    }

    #[track_caller]
    fn refused(description: &MetricDescription<'_>, why: &str) {
        let error = description.check().expect_err("it is refused").to_string();
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn names_are_prometheus_and_say_what_they_count() {
        for (kind, name) in [
            (MetricKind::COUNTER, "lines_total"),
            (MetricKind::GAUGE, "open_connections"),
            (MetricKind::HISTOGRAM, "query_seconds"),
        ] {
            assert!(described(kind, name).check().is_ok(), "{name}");
        }
        for name in ["", "1st", "Lines", "lines-read", "_lines", "zeilenlänge", &"x".repeat(101)] {
            refused(&described(MetricKind::GAUGE, name), "begins with a letter");
        }
        refused(&described(MetricKind::COUNTER, "lines"), "ends in '_total': lines_total");
        refused(&described(MetricKind::GAUGE, "lines_total"), "only a counter's");
        refused(&described(MetricKind::GAUGE, "lines_count"), "the ending '_count'");
        let mut counter = described(MetricKind::COUNTER, "sent_total");
        counter.unit = "bytes".into();
        refused(&counter, "end in its unit: sent_bytes");
        counter.name = "sent_bytes_total".into();
        assert!(counter.check().is_ok());
    }

    #[test]
    fn labels_are_few_and_differ_from_those_of_the_host() {
        let label = |name: &'static str| Label { name: name.into(), value: "a".into() };
        for (labels, why) in [
            (vec![label("pipeline")], "'pipeline' exists already"),
            (vec![label("peer"), label("peer")], "'peer' exists already"),
            (vec![label("a b")], "'a b' has no valid name"),
            (vec![label("peer"); 9], "9 labels: 8 at most"),
        ] {
            let labels = labels.as_slice().into();
            refused(&MetricDescription { labels, ..described(MetricKind::GAUGE, "open") }, why);
        }
        let long = "x".repeat(201);
        let labels = [Label { name: "peer".into(), value: long.as_str().into() }];
        let gauge = MetricDescription {
            labels: labels.as_slice().into(),
            ..described(MetricKind::GAUGE, "open")
        };
        refused(&gauge, "has 201 bytes: 200 at most");
    }

    #[test]
    fn bounds_ascend_and_are_a_histograms() {
        let histogram = || described(MetricKind::HISTOGRAM, "query_seconds");
        let many: Vec<f64> = (0..65).map(f64::from).collect();
        for (bounds, why) in [
            (&[][..], "0 bounds"),
            (&many, "65 bounds"),
            (&[1.0, 1.0], "greater than the one before"),
            (&[1.0, f64::INFINITY], "finite"),
            (&[f64::NAN], "finite"),
        ] {
            refused(&MetricDescription { bounds: bounds.into(), ..histogram() }, why);
        }
        refused(&MetricDescription { kind: MetricKind::GAUGE, ..histogram() }, "only a histogram");
    }
}
