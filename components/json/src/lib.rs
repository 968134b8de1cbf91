//! Parses and formats JSON, and picks, drops and renames its fields in the text.
mod fields;
mod values;

use std::collections::BTreeMap;

use gopiper_abi::{
    BatchCall, BatchComponent, Error, Factory, HandleFlags, Message, Payload, Postponed, Report,
    attributes, export_component,
};
use json_fields::OnError;

use crate::fields::{Operation, Tree};

/// The numbers for the reasons in reports.
const NOT_JSON: u8 = 1;
const NO_VALUE: u8 = 2;

attributes! {
    /// Parses and formats JSON, and picks, drops and renames its fields.
    ///
    /// Give one of `parse`, `format`, `pick`, `drop` and `rename`.
    pub struct Attributes {
        /// Put the whole of the data into the structured value, which other components and
        /// functions read. The data stays.
        #[serde(default)]
        pub parse: bool,
        /// Write the structured value into the data.
        #[serde(default)]
        pub format: bool,
        /// Keep these fields alone: paths such as `user.name`, `list.0` and `list.*.name`.
        pub pick: Option<Vec<String>>,
        /// Remove these fields.
        pub drop: Option<Vec<String>>,
        /// Give fields other names: `{ ['user.name'] = 'login' }` makes `user.login` of
        /// `user.name`. A field that has the name already is removed.
        pub rename: Option<BTreeMap<String, String>>,
        /// What becomes of a message that is not JSON, or has no structured value to format.
        pub on_error: OnError = OnError::Fail,
    }
}

/// The work on each message.
#[derive(Clone)]
enum Work {
    Parse,
    Format,
    Fields(Operation, Tree),
}

/// Makes [`Json`]s.
pub struct JsonFactory {
    work: Work,
    on_error: OnError,
}

impl Factory for JsonFactory {
    type Component = Json;
    type Attributes = Attributes;

    fn new(attributes: Attributes) -> Result<Self, Error> {
        let Attributes { parse, format, pick, drop, rename, on_error } = attributes;
        let tree = |name: &str, paths: Vec<(String, Option<String>)>| {
            let mut tree = Tree::default();
            for (path, new) in &paths {
                tree.add(path, new.as_deref())
                    .map_err(|problem| Error::attribute(name, format!("wrong{problem}")))?;
            }
            Ok::<_, Error>(tree)
        };
        let alone = |paths: Vec<String>| paths.into_iter().map(|path| (path, None)).collect();
        let work = match (parse, format, pick, drop, rename) {
            (true, false, None, None, None) => Work::Parse,
            (false, true, None, None, None) => Work::Format,
            (false, false, Some(paths), None, None) => {
                Work::Fields(Operation::Pick, tree("pick", alone(paths))?)
            }
            (false, false, None, Some(paths), None) => {
                Work::Fields(Operation::Drop, tree("drop", alone(paths))?)
            }
            (false, false, None, None, Some(names)) => {
                let names = names.into_iter().map(|(path, name)| (path, Some(name))).collect();
                Work::Fields(Operation::Rename, tree("rename", names)?)
            }
            _ => {
                let what = "give exactly one of 'parse', 'format', 'pick', 'drop' and 'rename'";
                return Err(Error::new(what));
            }
        };
        Ok(JsonFactory { work, on_error })
    }

    fn create(&self, _postponed: Postponed) -> Result<Json, Error> {
        Ok(Json { work: self.work.clone(), on_error: self.on_error })
    }
}

/// The component of one worker.
pub struct Json {
    work: Work,
    on_error: OnError,
}

impl Json {
    fn handle(&self, message: &mut Message) -> Result<(), Report> {
        let not_json =
            |problem| Report::fail(NOT_JSON, format!("the data cannot be handled{problem}"));
        match &self.work {
            Work::Parse => {
                let value = values::value_of(message.data()).map_err(not_json)?;
                message.set_value(value);
            }
            Work::Format => {
                let Some(value) = message.value() else {
                    let what = "it has no structured value: parse it first";
                    return Err(Report::fail(NO_VALUE, what));
                };
                let mut text = Vec::new();
                json_fields::put(&mut text, value);
                message.set_data(Payload::from(text));
            }
            Work::Fields(operation, tree) => {
                let text = json_fields::after_mark(message.data());
                if let Some(text) = tree.apply(*operation, text).map_err(not_json)? {
                    message.set_data(Payload::from(text));
                }
            }
        }
        Ok(())
    }
}

impl BatchComponent for Json {
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        call.each(|mut message, handled| match (self.handle(&mut message), self.on_error) {
            (Ok(()), _) | (Err(_), OnError::Keep) => handled.done(message),
            (Err(_), OnError::Drop) => handled.report(message, Report::DROP),
            (Err(report), OnError::Fail) => handled.report(message, report),
        })
    }
}

export_component!(transform: JsonFactory);

#[cfg(test)]
mod tests {
    use gopiper_abi::{Value, testing::Harness};

    use super::*;

    fn harness(attributes: Vec<(&'static str, Value)>) -> Result<Harness, Error> {
        Harness::transform::<JsonFactory>(attributes)
    }

    fn list(texts: &[&str]) -> Value {
        texts.iter().map(|text| Value::from(*text)).collect::<Vec<_>>().into()
    }

    #[test]
    fn a_parsed_message_has_a_value_and_its_data() {
        let mut json = harness(vec![("parse", true.into())]).unwrap();
        let reports = json.handle([r#"{"a":[1]}"#, "no JSON"]);
        assert!(reports[1].description.starts_with("the data cannot be handled: the JSON"));
        let messages = json.sent_messages();
        let value = messages[0].value().and_then(Value::as_map).unwrap();
        assert_eq!(value.get("a").and_then(Value::as_list).map(<[Value]>::len), Some(1));
        assert_eq!(messages[0].data(), br#"{"a":[1]}"#);
    }

    #[test]
    fn a_value_is_formatted() {
        let mut json = harness(vec![("format", true.into())]).unwrap();
        let mut message = Message::new("old");
        message.set_value(vec![Value::from(1i64), 1.0.into()].into());
        json.handle([message, Message::new("without a value")]);
        assert_eq!(json.sent(), [b"[1,1.0]"]);
    }

    #[test]
    fn fields_are_picked_dropped_and_renamed() {
        let line = r#"{"a":1,"b":2}"#;
        let names: gopiper_abi::Map = [("a", Value::from("c"))].into_iter().collect();
        for (attribute, expected) in [
            (("pick", list(&["b"])), r#"{"b":2}"#),
            (("drop", list(&["b"])), r#"{"a":1}"#),
            (("rename", names.into()), r#"{"c":1,"b":2}"#),
        ] {
            let mut json = harness(vec![attribute]).unwrap();
            json.handle([line]);
            assert_eq!(json.sent(), [expected.as_bytes()]);
        }
    }

    #[test]
    fn what_cannot_be_handled_is_kept_or_dropped_where_asked_for() {
        for (on_error, expected) in [("keep", 2), ("drop", 1), ("fail", 1)] {
            let attributes = vec![("drop", list(&["a"])), ("on_error", on_error.into())];
            let mut json = harness(attributes).unwrap();
            json.handle([r#"{"a":1}"#, "{no JSON}"]);
            assert_eq!(json.sent().len(), expected, "{on_error}");
        }
    }

    #[test]
    fn wrong_attributes_are_refused() {
        let refusal = |attributes| harness(attributes).unwrap_err().to_string();
        assert!(refusal(vec![]).contains("exactly one of"));
        let both = vec![("parse", true.into()), ("pick", list(&["a"]))];
        assert!(refusal(both).contains("exactly one of"));
        let text = refusal(vec![("drop", list(&["/a~b"]))]);
        assert!(text.starts_with("attribute drop: wrong: '/a~b' is not a JSON Pointer"), "{text}");
    }
}
