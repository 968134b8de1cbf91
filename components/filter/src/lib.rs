//! Keeps the messages for which an expression is true, and drops the others.
use expressions::{Expression, Scope};
use gopiper_abi::{
    BatchCall, BatchComponent, Error, Factory, HandleFlags, Host, Postponed, Report, attributes,
    export_component,
};
use json_fields::OnError;

/// The number for the reason in reports.
const NO_VALUE: u8 = 1;

attributes! {
    /// Keeps the messages for which an expression is true, and drops the others.
    pub struct Attributes {
        /// The expression: `json.status >= 500 && attributes.host != 'test'`.
        pub condition: String,
        /// What becomes of a message for which it is neither true nor false.
        pub on_error: OnError = OnError::Fail,
    }
}

/// Makes [`Filter`]s.
pub struct FilterFactory {
    attributes: Attributes,
}

impl Factory for FilterFactory {
    type Component = Filter;
    type Attributes = Attributes;

    fn new(attributes: Attributes) -> Result<Self, Error> {
        parse(&attributes.condition)?;
        Ok(FilterFactory { attributes })
    }

    fn create(&self, postponed: Postponed) -> Result<Filter, Error> {
        let condition = parse(&self.attributes.condition)?;
        let host = postponed.host().clone();
        Ok(Filter { condition, on_error: self.attributes.on_error, host })
    }
}

fn parse(condition: &str) -> Result<Expression, Error> {
    Expression::parse(condition)
        .map_err(|mistake| Error::attribute("condition", mistake.to_string()))
}

/// The component of one worker.
pub struct Filter {
    condition: Expression,
    on_error: OnError,
    host: Host,
}

impl BatchComponent for Filter {
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        let now = self.host.now();
        call.report_each(|_, message| match self.condition.is_true(&Scope::new(message, now)) {
            Ok(true) => Report::DONE,
            Ok(false) => Report::DROP,
            Err(failure) => match self.on_error {
                OnError::Fail => Report::fail(NO_VALUE, format!("condition, {failure}")),
                OnError::Drop => Report::DROP,
                OnError::Keep => Report::DONE,
            },
        })
    }
}

export_component!(transform: FilterFactory);

#[cfg(test)]
mod tests {
    use gopiper_abi::{Value, testing::Harness};

    use super::*;

    fn harness(condition: &str, on_error: &str) -> Harness {
        let attributes = [("condition", Value::from(condition)), ("on_error", on_error.into())];
        Harness::transform::<FilterFactory>(attributes).unwrap()
    }

    const LINES: [&str; 4] =
        [r#"{"status":503}"#, r#"{"status":200}"#, r#"{"state":503}"#, "no JSON"];

    #[test]
    fn keeps_what_is_true_and_fails_what_has_no_value() {
        for (on_error, kept) in [
            ("fail", &LINES[..1]),
            ("drop", &LINES[..1]),
            ("keep", &[LINES[0], LINES[2], LINES[3]]),
        ] {
            let mut filter = harness("json.status >= 500", on_error);
            filter.handle(LINES);
            let sent = filter.sent();
            let sent: Vec<_> = sent.iter().map(|line| std::str::from_utf8(line).unwrap()).collect();
            assert_eq!(sent, kept, "{on_error}");
        }
    }

    #[test]
    fn a_failure_names_the_place_and_the_reason() {
        let mut filter = harness("json.status >= 500", "fail");
        let reports = filter.handle(LINES);
        assert_eq!(reports[2].description, "condition, column 1: there is no json.status");
    }

    #[test]
    fn a_mistake_is_found_before_the_first_message() {
        let attributes = [("condition", "json.status => 500")];
        let attributes = attributes.map(|(name, value)| (name, Value::from(value)));
        let refusal = Harness::transform::<FilterFactory>(attributes).unwrap_err().to_string();
        assert!(refusal.starts_with("attribute condition: "), "{refusal}");
        assert!(refusal.contains("\n  json.status => 500\n"), "{refusal}");
    }
}
