//! Puts the values of expressions into parts of a message.
use std::collections::BTreeMap;

use expressions::{Expression, Kept, Scope, Target};
use gopiper_abi::{
    BatchCall, BatchComponent, Error, Factory, HandleFlags, Host, Message, Postponed, Report,
    attributes, export_component,
};
use json_fields::OnError;

/// The number for the reason in reports.
const NO_VALUE: u8 = 1;

attributes! {
    /// Puts the values of expressions into parts of a message.
    pub struct Attributes {
        /// What to set, with an expression for each:
        /// `{ ['json.slow'] = 'json.ms > 500', ['attributes.kind'] = '"request"' }`. All
        /// expressions read the message as it came.
        pub set: BTreeMap<String, String>,
        /// What becomes of a message for which an expression has no value, or that has no place for
        /// one.
        pub on_error: OnError = OnError::Fail,
    }
}

/// Makes [`Set`]s.
pub struct SetFactory {
    attributes: Attributes,
}

impl Factory for SetFactory {
    type Component = Set;
    type Attributes = Attributes;

    fn new(attributes: Attributes) -> Result<Self, Error> {
        if attributes.set.is_empty() {
            return Err(Error::attribute("set", "is empty: name what to set"));
        }
        parse(&attributes.set)?;
        Ok(SetFactory { attributes })
    }

    fn create(&self, postponed: Postponed) -> Result<Set, Error> {
        let assignments = parse(&self.attributes.set)?;
        let (on_error, host) = (self.attributes.on_error, postponed.host().clone());
        Ok(Set { assignments, on_error, host, values: Vec::new() })
    }
}

struct Assignment {
    /// As the attribute names it.
    name: String,
    target: Target,
    value: Expression,
}

fn parse(set: &BTreeMap<String, String>) -> Result<Vec<Assignment>, Error> {
    let assignments = set.iter().map(|(name, value)| {
        let target =
            Target::parse(name).map_err(|mistake| Error::attribute("set", mistake.to_string()))?;
        let path = format!("set.{name}");
        let value = Expression::parse(value)
            .map_err(|mistake| Error::attribute(&path, mistake.to_string()))?;
        Ok(Assignment { name: name.clone(), target, value })
    });
    assignments.collect()
}

/// The component of one worker.
pub struct Set {
    assignments: Vec<Assignment>,
    on_error: OnError,
    host: Host,
    /// Those of the current message, which is read to the end before it is changed.
    values: Vec<Kept>,
}

impl Set {
    fn change(&mut self, message: &mut Message, now: i64) -> Result<(), String> {
        self.values.clear();
        for Assignment { name, value, .. } in &self.assignments {
            let value = value.value(&Scope::new(message, now));
            self.values.push(value.map_err(|failure| format!("{name}, {failure}"))?.keep());
        }
        for (assignment, value) in self.assignments.iter_mut().zip(self.values.drain(..)) {
            let set = assignment.target.set(message, value);
            set.map_err(|what| format!("{}: {what}", assignment.name))?;
        }
        Ok(())
    }
}

impl BatchComponent for Set {
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        let now = self.host.now();
        call.each(|mut message, handled| {
            // Shares its bytes: this copies nothing.
            let original = matches!(self.on_error, OnError::Keep).then(|| message.duplicate());
            match (self.change(&mut message, now), self.on_error) {
                (Ok(()), _) => handled.done(message),
                (Err(what), OnError::Fail) => {
                    handled.report(message, Report::fail(NO_VALUE, what));
                }
                (Err(_), OnError::Drop) => handled.report(message, Report::DROP),
                (Err(_), OnError::Keep) => handled.done(original.unwrap_or(message)),
            }
        })
    }
}

export_component!(transform: SetFactory);

#[cfg(test)]
mod tests {
    use gopiper_abi::{Map, Value, testing::Harness};

    use super::*;

    fn harness(set: &[(&str, &str)], on_error: &str) -> Result<Harness, Error> {
        let set: Map = set.iter().map(|(name, value)| (*name, Value::from(*value))).collect();
        Harness::transform::<SetFactory>([("set", set.into()), ("on_error", on_error.into())])
    }

    fn sent(set: &[(&str, &str)], on_error: &str, line: &str) -> Vec<String> {
        let mut harness = harness(set, on_error).unwrap();
        harness.handle([line]);
        harness.sent().into_iter().map(|line| String::from_utf8(line).unwrap()).collect()
    }

    #[test]
    fn sets_what_expressions_say_and_leaves_the_rest() {
        let set = [("json.slow", "json.ms > 500"), ("json.ms", "json.ms / 1000.0")];
        assert_eq!(
            sent(&set, "fail", r#"{ "ms": 1500, "big": 1.0e3 }"#),
            [r#"{ "ms": 1.5, "big": 1.0e3 ,"slow":true}"#]
        );
    }

    #[test]
    fn a_message_without_a_value_fails_is_dropped_or_kept_as_it_came() {
        // The second assignment fails after the first has been made.
        let set = [("json.a", "1"), ("time", "2")];
        let line = r#"{"b":0}"#;
        assert_eq!(sent(&set, "keep", line), [line]);
        assert!(sent(&set, "drop", line).is_empty());
        let reports = harness(&set, "fail").unwrap().handle([line]);
        assert_eq!(reports[0].description, "time: the time of a message has to be a time");
        let reports = harness(&[("json.a", "json.c")], "fail").unwrap().handle([line]);
        assert_eq!(reports[0].description, "json.a, column 1: there is no json.c");
    }

    #[test]
    fn mistakes_are_found_before_the_first_message() {
        let refusal = |set: &[(&str, &str)]| harness(set, "fail").unwrap_err().to_string();
        let text = refusal(&[("json.a", "jason.b")]);
        assert!(text.starts_with("attribute set.json.a: there is no 'jason'"), "{text}");
        assert!(refusal(&[("now", "1")]).contains("cannot be set"));
        assert!(refusal(&[]).contains("is empty"));
    }
}
