//! A message as the broker has it, as one of the pipeline.
use gopiper_abi::{Message, Report};
use kafka_client::{read_field, read_headers};
use rdkafka::message::{BorrowedMessage, Message as _};

use crate::settings::Fields;

/// The number for the reason in reports.
const NO_HEADERS: u8 = 1;

pub(crate) fn message_of(arrived: &BorrowedMessage<'_>, fields: &Fields) -> Message {
    let mut message = Message::new(arrived.payload().unwrap_or_default().to_vec());
    if let Some(milliseconds) = arrived.timestamp().to_millis() {
        message.set_time(milliseconds.saturating_mul(1_000_000));
    }
    if !fields.topic.is_empty() {
        message.set_attribute(&fields.topic, arrived.topic());
    }
    if let (Some(key), false) = (arrived.key(), fields.key.is_empty()) {
        match std::str::from_utf8(key) {
            Ok(text) => message.set_attribute(&fields.key, text),
            Err(_) => message.set_attribute(&fields.key, read_field(key)),
        }
    }
    if arrived.payload().is_none() && !fields.tombstone.is_empty() {
        message.set_attribute(&fields.tombstone, true);
    }
    if let Some(name) = &fields.partition {
        message.set_attribute(name, arrived.partition());
    }
    if let Some(name) = &fields.offset {
        message.set_attribute(name, arrived.offset());
    }
    let read = match arrived.headers() {
        None => Ok(()),
        Some(headers) => read_headers(headers, &fields.header_prefix, &mut message),
    };
    match read {
        Ok(()) => message,
        Err(why) => message.with_report(Report::fail(NO_HEADERS, why)),
    }
}
