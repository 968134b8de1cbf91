//! A message as the broker has it, as one of the pipeline.
use std::sync::Arc;

use gopiper_abi::{Host, Message, Payload, PayloadMut, Report};
use kafka_client::{read_field, read_headers};
use rdkafka::message::{BorrowedMessage, Message as _};

use crate::{progress::Place, settings::Fields};

/// The number for the reason in reports.
const NO_HEADERS: u8 = 1;
/// How many bytes of payloads share one allocation. A channel counts at least a quarter of it for
/// each batch: with many partitions, batches are small.
const BLOCK: usize = 16 << 10;

/// Makes messages of what arrives. Neighbours share the memory of their payloads, and the
/// attributes that all messages of their partition have.
pub(crate) struct Arrivals {
    fields: Fields,
    host: Host,
    block: PayloadMut,
    /// The attributes of the last message's partition.
    of_partition: Option<(Arc<Place>, Message)>,
}

impl Arrivals {
    pub(crate) fn new(fields: Fields, host: Host) -> Self {
        Arrivals { fields, host, block: PayloadMut::new(0), of_partition: None }
    }

    pub(crate) fn message(&mut self, arrived: &BorrowedMessage<'_>, place: &Arc<Place>) -> Message {
        let mut message = Message::new(self.payload(arrived.payload().unwrap_or_default()));
        if let Some(milliseconds) = arrived.timestamp().to_millis() {
            message.set_time(milliseconds.saturating_mul(1_000_000));
        }
        message.share_attributes(self.attributes_of(place));
        let fields = &self.fields;
        if let (Some(key), false) = (arrived.key(), fields.key.is_empty()) {
            match std::str::from_utf8(key) {
                Ok(text) => message.set_attribute(&fields.key, text),
                Err(_) => message.set_attribute(&fields.key, read_field(key)),
            }
        }
        if arrived.payload().is_none() && !fields.tombstone.is_empty() {
            message.set_attribute(&fields.tombstone, true);
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

    fn payload(&mut self, bytes: &[u8]) -> Payload {
        if bytes.is_empty() {
            return Payload::from_static(b"");
        }
        if self.block.len() < bytes.len() {
            // The rest of a block must be small: it stays in memory with the messages in it.
            if bytes.len() > BLOCK / 4 {
                return Payload::from(bytes.to_vec());
            }
            self.block = self.host.payload(BLOCK);
        }
        self.block[..bytes.len()].copy_from_slice(bytes);
        self.block.split_to(bytes.len())
    }

    fn attributes_of(&mut self, place: &Arc<Place>) -> &Message {
        let known = self.of_partition.take().filter(|(known, _)| Arc::ptr_eq(known, place));
        let fields = &self.fields;
        let of_partition = known.unwrap_or_else(|| {
            let mut message = Message::new("");
            if !fields.topic.is_empty() {
                message.set_attribute(&fields.topic, &*place.topic);
            }
            if let Some(name) = &fields.partition {
                message.set_attribute(name, place.partition);
            }
            (place.clone(), message)
        });
        &self.of_partition.insert(of_partition).1
    }
}
