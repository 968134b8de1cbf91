//! A message as it is written.
use std::borrow::Cow;

use gopiper_abi::{Message, Report, Value, ValueTag};
use kafka_client::{field_bytes, write_headers};
use rdkafka::message::OwnedHeaders;

use crate::Writing;

/// The number for the reason in reports.
pub(crate) const WRONG_MESSAGE: u8 = 1;

/// The record that is written for a message.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) topic: Cow<'a, str>,
    pub(crate) partition: Option<i32>,
    pub(crate) key: Option<Cow<'a, [u8]>>,
    /// `None` is a tombstone.
    pub(crate) payload: Option<&'a [u8]>,
    /// In milliseconds; `None` for the present moment.
    pub(crate) timestamp: Option<i64>,
    pub(crate) headers: Option<OwnedHeaders>,
}

impl<'a> Record<'a> {
    /// # Errors
    /// The report for a message that cannot be written.
    pub(crate) fn of(message: &'a Message, writing: &'a Writing) -> Result<Self, Report> {
        let fail = |problem: String| Report::fail(WRONG_MESSAGE, problem);
        let key = match attribute(message, &writing.key) {
            None => None,
            Some(value) => Some(field_bytes(value).ok_or_else(|| {
                let name = &writing.key;
                fail(format!("attribute {name} cannot be a key: it is no text, bytes or number"))
            })?),
        };
        let partition = writing.partition.as_deref().and_then(|name| attribute(message, name));
        let partition = match partition {
            None => None,
            Some(value) => {
                let number = value.as_i64().and_then(|it| i32::try_from(it).ok());
                let number = number.filter(|it| *it >= 0);
                Some(number.ok_or_else(|| {
                    let name = writing.partition.as_deref().unwrap_or_default();
                    fail(format!("attribute {name} is no number of a partition"))
                })?)
            }
        };
        let is_tombstone =
            attribute(message, &writing.tombstone).and_then(Value::as_bool).unwrap_or(false);
        if is_tombstone && !message.data().is_empty() {
            let name = &writing.tombstone;
            return Err(fail(format!("attribute {name} is true, but the message has data")));
        }
        let milliseconds = message.time().div_euclid(1_000_000);
        Ok(Record {
            topic: writing.topic.of(message).map_err(fail)?,
            partition,
            key,
            payload: (!is_tombstone).then(|| message.data()),
            // The client takes 0 for 'now'.
            timestamp: (milliseconds > 0).then_some(milliseconds),
            headers: write_headers(message, &writing.header_prefix).map_err(fail)?,
        })
    }
}

/// An attribute, unless it is null.
fn attribute<'a>(message: &'a Message, name: &str) -> Option<&'a Value> {
    message.attribute(name).filter(|value| value.tag() != ValueTag::NULL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writing(more: &str) -> Writing {
        let text = format!(r#"{{"connection": {{"brokers": ["a:1"]}}, "topic": "t"{more}}}"#);
        Writing::new(serde_json::from_str(&text).unwrap()).unwrap()
    }

    #[test]
    fn a_message_with_everything() {
        let writing = writing(r#", "partition_attribute": "partition""#);
        let mut message = Message::new("data");
        message.set_time(1_700_000_000_123_999_999);
        message.set_attribute("key", "k");
        message.set_attribute("partition", 3);
        message.set_attribute("header.a", 7);
        let record = Record::of(&message, &writing).unwrap();
        assert_eq!((&*record.topic, record.partition), ("t", Some(3)));
        assert_eq!(record.key.as_deref(), Some(&b"k"[..]));
        assert_eq!(record.payload, Some(&b"data"[..]));
        assert_eq!(record.timestamp, Some(1_700_000_000_123));
        assert!(record.headers.is_some());
    }

    #[test]
    fn a_message_with_nothing() {
        let writing = writing("");
        let mut message = Message::new("");
        let record = Record::of(&message, &writing).unwrap();
        assert_eq!((record.partition, record.timestamp), (None, None));
        assert!(record.key.is_none() && record.headers.is_none());
        assert_eq!(record.payload, Some(&b""[..]), "empty is not the same as none");
        message.set_attribute("tombstone", true);
        message.set_attribute("key", Value::NULL);
        let record = Record::of(&message, &writing).unwrap();
        assert!(record.payload.is_none() && record.key.is_none());
    }

    #[test]
    fn what_cannot_be_written_is_said() {
        let writing = writing(r#", "partition_attribute": "partition""#);
        let with = |change: fn(&mut Message)| {
            let mut message = Message::new("data");
            change(&mut message);
            let report = Record::of(&message, &writing).unwrap_err();
            report.description().unwrap().to_owned()
        };
        let refused = with(|it| it.set_attribute("partition", -1));
        assert!(refused.contains("attribute partition is no number"), "{refused}");
        let refused = with(|it| it.set_attribute("partition", "3"));
        assert!(refused.contains("attribute partition is no number"), "{refused}");
        let refused = with(|it| it.set_attribute("tombstone", true));
        assert!(refused.contains("has data"), "{refused}");
        let refused = with(|it| it.set_attribute("key", Vec::<Value>::new()));
        assert!(refused.contains("cannot be a key"), "{refused}");
    }
}
